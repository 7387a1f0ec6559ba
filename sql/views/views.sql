-- Views. Each shows a caller the rows of his own tenants only, whatever rights its owner has.

CREATE VIEW atomizer.tensor_atom_coefficient WITH (security_barrier) AS
SELECT s.tensor_atom_id, s.model_id, s.layer_name, s.layer_idx, (s.c).weight_index, (s.c).position_x,
       (s.c).position_y, (s.c).position_z, (s.c).weight, (s.c).atomic_value, (s.c).content_hash
FROM (SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.tenant_id,
             -- In the select list a set-returning function streams; in FROM it would be written out first.
             atomizer.tensor_coefficients(t.tensor_atom_id) AS c
      FROM atomizer.tensor_atom t
      WHERE t.valid_from IS NOT NULL AND t.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[])) s;
COMMENT ON VIEW atomizer.tensor_atom_coefficient IS
    'Every weight of every complete model at its position. Ask for a tensor (WHERE tensor_atom_id = …): the rest is then not read.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.layer_name IS 'Its name.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.weight_index IS 'Place of the weight in the tensor, row-major, from 0.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_x IS 'Place along the last axis.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_y IS 'Place along the axis before it.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_z IS 'Place over all earlier axes together.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.weight IS 'The weight; rounded for F64 and integers that real cannot hold.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.atomic_value IS 'The weight''s content, exactly: float4send, float8send or int8send of it.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.content_hash IS 'SHA-256 of atomic_value: the key of its atom.';

CREATE VIEW atomizer.layer_spectrum WITH (security_barrier) AS
SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.layer_type, m.rows, m.cols, m.spectral_norm, m.frobenius_norm,
       m.stable_rank, m.effective_rank, m.alpha, m.alpha_sigma, m.xmin, m.ks_distance, m.tail
FROM atomizer.tensor_atom t, LATERAL atomizer.tensor_spectral_measures(t.tensor_atom_id) m
WHERE t.valid_from IS NOT NULL AND pg_catalog.cardinality(t.shape) >= 2
  AND t.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[]);
COMMENT ON VIEW atomizer.layer_spectrum IS
    'What the singular values of each matrix tell of it, computed when read. Ask for a model or a tensor (WHERE model_id = …): the rest is then not read.';
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
COMMENT ON COLUMN atomizer.layer_spectrum.ks_distance IS 'Kolmogorov and Smirnov''s distance of the tail from the law.';
COMMENT ON COLUMN atomizer.layer_spectrum.tail IS 'Number of singular values in the tail.';

CREATE VIEW atomizer.ingestion_progress WITH (security_barrier) AS
SELECT j.ingestion_job_id, m.model_name, j.job_status,
       round(100.0 * j.bytes_processed / nullif(j.total_bytes, 0), 1) AS percent,
       j.total_atoms_processed, j.total_atoms, j.atom_quota,
       pg_catalog.pg_size_pretty(j.total_bytes) AS size,
       pg_catalog.pg_size_pretty(j.new_bytes) AS new,
       j.chunks_committed,
       coalesce(j.completed_at, j.last_updated_at) - j.started_at AS elapsed,
       j.last_updated_at, j.error_code, j.error_message
FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id)
WHERE j.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[]);
COMMENT ON VIEW atomizer.ingestion_progress IS 'Your ingestion jobs and how far they are.';
COMMENT ON COLUMN atomizer.ingestion_progress.ingestion_job_id IS 'The job.';
COMMENT ON COLUMN atomizer.ingestion_progress.model_name IS 'The model it ingests.';
COMMENT ON COLUMN atomizer.ingestion_progress.job_status IS 'Where it stands.';
COMMENT ON COLUMN atomizer.ingestion_progress.percent IS 'Share of the files'' bytes in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms_processed IS 'Weights in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms IS 'Weights of the model.';
COMMENT ON COLUMN atomizer.ingestion_progress.atom_quota IS 'Weights the job may process at most.';
COMMENT ON COLUMN atomizer.ingestion_progress.size IS 'Size of the files.';
COMMENT ON COLUMN atomizer.ingestion_progress.new IS 'What the tenant had in no model before.';
COMMENT ON COLUMN atomizer.ingestion_progress.chunks_committed IS 'Number of committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.elapsed IS 'Time from the first claim to the end, or to the last sign of life.';
COMMENT ON COLUMN atomizer.ingestion_progress.last_updated_at IS 'Last sign of life.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_code IS 'SQLSTATE of the last error.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_message IS 'The last error.';

CREATE VIEW atomizer.tenant_atom WITH (security_barrier) AS
SELECT t.tenant_id, t.content_hash, count(*) AS reference_count
FROM atomizer.tensor_atom t
WHERE t.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[])
GROUP BY t.tenant_id, t.content_hash;
COMMENT ON VIEW atomizer.tenant_atom IS
    'Which tensor contents a tenant holds, and how often. Derived, so that it cannot disagree with tensor_atom.';
COMMENT ON COLUMN atomizer.tenant_atom.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer.tenant_atom.content_hash IS 'The content.';
COMMENT ON COLUMN atomizer.tenant_atom.reference_count IS 'Tensors of this tenant that have it.';

CREATE VIEW atomizer.storage_summary AS
SELECT (SELECT count(*) FROM atomizer.model WHERE is_complete) AS models,
       (SELECT count(*) FROM atomizer.tensor_atom) AS tensor_atoms,
       count(*) FILTER (WHERE a.kind = 'tensor') AS distinct_tensors,
       count(*) FILTER (WHERE a.kind = 'weight') AS distinct_weights,
       coalesce(sum(a.reference_count) FILTER (WHERE a.kind = 'weight'), 0) AS weight_references,
       pg_catalog.pg_size_pretty((SELECT coalesce(sum(f.byte_length), 0) FROM atomizer.model_file f)) AS files,
       pg_catalog.pg_size_pretty(coalesce(sum(a.byte_length) FILTER (WHERE a.kind <> 'weight'), 0)) AS distinct_content,
       pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size('atomizer.tensor_segment')) AS stored_content,
       pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size('atomizer.atom')) AS stored_atoms
FROM atomizer.atom a;
COMMENT ON VIEW atomizer.storage_summary IS 'What the store holds and what it takes. For administrators.';
COMMENT ON COLUMN atomizer.storage_summary.models IS 'Complete models.';
COMMENT ON COLUMN atomizer.storage_summary.tensor_atoms IS 'Named tensors of all models.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_tensors IS 'Distinct tensor contents.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_weights IS 'Weight atoms.';
COMMENT ON COLUMN atomizer.storage_summary.weight_references IS 'Weights that refer to them.';
COMMENT ON COLUMN atomizer.storage_summary.files IS 'Size of all models'' files.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_content IS 'Size of their distinct contents.';
COMMENT ON COLUMN atomizer.storage_summary.stored_content IS 'Size of tensor_segment on disk, with its index.';
COMMENT ON COLUMN atomizer.storage_summary.stored_atoms IS 'Size of atom on disk, with its index.';
