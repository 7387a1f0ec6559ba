COMMENT ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) IS
    'The k tensors most like a tensor, by exact distance of their weights (metric cosine or euclidean) among the candidates with as many weights nearest in space.';
ALTER FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) TO PUBLIC;
