COMMENT ON FUNCTION atomizer.tensor_weight(bigint, bigint, bigint, bigint) IS
    'One weight of a stored tensor: x along the last axis, y along the one before, z along all other axes together, each from 0.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weight(bigint, bigint, bigint, bigint) TO PUBLIC;
