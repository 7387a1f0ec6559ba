COMMENT ON FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) IS
    'The k matrix rows most like a row, by exact distance of their weights (metric cosine or euclidean) among the candidates of equal length nearest in space: of all your models, or of within_tensor.';
ALTER FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) TO PUBLIC;
