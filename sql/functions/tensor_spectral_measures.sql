COMMENT ON FUNCTION atomizer.tensor_spectral_measures(bigint) IS
    'Measures of a stored matrix from its singular values; the view layer_spectrum describes them. Tensors that have none give a notice and no row.';
ALTER FUNCTION atomizer.tensor_spectral_measures(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_spectral_measures(bigint) TO PUBLIC;
