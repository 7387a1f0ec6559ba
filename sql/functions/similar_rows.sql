COMMENT ON FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) IS
    'The k rows of as many weights most like a row, by the exact distance of their weights (metric cosine or euclidean), among the candidates that are nearest in space: of all your models, or of within_tensor.';
ALTER FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) TO PUBLIC;
