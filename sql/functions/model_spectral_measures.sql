COMMENT ON FUNCTION atomizer.model_spectral_measures(atomizer.regmodel, bigint) IS
    'As tensor_spectral_measures(), for every matrix of a model with at least min_parameters weights.';
GRANT EXECUTE ON FUNCTION atomizer.model_spectral_measures(atomizer.regmodel, bigint) TO PUBLIC;
