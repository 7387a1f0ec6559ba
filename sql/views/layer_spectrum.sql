CREATE VIEW atomizer.layer_spectrum WITH (security_barrier) AS
SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.layer_type, m.rows, m.cols, m.spectral_norm, m.frobenius_norm,
       m.stable_rank, m.effective_rank, m.alpha, m.alpha_sigma, m.xmin, m.ks_distance, m.tail
FROM atomizer.tensor_atom t, LATERAL atomizer.tensor_spectral_measures(t.tensor_atom_id) m
WHERE t.valid_from IS NOT NULL AND pg_catalog.cardinality(t.shape) >= 2
  AND atomizer_internal.acts_for(t.tenant_id);
COMMENT ON VIEW atomizer.layer_spectrum IS
    'Measures of each matrix from its singular values, computed when read: select one model or tensor (WHERE model_id = …), and only that is read.';
COMMENT ON COLUMN atomizer.layer_spectrum.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.layer_spectrum.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_name IS 'Its name.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.layer_spectrum.layer_type IS 'Kind of its layer.';
COMMENT ON COLUMN atomizer.layer_spectrum.rows IS 'Rows: the tensor''s first axis.';
COMMENT ON COLUMN atomizer.layer_spectrum.cols IS 'Columns: all other axes.';
COMMENT ON COLUMN atomizer.layer_spectrum.spectral_norm IS 'The largest singular value.';
COMMENT ON COLUMN atomizer.layer_spectrum.frobenius_norm IS 'Root of the sum of squares.';
COMMENT ON COLUMN atomizer.layer_spectrum.stable_rank IS '(frobenius_norm / spectral_norm)^2.';
COMMENT ON COLUMN atomizer.layer_spectrum.effective_rank IS
    'e to the entropy of the singular values'' shares of their sum (Roy and Vetterli 2007).';
COMMENT ON COLUMN atomizer.layer_spectrum.alpha IS
    'Exponent of the power law that the tail of the squared singular values follows, as WeightWatcher fits it; null without a tail.';
COMMENT ON COLUMN atomizer.layer_spectrum.alpha_sigma IS 'Its standard error.';
COMMENT ON COLUMN atomizer.layer_spectrum.xmin IS 'The least squared singular value of the tail.';
COMMENT ON COLUMN atomizer.layer_spectrum.ks_distance IS 'Kolmogorov-Smirnov distance between the tail and the power law.';
COMMENT ON COLUMN atomizer.layer_spectrum.tail IS 'Number of singular values in the tail.';
GRANT SELECT ON atomizer.layer_spectrum TO PUBLIC;
