COMMENT ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) IS
    'count weights of a stored tensor as real[], from weight first (row-major, from 0); all of them by default. Types wider than real are rounded.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_weights(
    model atomizer.regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL)
RETURNS real[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.tensor_weights(atomizer.tensor_id(model, tensor), first, count);
COMMENT ON FUNCTION atomizer.tensor_weights(atomizer.regmodel, text, bigint, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights(atomizer.regmodel, text, bigint, bigint) TO PUBLIC;
