COMMENT ON FUNCTION atomizer.tensor_weight(bigint, bigint, bigint, bigint) IS
    'One weight of a stored tensor: x along the last axis, y along the one before, z along all other axes together, each from 0.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weight(bigint, bigint, bigint, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_weight(
    model atomizer.regmodel, tensor text, position_x bigint, position_y bigint DEFAULT 0, position_z bigint
    DEFAULT 0)
RETURNS real
LANGUAGE sql STABLE PARALLEL SAFE
RETURN atomizer.tensor_weight(atomizer.tensor_id(model, tensor), position_x, position_y, position_z);
COMMENT ON FUNCTION atomizer.tensor_weight(atomizer.regmodel, text, bigint, bigint, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weight(atomizer.regmodel, text, bigint, bigint, bigint) TO PUBLIC;
