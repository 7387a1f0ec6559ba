COMMENT ON FUNCTION atomizer.tensor_weights_float8(bigint, bigint, bigint) IS
    'As tensor_weights(), in double precision: exact for F64, and for integers up to 2^53.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights_float8(bigint, bigint, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_weights_float8(
    model atomizer.regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL)
RETURNS double precision[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.tensor_weights_float8(atomizer.tensor_id(model, tensor), first, count);
COMMENT ON FUNCTION atomizer.tensor_weights_float8(atomizer.regmodel, text, bigint, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights_float8(atomizer.regmodel, text, bigint, bigint) TO PUBLIC;
