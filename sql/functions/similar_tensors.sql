COMMENT ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) IS
    'The k tensors most like a tensor, by exact distance of their weights (metric cosine or euclidean) among the candidates with as many weights nearest in space.';
ALTER FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) TO PUBLIC;

CREATE FUNCTION atomizer.similar_tensors(
    model atomizer.regmodel, tensor text, k integer DEFAULT 10, candidates integer DEFAULT 100, metric text
    DEFAULT 'cosine')
RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT * FROM atomizer.similar_tensors(atomizer.tensor_id(model, tensor), k, candidates, metric);
END;
COMMENT ON FUNCTION atomizer.similar_tensors(atomizer.regmodel, text, integer, integer, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.similar_tensors(atomizer.regmodel, text, integer, integer, text) TO PUBLIC;
