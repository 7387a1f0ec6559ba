-- No security barrier of its own: own_matrix is the barrier.
CREATE VIEW atomizer.layer_spectrum AS
SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.layer_type, m.rows, m.cols, m.spectral_norm, m.frobenius_norm,
       m.stable_rank, m.effective_rank, m.alpha, m.alpha_sigma, m.power_law_xmin, m.ks_distance, m.tail,
       m.alpha_weighted, m.log_norm, m.log_spectral_norm, m.log_alpha_norm, m.rank_loss, t.model_name
FROM atomizer_internal.own_matrix t, LATERAL atomizer.tensor_spectral_measures(t.tensor_atom_id) m;
COMMENT ON VIEW atomizer.layer_spectrum IS
    'Measures of each matrix from its singular values: those that analyze_model() stored, others computed when read. Conditions on models and layers are applied before anything is computed.';
COMMENT ON COLUMN atomizer.layer_spectrum.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.layer_spectrum.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_name IS 'Its name.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_type IS 'Kind of its layer.';
COMMENT ON COLUMN atomizer.layer_spectrum.rows IS 'Rows: the tensor''s first axis.';
COMMENT ON COLUMN atomizer.layer_spectrum.cols IS 'Columns: all other axes.';
COMMENT ON COLUMN atomizer.layer_spectrum.spectral_norm IS 'The largest singular value; its square is what WeightWatcher calls spectral_norm.';
COMMENT ON COLUMN atomizer.layer_spectrum.frobenius_norm IS 'Root of the sum of squares; its square is what WeightWatcher calls norm.';
COMMENT ON COLUMN atomizer.layer_spectrum.stable_rank IS '(frobenius_norm / spectral_norm)^2, as in WeightWatcher.';
COMMENT ON COLUMN atomizer.layer_spectrum.effective_rank IS
    'e to the entropy of the singular values'' shares of their sum (Roy and Vetterli 2007).';
COMMENT ON COLUMN atomizer.layer_spectrum.alpha IS
    'Exponent of the power law that the tail of the squared singular values follows, as WeightWatcher fits it; null without a tail.';
COMMENT ON COLUMN atomizer.layer_spectrum.alpha_sigma IS 'Its standard error, WeightWatcher''s sigma.';
COMMENT ON COLUMN atomizer.layer_spectrum.power_law_xmin IS 'The least squared singular value of the tail, WeightWatcher''s xmin.';
COMMENT ON COLUMN atomizer.layer_spectrum.ks_distance IS 'Kolmogorov-Smirnov distance between the tail and the power law, WeightWatcher''s D.';
COMMENT ON COLUMN atomizer.layer_spectrum.tail IS 'Number of singular values in the tail, WeightWatcher''s num_pl_spikes.';
COMMENT ON COLUMN atomizer.layer_spectrum.alpha_weighted IS
    'alpha * log_spectral_norm, as in WeightWatcher; null without a tail.';
COMMENT ON COLUMN atomizer.layer_spectrum.log_norm IS
    'log10 of the sum of the squared singular values, as in WeightWatcher; null for a zero matrix.';
COMMENT ON COLUMN atomizer.layer_spectrum.log_spectral_norm IS
    'log10 of the largest squared singular value, as in WeightWatcher; null for a zero matrix.';
COMMENT ON COLUMN atomizer.layer_spectrum.log_alpha_norm IS
    'log10 of the sum of the squared singular values'' powers of alpha, as in WeightWatcher; null without a tail.';
COMMENT ON COLUMN atomizer.layer_spectrum.rank_loss IS
    'Singular values whose square is at most 2^-52 * greatest(rows, cols) of the largest square. WeightWatcher applies that tolerance to the values themselves.';
COMMENT ON COLUMN atomizer.layer_spectrum.model_name IS 'Name of its model.';
GRANT SELECT ON atomizer.layer_spectrum TO PUBLIC;
