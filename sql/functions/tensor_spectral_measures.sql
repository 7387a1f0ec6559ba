COMMENT ON FUNCTION atomizer.tensor_spectral_measures(bigint) IS
    'Measures of a stored matrix from its singular values; the view layer_spectrum describes them. Tensors that have none give a notice and no row.';
ALTER FUNCTION atomizer.tensor_spectral_measures(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_spectral_measures(bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_spectral_measures(model atomizer.regmodel, tensor text)
RETURNS TABLE(rows bigint, cols bigint, spectral_norm double precision, frobenius_norm double precision,
    stable_rank double precision, effective_rank double precision, alpha double precision,
    alpha_sigma double precision, power_law_xmin double precision, ks_distance double precision, tail bigint,
    alpha_weighted double precision, log_norm double precision, log_spectral_norm double precision,
    log_alpha_norm double precision, rank_loss bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM atomizer.tensor_spectral_measures(atomizer.tensor_id(model, tensor));
END;
COMMENT ON FUNCTION atomizer.tensor_spectral_measures(atomizer.regmodel, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_spectral_measures(atomizer.regmodel, text) TO PUBLIC;
