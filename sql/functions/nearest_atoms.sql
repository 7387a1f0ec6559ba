COMMENT ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) IS
    'The k tensors (granularity tensor) or rows of matrices (row) of yours that are nearest to a point.';
ALTER FUNCTION atomizer.nearest_atoms(geometry, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) TO PUBLIC;

COMMENT ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) IS
    'The k others that are nearest to a tensor''s point; to that of one of its rows, and rows, with row_no.';
ALTER FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) TO PUBLIC;
