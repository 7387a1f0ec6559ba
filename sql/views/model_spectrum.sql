CREATE VIEW atomizer.model_spectrum AS
SELECT s.model_id, s.model_name, count(*) AS layers, avg(s.log_norm) AS log_norm, avg(s.alpha) AS alpha,
       avg(s.alpha_weighted) AS alpha_weighted, avg(s.log_alpha_norm) AS log_alpha_norm,
       avg(s.log_spectral_norm) AS log_spectral_norm, avg(s.stable_rank) AS stable_rank, sum(s.rank_loss)::bigint AS rank_loss
FROM atomizer.layer_spectrum s GROUP BY s.model_id, s.model_name;
COMMENT ON VIEW atomizer.model_spectrum IS
    'Means of layer_spectrum over the matrices of each of your models, as WeightWatcher sums a model up: at once after analyze_model(), computed when read before it. Select a model (WHERE model_id = …), and only that is read.';
COMMENT ON COLUMN atomizer.model_spectrum.model_id IS 'The model.';
COMMENT ON COLUMN atomizer.model_spectrum.model_name IS 'Its name.';
COMMENT ON COLUMN atomizer.model_spectrum.layers IS 'Number of its matrices. WeightWatcher leaves out those with fewer than 8 or more than 15000 singular values, or a side above 50000.';
COMMENT ON COLUMN atomizer.model_spectrum.log_norm IS 'Mean of log_norm.';
COMMENT ON COLUMN atomizer.model_spectrum.alpha IS 'Mean of alpha, over the matrices that have one.';
COMMENT ON COLUMN atomizer.model_spectrum.alpha_weighted IS 'Mean of alpha_weighted.';
COMMENT ON COLUMN atomizer.model_spectrum.log_alpha_norm IS 'Mean of log_alpha_norm.';
COMMENT ON COLUMN atomizer.model_spectrum.log_spectral_norm IS 'Mean of log_spectral_norm.';
COMMENT ON COLUMN atomizer.model_spectrum.stable_rank IS 'Mean of stable_rank.';
COMMENT ON COLUMN atomizer.model_spectrum.rank_loss IS 'Sum of rank_loss.';
GRANT SELECT ON atomizer.model_spectrum TO PUBLIC;
