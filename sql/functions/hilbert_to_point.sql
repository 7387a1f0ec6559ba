COMMENT ON FUNCTION atomizer.hilbert_to_point(bigint, integer, box3d) IS
    'Centre of a cell, from its index along the Hilbert curve: the inverse of compute_hilbert_value().';
GRANT EXECUTE ON FUNCTION atomizer.hilbert_to_point(bigint, integer, box3d) TO PUBLIC;
