COMMENT ON FUNCTION atomizer.tensor_coefficients(bigint) IS
    'Every weight of a stored tensor with its position; no row for types that cannot be decoded. The view tensor_atom_coefficient is built on it.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_coefficients(bigint) TO PUBLIC;
