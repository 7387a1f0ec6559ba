COMMENT ON FUNCTION atomizer.tensor_spectral_measures(bigint) IS
    'What the singular values of a stored matrix tell of it; see the view layer_spectrum. No row, but a notice, for tensors that have none.';
ALTER FUNCTION atomizer.tensor_spectral_measures(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_spectral_measures(bigint) TO PUBLIC;
