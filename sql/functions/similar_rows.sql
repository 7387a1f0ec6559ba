COMMENT ON FUNCTION atomizer.similar_rows(bigint, bigint, bigint, integer, text, text, bigint) IS
    'The k matrix rows most like a row, by exact distance of their weights (metric cosine or euclidean) among the candidates of equal length nearest in space: of all your models, or of within_tensor.';
ALTER FUNCTION atomizer.similar_rows(bigint, bigint, bigint, integer, text, text, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_rows(bigint, bigint, bigint, integer, text, text, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.similar_rows(
    model atomizer.regmodel, tensor text, row_no bigint, k integer DEFAULT 10, candidates integer DEFAULT 10000,
    metric text DEFAULT 'cosine', strategy text DEFAULT 'RTree', within_tensor bigint DEFAULT NULL)
RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT * FROM atomizer.similar_rows(atomizer.tensor_id(model, tensor), row_no, k, candidates, metric, strategy, within_tensor);
END;
COMMENT ON FUNCTION atomizer.similar_rows(atomizer.regmodel, text, bigint, integer, integer, text, text, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.similar_rows(atomizer.regmodel, text, bigint, integer, integer, text, text, bigint) TO PUBLIC;
