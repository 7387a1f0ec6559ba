COMMENT ON FUNCTION atomizer.model_spectral_measures(bigint, bigint) IS
    'As tensor_spectral_measures, for every matrix of a model that has min_parameters weights or more.';
GRANT EXECUTE ON FUNCTION atomizer.model_spectral_measures(bigint, bigint) TO PUBLIC;
