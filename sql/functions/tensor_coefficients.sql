COMMENT ON FUNCTION atomizer.tensor_coefficients(bigint) IS
    'Every weight of a stored tensor at its position; none for types that cannot be decoded. The view tensor_atom_coefficient is made of it.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_coefficients(bigint) TO PUBLIC;
