COMMENT ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) IS
    'The k tensors (granularity tensor) or matrix rows (row) of your models nearest to a point, nearest first.';
ALTER FUNCTION atomizer.nearest_atoms(geometry, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) TO PUBLIC;

COMMENT ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) IS
    'The k tensors nearest to a tensor''s point; with row_no, the k matrix rows nearest to that row''s point.';
ALTER FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) TO PUBLIC;
