COMMENT ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) IS
    'The k tensors most like a tensor, by the exact distance of their weights, among the candidates of as many weights that are nearest in space.';
ALTER FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) TO PUBLIC;
