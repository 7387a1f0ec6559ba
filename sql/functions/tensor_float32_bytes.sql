COMMENT ON FUNCTION atomizer.tensor_float32_bytes(bigint, bigint, bigint) IS
    'count weights of a stored tensor from weight first on (row-major, from 0), as little-endian 32-bit floats one behind the other, which numpy.frombuffer reads; all of them by default. Wider types are rounded.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_float32_bytes(bigint, bigint, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_float32_bytes(model atomizer.regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.tensor_float32_bytes(atomizer.tensor_id(model, tensor), first, count);
COMMENT ON FUNCTION atomizer.tensor_float32_bytes(atomizer.regmodel, text, bigint, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_float32_bytes(atomizer.regmodel, text, bigint, bigint) TO PUBLIC;
