COMMENT ON FUNCTION atomizer.hilbert_to_point(bigint, integer, box3d) IS
    'The centre of a cell, from its index along the Hilbert curve.';
GRANT EXECUTE ON FUNCTION atomizer.hilbert_to_point(bigint, integer, box3d) TO PUBLIC;
