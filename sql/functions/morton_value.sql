COMMENT ON FUNCTION atomizer.morton_value(geometry, integer, box3d) IS
    'As compute_hilbert_value(), along the Morton curve (Z order).';
GRANT EXECUTE ON FUNCTION atomizer.morton_value(geometry, integer, box3d) TO PUBLIC;
