COMMENT ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) IS
    'A tensor''s weights from its decomposition in svd_component: the one of highest rank, or the first rank singular values.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) TO PUBLIC;

CREATE FUNCTION atomizer.reconstruct_tensor(model atomizer.regmodel, tensor text, rank integer DEFAULT NULL)
RETURNS real[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.reconstruct_tensor(atomizer.tensor_id(model, tensor), rank);
COMMENT ON FUNCTION atomizer.reconstruct_tensor(atomizer.regmodel, text, integer) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_tensor(atomizer.regmodel, text, integer) TO PUBLIC;
