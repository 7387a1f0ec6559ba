-- Computed once for each distinct content that is read in the same way, as svd_component.

CREATE TABLE atomizer.spectral_measure (
    content_hash    bytea NOT NULL,
    data_type       atomizer.tensor_dtype NOT NULL,
    row_count       bigint NOT NULL,
    spectral_norm   double precision NOT NULL,
    frobenius_norm  double precision NOT NULL,
    stable_rank     double precision NOT NULL,
    effective_rank  double precision NOT NULL,
    rank_loss       bigint NOT NULL,
    log_alpha_norm  double precision,
    alpha           double precision,
    power_law_xmin  double precision,
    ks_distance     double precision,
    alpha_sigma     double precision,
    tail            bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (content_hash, data_type, row_count)
);
COMMENT ON TABLE atomizer.spectral_measure IS
    'Measures of tensors from their singular values, by analyze_model(): the view layer_spectrum shows them, and says what they are.';
COMMENT ON COLUMN atomizer.spectral_measure.content_hash IS 'The tensor''s content.';
COMMENT ON COLUMN atomizer.spectral_measure.data_type IS 'Data type that its weights are read as.';
COMMENT ON COLUMN atomizer.spectral_measure.row_count IS 'Rows of the matrix: the tensor''s first extent.';
COMMENT ON COLUMN atomizer.spectral_measure.spectral_norm IS 'The largest singular value.';
COMMENT ON COLUMN atomizer.spectral_measure.frobenius_norm IS 'Root of the sum of squares.';
COMMENT ON COLUMN atomizer.spectral_measure.stable_rank IS '(frobenius_norm / spectral_norm)^2.';
COMMENT ON COLUMN atomizer.spectral_measure.effective_rank IS 'e to the entropy of the singular values'' shares of their sum.';
COMMENT ON COLUMN atomizer.spectral_measure.rank_loss IS 'Singular values that are zero but for rounding.';
COMMENT ON COLUMN atomizer.spectral_measure.log_alpha_norm IS 'log10 of the sum of the eigenvalues'' powers of alpha; null without a power law.';
COMMENT ON COLUMN atomizer.spectral_measure.alpha IS 'Exponent of the power law; null without a tail.';
COMMENT ON COLUMN atomizer.spectral_measure.power_law_xmin IS 'The least eigenvalue of the tail.';
COMMENT ON COLUMN atomizer.spectral_measure.ks_distance IS 'Kolmogorov-Smirnov distance between the tail and the power law.';
COMMENT ON COLUMN atomizer.spectral_measure.alpha_sigma IS 'Standard error of alpha.';
COMMENT ON COLUMN atomizer.spectral_measure.tail IS 'Number of eigenvalues in the tail.';
COMMENT ON COLUMN atomizer.spectral_measure.created_at IS 'When they were computed.';

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.spectral_measure', '');
