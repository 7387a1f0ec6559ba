COMMENT ON FUNCTION atomizer.tensor_coefficients(bigint) IS
    'Every weight of a stored tensor with its position; no row for types that cannot be decoded. The view tensor_atom_coefficient is built on it.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_coefficients(bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_coefficients(model atomizer.regmodel, tensor text)
RETURNS TABLE(weight_index bigint, position_x integer, position_y integer, position_z bigint, weight real,
    atomic_value bytea, content_hash bytea)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM atomizer.tensor_coefficients(atomizer.tensor_id(model, tensor));
END;
COMMENT ON FUNCTION atomizer.tensor_coefficients(atomizer.regmodel, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_coefficients(atomizer.regmodel, text) TO PUBLIC;
