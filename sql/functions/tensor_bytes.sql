COMMENT ON FUNCTION atomizer.tensor_bytes(bigint, bigint, bigint) IS
    'count bytes of a stored tensor from byte first on (from 0), as they are in its file; all of them by default. Only the segments that hold them are read.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_bytes(bigint, bigint, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_bytes(model atomizer.regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.tensor_bytes(atomizer.tensor_id(model, tensor), first, count);
COMMENT ON FUNCTION atomizer.tensor_bytes(atomizer.regmodel, text, bigint, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_bytes(atomizer.regmodel, text, bigint, bigint) TO PUBLIC;
