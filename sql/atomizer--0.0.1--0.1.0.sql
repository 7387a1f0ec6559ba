-- Upgrades 0.0.1 to 0.1.0. File names: atomizer--FROM--TO.sql; ALTER EXTENSION atomizer UPDATE runs them in turn.
-- Above the line that says so, written by hand: what changes tables, columns, sequences and types. A new table or
-- sequence needs its pg_extension_config_dump() here, too, as its file in sql/tables has it.

-- What is there already: rights on it are the administrators', and the last step leaves them alone.
SELECT pg_catalog.set_config('atomizer_upgrade.objects', pg_catalog.string_agg(d.classid || ':' || d.objid, ' '), true)
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'atomizer'
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e';

ALTER TABLE atomizer.tensor_atom SET (parallel_workers = 4);

ALTER TYPE atomizer.tensor_dtype ADD VALUE 'Q2_0';
ALTER TYPE atomizer.quantization_type ADD VALUE 'Q2_0';

CREATE SCHEMA atomizer_internal;

CREATE TYPE atomizer.regmodel;
CREATE FUNCTION atomizer_internal.regmodel_in(cstring) RETURNS atomizer.regmodel
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'regmodel_in_wrapper';
CREATE FUNCTION atomizer_internal.regmodel_out(atomizer.regmodel) RETURNS cstring
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8out';
CREATE FUNCTION atomizer_internal.regmodel_recv(internal) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8recv';
CREATE FUNCTION atomizer_internal.regmodel_send(atomizer.regmodel) RETURNS bytea
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8send';
CREATE TYPE atomizer.regmodel (
    INPUT = atomizer_internal.regmodel_in, OUTPUT = atomizer_internal.regmodel_out,
    RECEIVE = atomizer_internal.regmodel_recv, SEND = atomizer_internal.regmodel_send,
    LIKE = bigint, CATEGORY = 'S');
CREATE FUNCTION atomizer_internal.regmodel_of_text(text) RETURNS atomizer.regmodel
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'regmodel_of_text_wrapper';
CREATE FUNCTION atomizer_internal.regmodel_of_int4(integer) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int48';
CREATE FUNCTION atomizer_internal.regmodel_of_int2(smallint) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int28';
CREATE CAST (bigint AS atomizer.regmodel) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (integer AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_int4(integer) AS IMPLICIT;
CREATE CAST (smallint AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_int2(smallint) AS IMPLICIT;
CREATE CAST (text AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_text(text) AS IMPLICIT;
CREATE CAST (varchar AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_text(text) AS IMPLICIT;
CREATE CAST (atomizer.regmodel AS bigint) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (atomizer.spatial_index_strategy AS text) WITH INOUT AS IMPLICIT;

ALTER TABLE atomizer.ingestion_job
    ADD COLUMN error_detail text,
    ADD COLUMN error_hint text,
    ADD COLUMN error_phase text,
    ADD COLUMN error_file text,
    ADD COLUMN queued_at timestamptz,
    ADD COLUMN queued_role regrole,
    ADD COLUMN unlink_lo boolean,
    ADD COLUMN safety text CHECK (safety IN ('refuse', 'warn', 'ignore')),
    ADD COLUMN created_role regrole;
-- With a default at once, the functions that take a row of the table would be in its way.
ALTER TABLE atomizer.ingestion_job ALTER COLUMN unlink_lo SET DEFAULT false;
ALTER TABLE atomizer.ingestion_job ALTER COLUMN safety SET DEFAULT 'warn';
UPDATE atomizer.ingestion_job SET unlink_lo = false, safety = 'warn';
ALTER TABLE atomizer.ingestion_job ALTER COLUMN unlink_lo SET NOT NULL;
ALTER TABLE atomizer.ingestion_job ALTER COLUMN safety SET NOT NULL;

ALTER TABLE atomizer.model
    ADD COLUMN safety_verdict text CHECK (safety_verdict IN ('safe', 'suspicious', 'dangerous'));

-- Members are roles, whatever their names become. A name without a role may become another's.
DELETE FROM atomizer.tenant_member WHERE pg_catalog.to_regrole(pg_catalog.quote_ident(member_role)) IS NULL;
-- A function's body holds the column; below, the function goes.
CREATE OR REPLACE FUNCTION atomizer._may_act_for(role_name name, tenant bigint) RETURNS boolean
LANGUAGE sql STABLE AS 'SELECT false';
ALTER TABLE atomizer.tenant_member ALTER COLUMN member_role TYPE regrole USING pg_catalog.to_regrole(pg_catalog.quote_ident(member_role));
SELECT pg_catalog.pg_extension_config_dump('atomizer.tenant_member',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = member_role)');

ALTER TABLE atomizer.model_file
    ADD COLUMN role text NOT NULL DEFAULT 'weights' CHECK (role IN ('weights', 'companion'));

-- The history gets a primary key. A version that ended when the one before it did, which a second update in the same
-- transaction left, lasts a microsecond now, and the next one begins when it ends.
CREATE TEMP TABLE atomizer_versions AS
    SELECT v.version, v.tensor_atom_id, v.valid_to,
           pg_catalog.max(v.valid_to - v.n * '1 microsecond'::interval) OVER (PARTITION BY v.tensor_atom_id ORDER BY v.n)
               + v.n * '1 microsecond'::interval AS ends
    FROM (SELECT h.ctid AS version, h.tensor_atom_id, h.valid_to,
                 pg_catalog.row_number() OVER (PARTITION BY h.tensor_atom_id ORDER BY h.valid_to, h.valid_from, h.ctid) AS n
          FROM atomizer.tensor_atom_history h) v;
UPDATE atomizer.tensor_atom_history h
SET valid_from = greatest(h.valid_from, v.begins), valid_to = v.ends
FROM (SELECT a.*, pg_catalog.lag(a.ends) OVER (PARTITION BY a.tensor_atom_id ORDER BY a.ends) AS begins FROM pg_temp.atomizer_versions a) v
WHERE h.ctid = v.version AND (v.ends <> h.valid_to OR v.begins > h.valid_from);
ALTER TABLE atomizer.tensor_atom DISABLE TRIGGER keep_history;
UPDATE atomizer.tensor_atom t SET valid_from = v.ends
FROM (SELECT a.tensor_atom_id, pg_catalog.max(a.ends) AS ends FROM pg_temp.atomizer_versions a GROUP BY 1) v
WHERE t.tensor_atom_id = v.tensor_atom_id AND t.valid_from < v.ends;
ALTER TABLE atomizer.tensor_atom ENABLE TRIGGER keep_history;
DROP TABLE pg_temp.atomizer_versions;
DROP INDEX atomizer.tensor_atom_history_idx;
ALTER TABLE atomizer.tensor_atom_history ADD PRIMARY KEY (tensor_atom_id, valid_to);

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
SELECT pg_catalog.pg_extension_config_dump('atomizer.spectral_measure', '');

-- Below: written by tools/make-upgrade. Do not edit.

CREATE OR REPLACE FUNCTION atomizer.atom_tiles(z integer, x integer, y integer)
 RETURNS bytea
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$atom_tiles_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.acts_for(tenant_id bigint)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', $function$acts_for_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.analyze_step(model_id bigint, min_parameters bigint, first_tensor integer)
 RETURNS TABLE(next_tensor integer, measured integer, failed integer, small integer, failure text)
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$_analyze_step_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.check_commit(procedure text)
 RETURNS void
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$check_commit_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.check_may_commit(procedure text)
 RETURNS void
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$_check_may_commit_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.check_writable(function text)
 RETURNS void
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$check_writable_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.claim_ingestion_job(ingestion_job_id bigint)
 RETURNS uuid
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$_claim_ingestion_job_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.compress_step(model_id bigint, rank integer, target_energy double precision, min_parameters bigint, first_tensor integer)
 RETURNS TABLE(next_tensor integer, decomposed integer, not_smaller integer, failed integer, small integer, failure text, energy_sum double precision, least_energy double precision, least_tensor text, low integer, component_bytes bigint, stored_bytes bigint)
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$compress_step_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.dequantize(weight_data bytea, data_type text)
 RETURNS real[]
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$_dequantize_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.dequantize_bytes(weight_data bytea, data_type text)
 RETURNS bytea
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$_dequantize_bytes_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.end_progress(what text)
 RETURNS void
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$_end_progress_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.extract_model_weights(model_bytes bytea, model_format text, model_lo oid, model_path text, model regmodel, layers text, strict boolean)
 RETURNS TABLE(layer_name text, shape bigint[], data_type tensor_dtype, weight_data bytea, quantization_type quantization_type, quantization_scale double precision, quantization_zero_point integer)
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$_extract_model_weights_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.free_bytes(relation oid)
 RETURNS bigint
 LANGUAGE c
 PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$_free_bytes_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.ingestion_step(ingestion_job_id bigint, lease_token uuid, model_data bytea DEFAULT NULL::bytea, model_format text DEFAULT NULL::text)
 RETURNS TABLE(phase text, atoms_processed bigint, total_atoms bigint, bytes_processed bigint, total_bytes bigint, problem text)
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$_ingestion_step_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.is_alive(pid integer, backend_start timestamp with time zone)
 RETURNS boolean
 LANGUAGE c
 PARALLEL RESTRICTED STRICT
AS 'MODULE_PATHNAME', $function$_is_alive_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.is_in_box(point geometry, x_low double precision, y_low double precision, z_low double precision, x_high double precision, y_high double precision, z_high double precision)
 RETURNS boolean
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', $function$_is_in_box_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.model_weight_counts(model_id bigint)
 RETURNS TABLE(content_hash bytea, weight_count bigint)
 LANGUAGE c
 PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', $function$_model_weight_counts_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.prepare_ingestion(model_name text, model_path text, model_lo oid, model_format text, tenant text, granularity text, atom_chunk_size bigint, atom_quota bigint, model_type text DEFAULT NULL::text, provider text DEFAULT NULL::text, properties jsonb DEFAULT NULL::jsonb, unlink boolean DEFAULT false, safety text DEFAULT 'warn'::text)
 RETURNS bigint
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$prepare_ingestion_0_1_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.quantize(weights real[], data_type text)
 RETURNS bytea
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$_quantize_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.read_model_file(model regmodel, file_no integer)
 RETURNS TABLE(piece_no integer, bytes bytea)
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$_read_model_file_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.refuse_unsafe(safety text, model_bytes bytea, model_lo oid, model_path text, warns boolean DEFAULT false)
 RETURNS void
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$_refuse_unsafe_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.release_ingestion_job(ingestion_job_id bigint, lease_token uuid, job_status text, error_code text DEFAULT NULL::text, error_message text DEFAULT NULL::text, error_detail text DEFAULT NULL::text, error_hint text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$release_ingestion_job_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.release_weight_refs(model_id bigint)
 RETURNS void
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$_release_weight_refs_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.report_progress(what text, phase text, done bigint, total bigint, unit text DEFAULT 'bytes'::text)
 RETURNS void
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$_report_progress_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.running_work()
 RETURNS TABLE(pid integer, what text, model_id bigint, ingestion_job_id bigint, phase text, done bigint, total bigint, unit text, rate text, started timestamp with time zone, eta timestamp with time zone)
 LANGUAGE c
 PARALLEL RESTRICTED STRICT ROWS 5
AS 'MODULE_PATHNAME', $function$_running_work_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.spatialize_step(model_id bigint, granularity text, from_tensor integer)
 RETURNS TABLE(next_tensor integer, weights_done bigint, total_weights bigint, notices text[])
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$_spatialize_step_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.stored_sha256(content_hash bytea, byte_length bigint)
 RETURNS bytea
 LANGUAGE c
 PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', $function$_stored_sha256_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.stream_atomic_weights_chunked(model_bytes bytea, model_format text, "offset" bigint, chunk_size bigint, model_lo oid, model_path text, model regmodel, layers text, strict boolean)
 RETURNS TABLE(layer_name text, layer_idx integer, position_x integer, position_y integer, position_z bigint, weight real, atomic_value bytea, content_hash bytea)
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$_stream_atomic_weights_chunked_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer_internal.tenants_changed()
 RETURNS trigger
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$tenants_changed_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.atoms_in_box(search_box box3d, strategy text DEFAULT 'RTree'::text)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$atoms_in_box_by_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.create_ingestion_job(model regmodel, model_path text DEFAULT NULL::text, model_lo oid DEFAULT NULL::oid, model_format text DEFAULT NULL::text, granularity text DEFAULT 'auto'::text, atom_chunk_size bigint DEFAULT 64000000, atom_quota bigint DEFAULT NULL::bigint, safety text DEFAULT 'warn'::text)
 RETURNS bigint
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$create_ingestion_job_0_1_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.detect_model_format(model_bytes bytea DEFAULT NULL::bytea, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text)
 RETURNS model_format
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$detect_model_format_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.drop_model(model regmodel)
 RETURNS bigint
 LANGUAGE c
 STRICT
AS 'MODULE_PATHNAME', $function$drop_model_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.export_model(model regmodel, directory text)
 RETURNS TABLE(file_no integer, file_name text, byte_length bigint, sha256 bytea)
 LANGUAGE c
 PARALLEL RESTRICTED COST 10000 ROWS 10
AS 'MODULE_PATHNAME', $function$export_model_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.export_model_file(model regmodel, path text DEFAULT NULL::text, file_no integer DEFAULT NULL::integer, overwrite boolean DEFAULT false)
 RETURNS oid
 LANGUAGE c
 COST 10000
AS 'MODULE_PATHNAME', $function$export_model_file_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.extract_lora(base_tensor bigint, tuned_tensor bigint, rank integer DEFAULT 16)
 RETURNS TABLE(lora_a real[], lora_b real[], rank integer, explained_variance double precision, relative_error double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 1e+06 ROWS 1
AS 'MODULE_PATHNAME', $function$extract_lora_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.extract_lora_model(base_model regmodel, tuned_model regmodel, rank integer DEFAULT 16, path text DEFAULT NULL::text, overwrite boolean DEFAULT false)
 RETURNS TABLE(adapter_model oid, adapter_config text, modules integer, equal_tensors integer, other_tensors integer)
 LANGUAGE c
 COST 1e+06 ROWS 1
AS 'MODULE_PATHNAME', $function$extract_lora_model_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.list_tensors(model_bytes bytea DEFAULT NULL::bytea, model_format text DEFAULT NULL::text, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel, layers text DEFAULT NULL::text, strict boolean DEFAULT false)
 RETURNS TABLE(layer_name text, layer_idx integer, layer_type layer_type, shape bigint[], data_type tensor_dtype, quantization_type quantization_type, weight_count bigint, byte_length bigint, file_no integer, file_offset bigint)
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$list_layers_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.model_metadata(model_bytes bytea DEFAULT NULL::bytea, model_format text DEFAULT NULL::text, full_arrays boolean DEFAULT false, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel)
 RETURNS jsonb
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$model_metadata_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.model_safety_report(model_bytes bytea DEFAULT NULL::bytea, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel)
 RETURNS TABLE(verdict text, kind text, place text, what text, why text, count bigint)
 LANGUAGE c
 PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$model_safety_report_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.model_spectral_measures(model regmodel, min_parameters bigint DEFAULT 0)
 RETURNS TABLE(tensor_atom_id bigint, layer_name text, rows bigint, cols bigint, spectral_norm double precision, frobenius_norm double precision, stable_rank double precision, effective_rank double precision, alpha double precision, alpha_sigma double precision, power_law_xmin double precision, ks_distance double precision, tail bigint, alpha_weighted double precision, log_norm double precision, log_spectral_norm double precision, log_alpha_norm double precision, rank_loss bigint)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 1e+06
AS 'MODULE_PATHNAME', $function$spectral_measures_of_model_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.nearest_atoms(tensor_atom_id bigint, k integer DEFAULT 10, row_no bigint DEFAULT '-1'::integer)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry, distance double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000 ROWS 10
AS 'MODULE_PATHNAME', $function$nearest_to_atom_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.nearest_atoms(point geometry, k integer DEFAULT 10, granularity text DEFAULT 'tensor'::text)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry, distance double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000 ROWS 10
AS 'MODULE_PATHNAME', $function$nearest_to_point_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.quantization_error(tensor_atom_id bigint, quantization_type text)
 RETURNS TABLE(weight_count bigint, bits_per_weight double precision, rmse double precision, max_error double precision, snr_db double precision, nan_count bigint, inf_count bigint)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000 ROWS 1
AS 'MODULE_PATHNAME', $function$quantization_error_wrapper$function$;

DROP FUNCTION reconstruct_from_svd(bytea,bytea,bytea,integer,integer);

CREATE OR REPLACE FUNCTION atomizer.reconstruct_from_svd(u bytea, s bytea, vt bytea, rows integer, columns integer)
 RETURNS bytea
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$reconstruct_from_bytes_wrapper$function$;

DROP FUNCTION reconstruct_from_svd(real[],real[],real[],integer,integer);

CREATE OR REPLACE FUNCTION atomizer.reconstruct_from_svd(u real[], s real[], vt real[], rows integer, columns integer)
 RETURNS real[]
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$reconstruct_from_arrays_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.reconstruct_tensor(tensor_atom_id bigint, rank integer DEFAULT NULL::integer)
 RETURNS real[]
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$reconstruct_tensor_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.segment_bytes()
 RETURNS integer
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', $function$segment_bytes_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.similar_rows(tensor_atom_id bigint, row_no bigint, k bigint DEFAULT 10, candidates integer DEFAULT 10000, metric text DEFAULT 'cosine'::text, strategy text DEFAULT 'RTree'::text, within_tensor bigint DEFAULT NULL::bigint)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000 ROWS 10
AS 'MODULE_PATHNAME', $function$similar_rows_by_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.similar_tensors(tensor_atom_id bigint, k integer DEFAULT 10, candidates integer DEFAULT 100, metric text DEFAULT 'cosine'::text)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000 ROWS 10
AS 'MODULE_PATHNAME', $function$similar_tensors_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.start_ingestion(ingestion_job_id bigint)
 RETURNS bigint
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$start_ingestion_wrapper$function$;

DROP FUNCTION svd_decompose(bytea,integer,integer,integer);

CREATE OR REPLACE FUNCTION atomizer.svd_decompose(matrix bytea, rows integer, columns integer, rank integer)
 RETURNS TABLE(u bytea, s bytea, vt bytea, explained_variance double precision, relative_error double precision)
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 1e+06 ROWS 1
AS 'MODULE_PATHNAME', $function$svd_decompose_bytes_wrapper$function$;

DROP FUNCTION svd_decompose(real[],integer,integer,integer);

CREATE OR REPLACE FUNCTION atomizer.svd_decompose(matrix real[], rows integer, columns integer, rank integer)
 RETURNS TABLE(u real[], s real[], vt real[], explained_variance double precision, relative_error double precision)
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT COST 1e+06 ROWS 1
AS 'MODULE_PATHNAME', $function$svd_decompose_array_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.svd_spectrum(tensor_atom_id bigint)
 RETURNS TABLE(i integer, sigma double precision, cumulative_energy double precision)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 1e+06
AS 'MODULE_PATHNAME', $function$svd_spectrum_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_bytes(tensor_atom_id bigint, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS bytea
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$tensor_bytes_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_coefficients(tensor_atom_id bigint)
 RETURNS TABLE(weight_index bigint, position_x integer, position_y integer, position_z bigint, weight real, atomic_value bytea, content_hash bytea)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$tensor_coefficients_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_float32_bytes(tensor_atom_id bigint, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS bytea
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$tensor_float32_bytes_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_histogram(tensor_atom_id bigint, bins integer DEFAULT 20, low double precision DEFAULT NULL::double precision, high double precision DEFAULT NULL::double precision)
 RETURNS TABLE(bin integer, bin_low double precision, bin_high double precision, weight_count bigint)
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000 ROWS 20
AS 'MODULE_PATHNAME', $function$tensor_histogram_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_id(model regmodel, tensor text)
 RETURNS bigint
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 100
AS 'MODULE_PATHNAME', $function$tensor_id_wrapper$function$;

DROP VIEW layer_spectrum;

DROP FUNCTION tensor_spectral_measures(bigint);

CREATE OR REPLACE FUNCTION atomizer.tensor_spectral_measures(tensor_atom_id bigint)
 RETURNS TABLE(rows bigint, cols bigint, spectral_norm double precision, frobenius_norm double precision, stable_rank double precision, effective_rank double precision, alpha double precision, alpha_sigma double precision, power_law_xmin double precision, ks_distance double precision, tail bigint, alpha_weighted double precision, log_norm double precision, log_spectral_norm double precision, log_alpha_norm double precision, rank_loss bigint)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 1e+06 ROWS 1
AS 'MODULE_PATHNAME', $function$spectral_measures_of_tensor_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_stats(tensor_atom_id bigint)
 RETURNS TABLE(weight_count bigint, min double precision, max double precision, mean double precision, stddev double precision, sparsity double precision, nan_count bigint, inf_count bigint)
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000 ROWS 1
AS 'MODULE_PATHNAME', $function$tensor_stats_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_weight(tensor_atom_id bigint, position_x bigint, position_y bigint DEFAULT 0, position_z bigint DEFAULT 0)
 RETURNS real
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$tensor_weight_wrapper$function$;

DROP FUNCTION tensor_weights(bigint,bigint,bigint);

CREATE OR REPLACE FUNCTION atomizer.tensor_weights(tensor_atom_id bigint, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS real[]
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$tensor_weights_wrapper$function$;

DROP FUNCTION tensor_weights_float8(bigint,bigint,bigint);

CREATE OR REPLACE FUNCTION atomizer.tensor_weights_float8(tensor_atom_id bigint, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS double precision[]
 LANGUAGE c
 STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', $function$tensor_weights_float8_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.update_model(model regmodel, model_name text DEFAULT NULL::text, model_type text DEFAULT NULL::text, provider text DEFAULT NULL::text, properties jsonb DEFAULT NULL::jsonb)
 RETURNS void
 LANGUAGE c
AS 'MODULE_PATHNAME', $function$update_model_wrapper$function$;

CREATE OR REPLACE FUNCTION atomizer.verify_model(model regmodel)
 RETURNS TABLE(file_no integer, file_name text, byte_length bigint, sha256 bytea, is_identical boolean)
 LANGUAGE c
 PARALLEL SAFE STRICT COST 10000
AS 'MODULE_PATHNAME', $function$verify_model_wrapper$function$;

DROP POLICY own_rows ON tenant;

CREATE POLICY own_rows ON tenant AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

DROP POLICY own_rows ON tenant_member;

CREATE POLICY own_rows ON tenant_member AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

CREATE TRIGGER tenants_changed AFTER INSERT OR DELETE OR UPDATE ON atomizer.tenant FOR EACH ROW EXECUTE FUNCTION atomizer_internal.tenants_changed();
ALTER TABLE tenant ENABLE ALWAYS TRIGGER tenants_changed;

CREATE TRIGGER tenants_truncated AFTER TRUNCATE ON atomizer.tenant FOR EACH STATEMENT EXECUTE FUNCTION atomizer_internal.tenants_changed();
ALTER TABLE tenant ENABLE ALWAYS TRIGGER tenants_truncated;

CREATE TRIGGER tenants_changed AFTER INSERT OR DELETE OR UPDATE ON atomizer.tenant_member FOR EACH ROW EXECUTE FUNCTION atomizer_internal.tenants_changed();
ALTER TABLE tenant_member ENABLE ALWAYS TRIGGER tenants_changed;

CREATE TRIGGER tenants_truncated AFTER TRUNCATE ON atomizer.tenant_member FOR EACH STATEMENT EXECUTE FUNCTION atomizer_internal.tenants_changed();
ALTER TABLE tenant_member ENABLE ALWAYS TRIGGER tenants_truncated;

DROP POLICY own_rows ON model;

CREATE POLICY own_rows ON model AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

DROP POLICY own_rows ON ingestion_job;

CREATE POLICY own_rows ON ingestion_job AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

DROP POLICY own_rows ON tensor_atom;

CREATE POLICY own_rows ON tensor_atom AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

DROP POLICY own_rows ON tensor_atom_history;

CREATE POLICY own_rows ON tensor_atom_history AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (atomizer_internal.acts_for(tenant_id));

CREATE OR REPLACE FUNCTION atomizer_internal.keep_tensor_atom_history()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    -- A version lasts a microsecond at least, so that a row's versions end one after the other: a transaction may update
    -- a row twice, or have begun before the one that updated it last.
    OLD.valid_to := greatest(now(), OLD.valid_from + '1 microsecond'::interval);
    INSERT INTO atomizer.tensor_atom_history VALUES (OLD.*);
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.valid_from := OLD.valid_to;
    RETURN NEW;
END $function$;

DROP TRIGGER keep_history ON tensor_atom;

CREATE TRIGGER keep_history BEFORE DELETE OR UPDATE ON atomizer.tensor_atom FOR EACH ROW WHEN ((old.valid_from IS NOT NULL)) EXECUTE FUNCTION atomizer_internal.keep_tensor_atom_history();

CREATE OR REPLACE FUNCTION atomizer_internal.may_act_for(caller oid, tenant bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT ((EXISTS ( SELECT
            FROM pg_roles r
           WHERE ((r.oid = may_act_for.caller) AND r.rolsuper))) OR (EXISTS ( SELECT
            FROM tenant_member m
           WHERE ((m.tenant_id = may_act_for.tenant) AND pg_has_role(may_act_for.caller, (m.member_role)::oid, 'USAGE'::text)))));
END;

CREATE OR REPLACE FUNCTION atomizer_internal.tenant_of(caller oid, wanted text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_ids bigint[];
BEGIN
    IF wanted IS NOT NULL THEN
        SELECT array_agg(t.tenant_id) INTO found_ids FROM atomizer.tenant t
        WHERE t.tenant_name = wanted AND atomizer_internal.may_act_for(caller, t.tenant_id);
        IF found_ids IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_object',
                MESSAGE = format('tenant "%s" does not exist, or role "%s" does not act for it', wanted, pg_get_userbyid(caller)),
                HINT = 'An administrator can call create_tenant(…) and add_tenant_member(…).';
        END IF;
        RETURN found_ids[1];
    END IF;
    SELECT array_agg(DISTINCT m.tenant_id) INTO found_ids FROM atomizer.tenant_member m
    WHERE pg_has_role(caller, m.member_role, 'USAGE')
      AND NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.oid = caller);
    IF cardinality(found_ids) = 1 THEN
        RETURN found_ids[1];
    ELSIF cardinality(found_ids) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'ambiguous_parameter',
            MESSAGE = format('role "%s" acts for %s tenants', pg_get_userbyid(caller), cardinality(found_ids)),
            HINT = 'Name one: tenant => ''…''.';
    ELSIF NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.oid = caller) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" acts for no tenant', pg_get_userbyid(caller)),
            HINT = format('An administrator can call add_tenant_member(''…'', ''%s'').', pg_get_userbyid(caller));
    END IF;
    INSERT INTO atomizer.tenant (tenant_name) VALUES ('default') ON CONFLICT (tenant_name) DO NOTHING;
    RETURN (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = 'default');
END $function$;

DROP FUNCTION create_tenant(text,bigint);

CREATE OR REPLACE FUNCTION atomizer.create_tenant(tenant text, atom_quota bigint DEFAULT NULL::bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    new_id bigint;
BEGIN
    PERFORM atomizer_internal.check_writable('create_tenant()');
    IF tenant IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'tenant must not be null';
    ELSIF tenant = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a tenant needs a name',
            HINT = 'For example: create_tenant(''research'').';
    ELSIF length(tenant) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
            MESSAGE = format('the name of a tenant has %s characters (at most 500)', length(tenant));
    ELSIF atom_quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_quota must not be negative, but is %s', atom_quota),
            HINT = 'Leave it out for no limit.';
    END IF;
    INSERT INTO atomizer.tenant (tenant_name, atom_quota)
    VALUES (create_tenant.tenant, create_tenant.atom_quota)
    ON CONFLICT ON CONSTRAINT tenant_tenant_name_key DO NOTHING RETURNING tenant_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('tenant "%s" exists already', tenant),
            HINT = 'add_tenant_member(…) lets a role act for it.';
    END IF;
    RETURN new_id;
END $function$;

DROP FUNCTION add_tenant_member(text,name);

CREATE OR REPLACE FUNCTION atomizer.add_tenant_member(tenant text, member_role name)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_id bigint := (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = add_tenant_member.tenant);
    found_role oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = add_tenant_member.member_role);
BEGIN
    PERFORM atomizer_internal.check_writable('add_tenant_member()');
    IF tenant IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant IS NULL THEN 'tenant' ELSE 'member_role' END || ' must not be null';
    END IF;
    IF found_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('tenant "%s" does not exist', tenant),
            HINT = 'Create it with create_tenant(…).';
    ELSIF found_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', member_role),
            HINT = format('CREATE ROLE %I creates it.', member_role);
    END IF;
    INSERT INTO atomizer.tenant_member VALUES (found_id, found_role) ON CONFLICT DO NOTHING;
END $function$;

DROP FUNCTION remove_tenant_member(text,name);

CREATE OR REPLACE FUNCTION atomizer.remove_tenant_member(tenant text, member_role name)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    -- That of a role which was dropped has no name, only the number that tenant_member shows.
    found_role oid := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = remove_tenant_member.member_role),
                               CASE WHEN member_role ~ '^[0-9]{1,9}$' THEN member_role::text::oid END);
BEGIN
    PERFORM atomizer_internal.check_writable('remove_tenant_member()');
    IF tenant IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant IS NULL THEN 'tenant' ELSE 'member_role' END || ' must not be null';
    END IF;
    DELETE FROM atomizer.tenant_member m USING atomizer.tenant t
    WHERE t.tenant_id = m.tenant_id AND t.tenant_name = remove_tenant_member.tenant AND m.member_role = found_role;
    RETURN FOUND;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.require_model(caller oid, model bigint)
 RETURNS model
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.model;
BEGIN
    SELECT * INTO found_row FROM atomizer.model m
    WHERE m.model_id = model AND atomizer_internal.may_act_for(caller, m.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('model %s does not exist, or is not yours', model),
            HINT = 'SELECT * FROM atomizer.model shows your models.';
    END IF;
    RETURN found_row;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.check_model_name(model_name text)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    IF model_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a model needs a name';
    ELSIF model_name ~ '^[0-9]+$' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name',
            MESSAGE = format('the name of a model must not be a number, as "%s" is', model_name),
            HINT = 'Where a model is given by name, a number is its model_id.';
    ELSIF length(model_name) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
            MESSAGE = format('the name of a model has %s characters (at most 500)', length(model_name));
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.register_model(caller oid, model_name text, tenant text, model_type text, provider text, properties jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    new_id bigint;
BEGIN
    PERFORM atomizer_internal.check_model_name(model_name);
    INSERT INTO atomizer.model (tenant_id, model_name, model_type, provider, properties)
    VALUES (atomizer_internal.tenant_of(caller, tenant), register_model.model_name, register_model.model_type,
            register_model.provider, register_model.properties)
    ON CONFLICT ON CONSTRAINT model_tenant_id_model_name_key DO NOTHING
    RETURNING model_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('model "%s" exists already', model_name),
            HINT = 'Choose another name, or remove the old model with drop_model().';
    END IF;
    RETURN new_id;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.update_model(caller oid, model bigint, model_name text, model_type text, provider text, properties jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM atomizer_internal.require_model(caller, model);
    PERFORM atomizer_internal.check_model_name(update_model.model_name);
    UPDATE atomizer.model m
    SET model_name = coalesce(update_model.model_name, m.model_name),
        model_type = CASE WHEN update_model.model_type IS NULL THEN m.model_type ELSE nullif(update_model.model_type, '') END,
        provider = CASE WHEN update_model.provider IS NULL THEN m.provider ELSE nullif(update_model.provider, '') END,
        properties = coalesce(update_model.properties, m.properties)
    WHERE m.model_id = model;
    RETURN NULL;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('model "%s" exists already', update_model.model_name),
            HINT = 'Choose another name, or remove the other model with drop_model().';
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.forget_contents(model bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_nestloop TO 'off'
AS $function$
DECLARE
    hashes  bytea[] := ARRAY(
        SELECT t.content_hash FROM atomizer.tensor_atom t WHERE t.model_id = model
        UNION SELECT f.blob_hash FROM atomizer.model_file f WHERE f.model_id = model);
    tensors bigint;
BEGIN
    PERFORM FROM atomizer.atom a
    WHERE a.kind <> 'weight' AND a.content_hash = ANY (hashes)
    ORDER BY a.content_hash, a.kind FOR UPDATE;
    UPDATE atomizer.atom a SET reference_count = a.reference_count - n.times
    FROM (SELECT t.content_hash, 'tensor'::atomizer.atom_kind AS kind, count(*) AS times
          FROM atomizer.tensor_atom t WHERE t.model_id = model GROUP BY 1
          UNION ALL
          SELECT f.blob_hash, 'blob', count(*) FROM atomizer.model_file f WHERE f.model_id = model GROUP BY 1) n
    WHERE a.content_hash = ANY (hashes) AND (a.content_hash, a.kind) = (n.content_hash, n.kind);
    DELETE FROM atomizer.tensor_atom t WHERE t.model_id = model;
    GET DIAGNOSTICS tensors = ROW_COUNT;
    DELETE FROM atomizer.model_file f WHERE f.model_id = model;
    RETURN tensors;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.drop_model(caller oid, model bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.model;
    tensors bigint;
BEGIN
    -- The job first: a step of its ingestion locks it first, too.
    PERFORM FROM atomizer.ingestion_job j WHERE j.model_id = model FOR UPDATE;
    found_row := atomizer_internal.require_model(caller, model);
    IF EXISTS (SELECT FROM atomizer.ingestion_job j WHERE j.model_id = model AND atomizer_internal.is_held(j)) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('model "%s" is being ingested', found_row.model_name),
            HINT = 'Stop its job with cancel_ingestion_job() first.';
    END IF;
    IF found_row.is_complete THEN
        PERFORM atomizer_internal.release_weight_refs(model);
    END IF;
    tensors := atomizer_internal.forget_contents(model);
    DELETE FROM atomizer.model m WHERE m.model_id = model;
    RETURN tensors;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.lease_duration()
 RETURNS interval
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN '00:10:00'::interval;

CREATE OR REPLACE FUNCTION atomizer_internal.is_held(job ingestion_job)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL RESTRICTED
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (((job).job_status = 'Processing'::job_status) AND ((job).lease_expires_at > clock_timestamp()) AND (EXISTS ( SELECT
            FROM pg_stat_activity a
           WHERE ((a.pid = (is_held.job).lease_pid) AND (a.backend_start = (is_held.job).lease_backend_start) AND ((a.state IS DISTINCT FROM 'idle'::text) OR (a.state_change > (clock_timestamp() - '00:00:01'::interval)))))));
END;

CREATE OR REPLACE FUNCTION atomizer_internal.require_job(caller oid, job bigint)
 RETURNS ingestion_job
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job;
BEGIN
    SELECT * INTO found_row FROM atomizer.ingestion_job j
    WHERE j.ingestion_job_id = job AND atomizer_internal.may_act_for(caller, j.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('ingestion job %s does not exist, or is not yours', job),
            HINT = 'SELECT * FROM atomizer.ingestion_progress shows your jobs.';
    END IF;
    RETURN found_row;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.allowed_quota(tenant bigint, wanted bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    most bigint := (SELECT t.atom_quota FROM atomizer.tenant t WHERE t.tenant_id = tenant);
BEGIN
    IF wanted > most THEN
        RAISE EXCEPTION USING ERRCODE = 'configuration_limit_exceeded',
            MESSAGE = format('a quota of %s atoms is above the tenant''s own of %s', wanted, most),
            HINT = 'An administrator can raise atom_quota in atomizer.tenant.';
    END IF;
    RETURN coalesce(wanted, most);
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.create_ingestion_job(caller oid, model bigint, model_path text, model_lo oid, model_format text, granularity text, atom_chunk_size bigint, atom_quota bigint, safety text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.model := atomizer_internal.require_model(caller, model);
    old_job bigint := (SELECT j.ingestion_job_id FROM atomizer.ingestion_job j WHERE j.model_id = model);
    new_id bigint;
BEGIN
    IF old_job IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" has ingestion job %s already', found_row.model_name, old_job),
            HINT = format('CALL atomize_model_governed(%s) resumes it; drop_model(%s) removes both.', old_job, model);
    ELSIF model_path IS NOT NULL AND model_lo IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'give the model once: as model_path or as model_lo';
    ELSIF atom_chunk_size < 1 OR atom_quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_chunk_size must be positive and atom_quota not negative, but they are %s and %s',
                             atom_chunk_size, coalesce(atom_quota::text, 'unlimited'));
    END IF;
    INSERT INTO atomizer.ingestion_job
        (model_id, tenant_id, model_path, model_lo, model_format, granularity, atom_chunk_size, atom_quota, safety,
         created_role)
    VALUES (model, found_row.tenant_id, create_ingestion_job.model_path, create_ingestion_job.model_lo,
            create_ingestion_job.model_format::atomizer.model_format,
            create_ingestion_job.granularity::atomizer.atom_granularity, create_ingestion_job.atom_chunk_size,
            atomizer_internal.allowed_quota(found_row.tenant_id, create_ingestion_job.atom_quota), create_ingestion_job.safety,
            caller)
    RETURNING ingestion_job_id INTO new_id;
    RETURN new_id;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.claim_ingestion_job(caller oid, job bigint)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
    token uuid := gen_random_uuid();
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RETURN NULL;
    -- So it is with a backend that asks for its own job.
    ELSIF atomizer_internal.is_held(found_row) AND found_row.lease_pid <> pg_backend_pid() THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('ingestion job %s is being processed by backend %s', job, found_row.lease_pid),
            DETAIL = format('It last reported progress %s ago.',
                            date_trunc('second', clock_timestamp() - found_row.last_updated_at)),
            HINT = 'Wait for it, or stop it with cancel_ingestion_job().';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Processing', lease_token = token, lease_pid = pg_backend_pid(),
        lease_expires_at = clock_timestamp() + atomizer_internal.lease_duration(),
        lease_backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()),
        cancel_requested = false, queued_at = NULL, queued_role = NULL, error_code = NULL, error_message = NULL, error_detail = NULL,
        error_hint = NULL, error_phase = NULL, error_file = NULL,
        started_at = coalesce(j.started_at, clock_timestamp()), last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN token;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.release_ingestion_job(caller oid, job bigint, token uuid, status text, code text, message text, detail text, hint text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    -- Only finalizing a job, which verifies it, makes it Complete.
    IF status IS NULL OR status NOT IN ('Pending', 'Failed', 'Cancelled') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('work on a job cannot end as %s', status);
    END IF;
    -- Without the lease there is nothing to release: another worker may have it by now.
    UPDATE atomizer.ingestion_job j
    SET job_status = status::atomizer.job_status, error_code = code, error_message = message,
        error_detail = nullif(detail, ''), error_hint = nullif(hint, ''),
        -- The step that failed was rolled back, so the row says which one it was.
        error_phase = CASE WHEN code IS NULL THEN NULL
                           WHEN j.total_atoms IS NULL THEN 'plan'
                           WHEN j.bytes_processed < j.total_bytes THEN 'store'
                           ELSE 'finalize' END,
        -- The file that the message names, as errors of reading do, or one of the model's; else what the job reads.
        error_file = CASE WHEN code IS NOT NULL THEN coalesce(
            substring(message FROM '(?:file|cannot \w+){1,1}? "(.+?)"(?=[:, ]|$)'),
            (SELECT f.file_name FROM atomizer.model_file f
             WHERE f.model_id = j.model_id AND strpos(message, f.file_name) > 0
             ORDER BY length(f.file_name) DESC LIMIT 1), j.model_path) END,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL,
        cancel_requested = false, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job AND j.lease_token = token AND atomizer_internal.may_act_for(caller, j.tenant_id);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.cancel_ingestion_job(caller oid, job bigint)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job;
    interrupted boolean := false;
BEGIN
    -- Each step is a transaction that has the row locked and may be long: its statement is interrupted. What the steps
    -- before it stored is kept.
    SELECT * INTO found_row FROM atomizer.ingestion_job j
    WHERE j.ingestion_job_id = job AND atomizer_internal.may_act_for(caller, j.tenant_id) AND atomizer_internal.is_held(j);
    IF FOUND THEN
        BEGIN
            PERFORM FROM atomizer.ingestion_job j WHERE j.ingestion_job_id = job FOR UPDATE NOWAIT;
        EXCEPTION WHEN lock_not_available THEN
            -- A step has locked rows of this table; between two steps the session may be at something else. In two
            -- statements: within one, a planner is free to call pg_cancel_backend() before it compares.
            PERFORM FROM pg_stat_activity a JOIN pg_locks l USING (pid)
            WHERE a.pid = found_row.lease_pid AND a.state = 'active' AND a.backend_start = found_row.lease_backend_start
                AND l.granted AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
                AND l.relation = 'atomizer.ingestion_job'::regclass
                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
            interrupted := FOUND AND pg_cancel_backend(found_row.lease_pid);
        END;
    END IF;
    found_row := atomizer_internal.require_job(caller, job);
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer_internal.is_held(found_row) AND NOT interrupted THEN
        UPDATE atomizer.ingestion_job j SET cancel_requested = true WHERE j.ingestion_job_id = job;
        RETURN 'stops before its next step';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Cancelled', lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, cancel_requested = false, error_code = NULL, error_message = NULL,
        error_detail = NULL, error_hint = NULL, error_phase = NULL, error_file = NULL, queued_at = NULL, queued_role = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN 'cancelled';
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.reset_ingestion_job(caller oid, job bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF found_row.job_status = 'Complete' OR atomizer_internal.is_held(found_row) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is %s', job, lower(found_row.job_status::text)),
            HINT = format('A running job can be stopped with cancel_ingestion_job(%s), a complete model removed with drop_model(%s).',
                          job, found_row.model_id);
    END IF;
    PERFORM atomizer_internal.forget_contents(found_row.model_id);
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Pending', current_atom_offset = 0, total_atoms_processed = 0, total_atoms = NULL,
        bytes_processed = 0, new_bytes = 0, total_bytes = NULL, chunks_committed = 0, content_no = 0,
        segment_no = 0, lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, cancel_requested = false, error_code = NULL, error_message = NULL, error_detail = NULL,
        error_hint = NULL, error_phase = NULL, error_file = NULL,
        queued_at = NULL, queued_role = NULL, started_at = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.set_atom_quota(caller oid, job bigint, quota bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_quota must not be negative, but is %s', quota),
            HINT = 'null takes the tenant''s own quota.';
    ELSIF quota < found_row.total_atoms_processed THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a quota of %s is below the %s atoms that ingestion job %s has processed',
                             quota, found_row.total_atoms_processed, job);
    END IF;
    UPDATE atomizer.ingestion_job j SET atom_quota = atomizer_internal.allowed_quota(j.tenant_id, quota)
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.prepare_ingestion(caller oid, model_name text, model_path text, model_lo oid, model_format text, tenant text, granularity text, atom_chunk_size bigint, atom_quota bigint, model_type text, provider text, properties jsonb, unlink boolean, safety text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    owner_id bigint := atomizer_internal.tenant_of(caller, tenant);
    known atomizer.model;
    old_job atomizer.ingestion_job;
    job bigint;
BEGIN
    IF unlink AND model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'unlink removes a large object, but model_lo does not say which';
    ELSIF unlink AND EXISTS (SELECT FROM pg_largeobject_metadata l
                             WHERE l.oid = model_lo AND NOT pg_has_role(caller, l.lomowner, 'USAGE')) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of large object %s to unlink it', model_lo),
            HINT = 'Leave unlink out, or have its owner ingest the model.';
    END IF;
    SELECT m.* INTO known FROM atomizer.model m
    WHERE m.model_name = prepare_ingestion.model_name AND m.tenant_id = owner_id AND NOT m.is_complete;
    -- What the user said of the model before is kept, and nothing said now is lost.
    IF known.model_type <> model_type OR known.provider <> provider
       OR known.properties <> '{}' AND known.properties <> prepare_ingestion.properties THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE
                WHEN known.model_type <> model_type THEN
                    format('model "%s" is registered with model_type "%s", not "%s"', model_name, known.model_type, model_type)
                WHEN known.provider <> provider THEN
                    format('model "%s" is registered with provider "%s", not "%s"', model_name, known.provider, provider)
                ELSE format('model "%s" is registered with properties %s, not %s', model_name, known.properties,
                            prepare_ingestion.properties) END,
            HINT = format('Leave it out, or change it first with update_model(%s, …).', known.model_id);
    END IF;
    model_type := coalesce(model_type, known.model_type);
    provider := coalesce(provider, known.provider);
    properties := coalesce(prepare_ingestion.properties, known.properties, '{}');
    SELECT j.* INTO old_job FROM atomizer.ingestion_job j WHERE j.model_id = known.model_id;
    IF old_job.ingestion_job_id IS NOT NULL THEN
        IF old_job.model_path IS NOT DISTINCT FROM model_path AND old_job.model_lo IS NOT DISTINCT FROM model_lo
           -- A wrong format must not stick to a job that has not read the file yet.
           AND (old_job.total_atoms IS NOT NULL
                OR old_job.model_format::text IS NOT DISTINCT FROM model_format AND old_job.granularity::text = granularity) THEN
            RAISE NOTICE 'resuming ingestion job %', old_job.ingestion_job_id;
            IF atom_quota IS NOT NULL THEN
                PERFORM atomizer_internal.set_atom_quota(caller, old_job.ingestion_job_id, atom_quota);
            END IF;
            job := old_job.ingestion_job_id;
            -- Claiming it will fail; until then nothing is changed under the one that runs it.
            IF atomizer_internal.is_held(old_job) AND old_job.lease_pid <> pg_backend_pid() THEN
                RETURN job;
            END IF;
        ELSE
            RAISE NOTICE 'starting model "%" over: its source or settings differ', model_name;
            PERFORM atomizer_internal.drop_model(caller, known.model_id);
            known := NULL;
        END IF;
    END IF;
    IF known.model_id IS NULL THEN
        known.model_id := atomizer_internal.register_model(caller, model_name, tenant, model_type, provider, properties);
    ELSE
        UPDATE atomizer.model m SET model_type = prepare_ingestion.model_type, provider = prepare_ingestion.provider,
            properties = prepare_ingestion.properties
        WHERE m.model_id = known.model_id
          AND (m.model_type, m.provider, m.properties) IS DISTINCT FROM
              (prepare_ingestion.model_type, prepare_ingestion.provider, prepare_ingestion.properties);
    END IF;
    job := coalesce(job, atomizer_internal.create_ingestion_job(caller, known.model_id, model_path, model_lo, model_format,
                                                        granularity, atom_chunk_size, atom_quota, safety));
    -- The caller names the source: its rights on it count from now on.
    UPDATE atomizer.ingestion_job j SET unlink_lo = unlink, safety = prepare_ingestion.safety, created_role = caller
    WHERE j.ingestion_job_id = job
      AND (j.unlink_lo, j.safety, j.created_role) IS DISTINCT FROM (unlink, prepare_ingestion.safety, caller::regrole);
    RETURN job;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.plan_line(job bigint)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (format('%s, %s: %s weights in %s tensors, %s'::text, m.model_format, m.architecture, m.parameter_count, ( SELECT count(*) AS count
            FROM tensor_atom t
           WHERE (t.model_id = m.model_id)), pg_size_pretty(j.total_bytes)) || ( SELECT
                 CASE count(*)
                     WHEN 0 THEN ''::text
                     WHEN 1 THEN ', 1 file beside the weights'::text
                     ELSE format(', %s files beside the weights'::text, count(*))
                 END AS format
            FROM model_file f
           WHERE ((f.model_id = m.model_id) AND (f.role = 'companion'::text))))
    FROM (ingestion_job j
      JOIN model m USING (model_id))
   WHERE (j.ingestion_job_id = plan_line.job);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.completion_line(job bigint, elapsed interval)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT format('model %s "%s" is complete and verified: %s weights in %s tensors, %s read, %s of them new, %s s'::text, m.model_id, m.model_name, m.parameter_count, ( SELECT count(*) AS count
            FROM tensor_atom t
           WHERE (t.model_id = m.model_id)), pg_size_pretty(j.total_bytes), pg_size_pretty(j.new_bytes), round(EXTRACT(epoch FROM completion_line.elapsed), 1)) AS format
    FROM (ingestion_job j
      JOIN model m USING (model_id))
   WHERE (j.ingestion_job_id = completion_line.job);
END;

CREATE OR REPLACE FUNCTION atomizer.extract_model_weights(model_bytes bytea DEFAULT NULL::bytea, model_format text DEFAULT NULL::text, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel, layers text DEFAULT NULL::text, strict boolean DEFAULT false)
 RETURNS TABLE(layer_name text, shape bigint[], data_type tensor_dtype, weight_data bytea, quantization_type quantization_type, quantization_scale double precision, quantization_zero_point integer)
 LANGUAGE sql
 STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
 SELECT (s.t).layer_name AS layer_name,
     (s.t).shape AS shape,
     (s.t).data_type AS data_type,
     (s.t).weight_data AS weight_data,
     (s.t).quantization_type AS quantization_type,
     (s.t).quantization_scale AS quantization_scale,
     (s.t).quantization_zero_point AS quantization_zero_point
    FROM ( SELECT atomizer_internal.extract_model_weights(extract_model_weights.model_bytes, extract_model_weights.model_format, extract_model_weights.model_lo, extract_model_weights.model_path, extract_model_weights.model, extract_model_weights.layers, extract_model_weights.strict) AS t) s;
END;

CREATE OR REPLACE FUNCTION atomizer.stream_atomic_weights_chunked(model_bytes bytea DEFAULT NULL::bytea, model_format text DEFAULT NULL::text, "offset" bigint DEFAULT 0, chunk_size bigint DEFAULT 10000, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel, layers text DEFAULT NULL::text, strict boolean DEFAULT false)
 RETURNS TABLE(layer_name text, layer_idx integer, position_x integer, position_y integer, position_z bigint, weight real, atomic_value bytea, content_hash bytea)
 LANGUAGE sql
 STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
 SELECT (s.t).layer_name AS layer_name,
     (s.t).layer_idx AS layer_idx,
     (s.t).position_x AS position_x,
     (s.t).position_y AS position_y,
     (s.t).position_z AS position_z,
     (s.t).weight AS weight,
     (s.t).atomic_value AS atomic_value,
     (s.t).content_hash AS content_hash
    FROM ( SELECT atomizer_internal.stream_atomic_weights_chunked(stream_atomic_weights_chunked.model_bytes, stream_atomic_weights_chunked.model_format, stream_atomic_weights_chunked."offset", stream_atomic_weights_chunked.chunk_size, stream_atomic_weights_chunked.model_lo, stream_atomic_weights_chunked.model_path, stream_atomic_weights_chunked.model, stream_atomic_weights_chunked.layers, stream_atomic_weights_chunked.strict) AS t) s;
END;

CREATE OR REPLACE FUNCTION atomizer.model_pickle_report(model_bytes bytea DEFAULT NULL::bytea, model_lo oid DEFAULT NULL::oid, model_path text DEFAULT NULL::text, model regmodel DEFAULT NULL::regmodel)
 RETURNS TABLE(verdict text, global text, times bigint, why text)
 LANGUAGE sql
 PARALLEL SAFE COST 10000
BEGIN ATOMIC
 SELECT r.verdict,
         CASE
             WHEN (r.kind = 'global'::text) THEN r.what
             ELSE NULL::text
         END AS "case",
         CASE
             WHEN (r.kind = 'global'::text) THEN r.count
             ELSE NULL::bigint
         END AS "case",
         CASE
             WHEN (r.kind = 'global'::text) THEN r.why
             ELSE concat_ws(': '::text, r.place, r.what, r.why)
         END AS concat_ws
    FROM model_safety_report(model_pickle_report.model_bytes, model_pickle_report.model_lo, model_pickle_report.model_path, model_pickle_report.model) r(verdict, kind, place, what, why, count);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.queue_ingestion_job(caller oid, job bigint, OUT model_path text, OUT model_lo oid)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer_internal.is_held(found_row) THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('ingestion job %s is being processed by backend %s', job, found_row.lease_pid),
            HINT = 'SELECT * FROM atomizer.progress shows how far it is.';
    ELSIF NOT atomizer_internal.may_work(caller) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not log in to this database, so no background worker can run its jobs', pg_get_userbyid(caller)),
            HINT = format('CALL atomizer.atomize_model_governed(%s) runs the job in this session.', job);
    ELSIF found_row.model_path IS NULL AND found_row.model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('ingestion job %s has neither a path nor a large object', job),
            HINT = format('A background worker cannot be given bytes: CALL atomize_model_governed(%s, model_bytes).', job);
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Pending', queued_at = coalesce(j.queued_at, clock_timestamp()), queued_role = caller,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL, cancel_requested = false,
        error_code = NULL, error_message = NULL, error_detail = NULL, error_hint = NULL, error_phase = NULL,
        error_file = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    model_path := found_row.model_path;
    model_lo := found_row.model_lo;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.may_work(caller oid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (r.rolcanlogin AND has_database_privilege(r.oid, (current_database())::text, 'CONNECT'::text))
    FROM pg_roles r
   WHERE (r.oid = may_work.caller);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.hand_on_queued_job(job bigint)
 RETURNS bigint
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE ingestion_job AS j SET queued_at = clock_timestamp()
   WHERE ((j.ingestion_job_id = hand_on_queued_job.job) AND (j.queued_at IS NOT NULL))
   RETURNING j.ingestion_job_id;
END;

CREATE OR REPLACE FUNCTION atomizer_internal.next_queued_jobs(most integer, OUT job bigint, OUT role oid)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Failed', queued_at = NULL, queued_role = NULL, error_code = q.code, error_message = q.message,
        error_hint = 'Start it again, as another member of the tenant, or CALL atomizer.atomize_model_governed(job).',
        last_updated_at = clock_timestamp()
    FROM (SELECT w.ingestion_job_id,
                 CASE WHEN r.oid IS NULL THEN '42704' WHEN NOT atomizer_internal.may_work(r.oid) THEN '42501' END AS code,
                 CASE WHEN r.oid IS NULL THEN format('the role that started the job was dropped (its oid was %s)', w.queued_role::oid)
                      ELSE format('role "%s", which started the job, may not log in to this database', r.rolname) END AS message
          FROM atomizer.ingestion_job w LEFT JOIN pg_roles r ON r.oid = w.queued_role
          WHERE w.queued_at IS NOT NULL) q
    WHERE j.ingestion_job_id = q.ingestion_job_id AND q.code IS NOT NULL;
    RETURN QUERY
    SELECT j.ingestion_job_id, r.oid
    FROM atomizer.ingestion_job j JOIN pg_roles r ON r.oid = j.queued_role
    WHERE j.queued_at IS NOT NULL ORDER BY j.queued_at, j.ingestion_job_id LIMIT most;
END $function$;

CREATE OR REPLACE FUNCTION atomizer_internal.give_up_ingestion_job(job bigint, code text, message text)
 RETURNS bigint
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 UPDATE ingestion_job AS j SET job_status = (
         CASE give_up_ingestion_job.code
             WHEN '57014'::text THEN 'Pending'::text
             ELSE 'Failed'::text
         END)::job_status, queued_at = NULL::timestamp with time zone, queued_role = NULL::regrole, error_code = give_up_ingestion_job.code, error_message = give_up_ingestion_job.message, cancel_requested = false, lease_token = NULL::uuid, lease_pid = NULL::integer, lease_expires_at = NULL::timestamp with time zone, lease_backend_start = NULL::timestamp with time zone, last_updated_at = clock_timestamp()
   WHERE ((j.ingestion_job_id = give_up_ingestion_job.job) AND ((j.queued_at IS NOT NULL) OR ((j.job_status = 'Processing'::job_status) AND (j.lease_pid = pg_backend_pid()))))
   RETURNING j.ingestion_job_id;
END;

CREATE OR REPLACE FUNCTION atomizer.start_ingestion(model_name text, model_path text DEFAULT NULL::text, model_lo oid DEFAULT NULL::oid, model_format text DEFAULT NULL::text, tenant text DEFAULT NULL::text, granularity text DEFAULT 'auto'::text, atom_chunk_size bigint DEFAULT 64000000, atom_quota bigint DEFAULT NULL::bigint, model_type text DEFAULT NULL::text, provider text DEFAULT NULL::text, properties jsonb DEFAULT NULL::jsonb, unlink boolean DEFAULT false, safety text DEFAULT 'warn'::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM atomizer_internal.check_writable('start_ingestion()');
    IF model_path IS NULL AND model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'give the model once: as model_path or as model_lo',
            HINT = 'A background worker cannot be given bytes: CALL ingest_model(…, model_bytes => …) takes them.';
    END IF;
    -- A wrong path or an unknown format must leave nothing behind.
    PERFORM atomizer.detect_model_format(NULL, model_lo, model_path);
    PERFORM atomizer_internal.refuse_unsafe(safety, NULL, model_lo, model_path, true);
    RETURN atomizer.start_ingestion(atomizer_internal.prepare_ingestion(
        model_name, model_path, model_lo, model_format, tenant, granularity, atom_chunk_size, atom_quota,
        model_type, provider, properties, unlink, safety));
END $function$;

CREATE OR REPLACE FUNCTION atomizer.tensor_weights(model regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS real[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN tensor_weights(tensor_id(model, tensor), first, count);

CREATE OR REPLACE FUNCTION atomizer.tensor_weights_float8(model regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS double precision[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN tensor_weights_float8(tensor_id(model, tensor), first, count);

CREATE OR REPLACE FUNCTION atomizer.tensor_weight(model regmodel, tensor text, position_x bigint, position_y bigint DEFAULT 0, position_z bigint DEFAULT 0)
 RETURNS real
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN tensor_weight(tensor_id(model, tensor), position_x, position_y, position_z);

CREATE OR REPLACE FUNCTION atomizer.tensor_bytes(model regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN tensor_bytes(tensor_id(model, tensor), first, count);

CREATE OR REPLACE FUNCTION atomizer.tensor_float32_bytes(model regmodel, tensor text, first bigint DEFAULT 0, count bigint DEFAULT NULL::bigint)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN tensor_float32_bytes(tensor_id(model, tensor), first, count);

CREATE OR REPLACE FUNCTION atomizer.tensor_coefficients(model regmodel, tensor text)
 RETURNS TABLE(weight_index bigint, position_x integer, position_y integer, position_z bigint, weight real, atomic_value bytea, content_hash bytea)
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT tensor_coefficients.weight_index,
     tensor_coefficients.position_x,
     tensor_coefficients.position_y,
     tensor_coefficients.position_z,
     tensor_coefficients.weight,
     tensor_coefficients.atomic_value,
     tensor_coefficients.content_hash
    FROM tensor_coefficients(tensor_id(tensor_coefficients.model, tensor_coefficients.tensor)) tensor_coefficients(weight_index, position_x, position_y, position_z, weight, atomic_value, content_hash);
END;

CREATE OR REPLACE FUNCTION atomizer.tensor_stats(model regmodel, tensor text)
 RETURNS TABLE(weight_count bigint, min double precision, max double precision, mean double precision, stddev double precision, sparsity double precision, nan_count bigint, inf_count bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT tensor_stats.weight_count,
     tensor_stats.min,
     tensor_stats.max,
     tensor_stats.mean,
     tensor_stats.stddev,
     tensor_stats.sparsity,
     tensor_stats.nan_count,
     tensor_stats.inf_count
    FROM tensor_stats(tensor_id(tensor_stats.model, tensor_stats.tensor)) tensor_stats(weight_count, min, max, mean, stddev, sparsity, nan_count, inf_count);
END;

CREATE OR REPLACE FUNCTION atomizer.tensor_histogram(model regmodel, tensor text, bins double precision DEFAULT 20, low double precision DEFAULT NULL::double precision, high double precision DEFAULT NULL::double precision)
 RETURNS TABLE(bin integer, bin_low double precision, bin_high double precision, weight_count bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 20
BEGIN ATOMIC
 SELECT tensor_histogram.bin,
     tensor_histogram.bin_low,
     tensor_histogram.bin_high,
     tensor_histogram.weight_count
    FROM tensor_histogram(tensor_id(tensor_histogram.model, tensor_histogram.tensor), (tensor_histogram.bins)::integer, tensor_histogram.low, tensor_histogram.high) tensor_histogram(bin, bin_low, bin_high, weight_count);
END;

CREATE OR REPLACE FUNCTION atomizer.read_model_file(model regmodel, file_no integer DEFAULT NULL::integer)
 RETURNS TABLE(piece_no integer, bytes bytea)
 LANGUAGE sql
 STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
 SELECT (s.p).piece_no AS piece_no,
     (s.p).bytes AS bytes
    FROM ( SELECT atomizer_internal.read_model_file(read_model_file.model, read_model_file.file_no) AS p) s;
END;

CREATE OR REPLACE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type tensor_dtype)
 RETURNS real[]
 LANGUAGE sql
 STABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.dequantize(weight_data, (quantization_type)::text);

CREATE OR REPLACE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type text)
 RETURNS real[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.dequantize(weight_data, quantization_type);

CREATE OR REPLACE FUNCTION atomizer.dequantize_bytes(weight_data bytea, quantization_type tensor_dtype)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.dequantize_bytes(weight_data, (quantization_type)::text);

CREATE OR REPLACE FUNCTION atomizer.dequantize_bytes(weight_data bytea, quantization_type text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.dequantize_bytes(weight_data, quantization_type);

CREATE OR REPLACE FUNCTION atomizer.quantize(weights real[], quantization_type tensor_dtype)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.quantize(weights, (quantization_type)::text);

CREATE OR REPLACE FUNCTION atomizer.quantize(weights real[], quantization_type text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN atomizer_internal.quantize(weights, quantization_type);

CREATE OR REPLACE FUNCTION atomizer.quantization_error(model regmodel, tensor text, quantization_type text)
 RETURNS TABLE(weight_count bigint, bits_per_weight double precision, rmse double precision, max_error double precision, snr_db double precision, nan_count bigint, inf_count bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT quantization_error.weight_count,
     quantization_error.bits_per_weight,
     quantization_error.rmse,
     quantization_error.max_error,
     quantization_error.snr_db,
     quantization_error.nan_count,
     quantization_error.inf_count
    FROM quantization_error(tensor_id(quantization_error.model, quantization_error.tensor), quantization_error.quantization_type) quantization_error(weight_count, bits_per_weight, rmse, max_error, snr_db, nan_count, inf_count);
END;

CREATE OR REPLACE FUNCTION atomizer.project_to_3d(vector text, method text DEFAULT 'landmark'::text, seed bigint DEFAULT 42)
 RETURNS geometry
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (vector ~~ like_escape('\x%'::text, ''::text)) THEN project_to_3d((vector)::bytea, method, seed) ELSE project_to_3d((vector)::real[], method, seed) END;

CREATE OR REPLACE FUNCTION atomizer_internal.place_of(tensor bigint, row_no bigint, OUT x double precision, OUT y double precision, OUT z double precision)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT st_x(e.spatial_key) AS st_x,
     st_y(e.spatial_key) AS st_y,
     st_z(e.spatial_key) AS st_z
    FROM (tensor_atom t
      JOIN atom_embedding e USING (content_hash, data_type, row_width))
   WHERE ((t.tensor_atom_id = place_of.tensor) AND (e.row_no = place_of.row_no));
END;

CREATE OR REPLACE FUNCTION atomizer_internal.atoms_in_box(tenants bigint[], low double precision[], high double precision[], OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT x double precision, OUT y double precision, OUT z double precision)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     e.row_no,
     st_x(e.spatial_key) AS st_x,
     st_y(e.spatial_key) AS st_y,
     st_z(e.spatial_key) AS st_z
    FROM (atom_embedding e
      JOIN tensor_atom t USING (content_hash, data_type, row_width))
   WHERE ((e.spatial_key &&& st_makeline(st_makepoint((atoms_in_box.low)[1], (atoms_in_box.low)[2], (atoms_in_box.low)[3]), st_makepoint((atoms_in_box.high)[1], (atoms_in_box.high)[2], (atoms_in_box.high)[3]))) AND atomizer_internal.is_in_box(e.spatial_key, (atoms_in_box.low)[1], (atoms_in_box.low)[2], (atoms_in_box.low)[3], (atoms_in_box.high)[1], (atoms_in_box.high)[2], (atoms_in_box.high)[3]) AND (t.tenant_id = ANY (atoms_in_box.tenants)) AND (t.valid_from IS NOT NULL));
END;

CREATE OR REPLACE FUNCTION atomizer_internal.atoms_in_box_hilbert(tenants bigint[], low double precision[], high double precision[], OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT x double precision, OUT y double precision, OUT z double precision)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 WITH e AS MATERIALIZED (
          SELECT a.content_hash,
             a.data_type,
             a.row_width,
             a.row_no,
             a.spatial_key
            FROM hilbert_ranges(st_3dmakebox(st_makepoint((atoms_in_box_hilbert.low)[1], (atoms_in_box_hilbert.low)[2], (atoms_in_box_hilbert.low)[3]), st_makepoint((atoms_in_box_hilbert.high)[1], (atoms_in_box_hilbert.high)[2], (atoms_in_box_hilbert.high)[3]))) r(range_start, range_end),
             LATERAL ( SELECT a_1.content_hash,
                     a_1.data_type,
                     a_1.row_width,
                     a_1.row_no,
                     a_1.spatial_key
                    FROM atom_embedding a_1
                   WHERE ((a_1.hilbert_value >= r.range_start) AND (a_1.hilbert_value <= r.range_end) AND atomizer_internal.is_in_box(a_1.spatial_key, (atoms_in_box_hilbert.low)[1], (atoms_in_box_hilbert.low)[2], (atoms_in_box_hilbert.low)[3], (atoms_in_box_hilbert.high)[1], (atoms_in_box_hilbert.high)[2], (atoms_in_box_hilbert.high)[3]))
                  OFFSET 0) a
         )
  SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     e.row_no,
     st_x(e.spatial_key) AS st_x,
     st_y(e.spatial_key) AS st_y,
     st_z(e.spatial_key) AS st_z
    FROM (e
      JOIN tensor_atom t USING (content_hash, data_type, row_width))
   WHERE ((t.tenant_id = ANY (atoms_in_box_hilbert.tenants)) AND (t.valid_from IS NOT NULL));
END;

CREATE OR REPLACE FUNCTION atomizer_internal.nearest_rows(tenants bigint[], point double precision[], k bigint, OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT x double precision, OUT y double precision, OUT z double precision, OUT distance double precision)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT n.tensor_atom_id,
     n.model_id,
     n.layer_name,
     n.row_no,
     n.x,
     n.y,
     n.z,
     n.distance
    FROM ( SELECT t.tensor_atom_id,
             t.model_id,
             t.layer_name,
             e.row_no,
             st_x(e.spatial_key) AS x,
             st_y(e.spatial_key) AS y,
             st_z(e.spatial_key) AS z,
             (e.spatial_key <<->> st_makepoint((nearest_rows.point)[1], (nearest_rows.point)[2], (nearest_rows.point)[3])) AS distance
            FROM (atom_embedding e
              JOIN tensor_atom t USING (content_hash, data_type, row_width))
           WHERE ((e.row_no >= 0) AND (t.tenant_id = ANY (nearest_rows.tenants)) AND (t.valid_from IS NOT NULL))
           ORDER BY (e.spatial_key <<->> st_makepoint((nearest_rows.point)[1], (nearest_rows.point)[2], (nearest_rows.point)[3]))
          LIMIT nearest_rows.k) n
   ORDER BY n.distance, n.tensor_atom_id, n.row_no;
END;

CREATE OR REPLACE FUNCTION atomizer_internal.nearest_tensors(tenants bigint[], point double precision[], k bigint, OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT x double precision, OUT y double precision, OUT z double precision, OUT distance double precision)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT n.tensor_atom_id,
     n.model_id,
     n.layer_name,
     n.row_no,
     n.x,
     n.y,
     n.z,
     n.distance
    FROM ( SELECT t.tensor_atom_id,
             t.model_id,
             t.layer_name,
             (- (1)::bigint) AS row_no,
             st_x(t.spatial_key) AS x,
             st_y(t.spatial_key) AS y,
             st_z(t.spatial_key) AS z,
             (t.spatial_key <<->> st_makepoint((nearest_tensors.point)[1], (nearest_tensors.point)[2], (nearest_tensors.point)[3])) AS distance
            FROM tensor_atom t
           WHERE ((t.spatial_key IS NOT NULL) AND (t.tenant_id = ANY (nearest_tensors.tenants)) AND (t.valid_from IS NOT NULL))
           ORDER BY (t.spatial_key <<->> st_makepoint((nearest_tensors.point)[1], (nearest_tensors.point)[2], (nearest_tensors.point)[3]))
          LIMIT nearest_tensors.k) n
   ORDER BY n.distance, n.tensor_atom_id;
END;

CREATE OR REPLACE FUNCTION atomizer.nearest_atoms(model regmodel, tensor text, k integer DEFAULT 10, row_no bigint DEFAULT '-1'::integer)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry, distance double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
 SELECT nearest_atoms.tensor_atom_id,
     nearest_atoms.model_id,
     nearest_atoms.layer_name,
     nearest_atoms.row_no,
     nearest_atoms.spatial_key,
     nearest_atoms.distance
    FROM nearest_atoms(tensor_id(nearest_atoms.model, nearest_atoms.tensor), nearest_atoms.k, nearest_atoms.row_no) nearest_atoms(tensor_atom_id, model_id, layer_name, row_no, spatial_key, distance);
END;

CREATE OR REPLACE FUNCTION atomizer.nearest_atoms(point character varying, k integer DEFAULT 10, granularity text DEFAULT 'tensor'::text)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry, distance double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
 SELECT nearest_atoms.tensor_atom_id,
     nearest_atoms.model_id,
     nearest_atoms.layer_name,
     nearest_atoms.row_no,
     nearest_atoms.spatial_key,
     nearest_atoms.distance
    FROM nearest_atoms((nearest_atoms.point)::geometry, nearest_atoms.k, nearest_atoms.granularity) nearest_atoms(tensor_atom_id, model_id, layer_name, row_no, spatial_key, distance);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.near_rows(tenants bigint[], point double precision[], width bigint, within_tensor bigint, candidates bigint, OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     e.row_no,
     (t.data_type)::text AS data_type,
     t.byte_length,
     t.content_hash
    FROM (atom_embedding e
      JOIN tensor_atom t USING (content_hash, data_type, row_width))
   WHERE ((e.row_no >= 0) AND (t.tenant_id = ANY (near_rows.tenants)) AND (t.valid_from IS NOT NULL) AND (t.row_width = near_rows.width) AND ((near_rows.within_tensor IS NULL) OR (t.tensor_atom_id = near_rows.within_tensor)))
   ORDER BY (e.spatial_key <<->> st_makepoint((near_rows.point)[1], (near_rows.point)[2], (near_rows.point)[3]))
  LIMIT near_rows.candidates;
END;

CREATE OR REPLACE FUNCTION atomizer_internal.near_rows_hilbert(tenants bigint[], value bigint, width bigint, within_tensor bigint, candidates bigint, OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
( SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     e.row_no,
     (t.data_type)::text AS data_type,
     t.byte_length,
     t.content_hash
    FROM (atom_embedding e
      JOIN tensor_atom t USING (content_hash, data_type, row_width))
   WHERE ((e.hilbert_value >= near_rows_hilbert.value) AND (e.row_no >= 0) AND (t.tenant_id = ANY (near_rows_hilbert.tenants)) AND (t.valid_from IS NOT NULL) AND (t.row_width = near_rows_hilbert.width) AND ((near_rows_hilbert.within_tensor IS NULL) OR (t.tensor_atom_id = near_rows_hilbert.within_tensor)))
   ORDER BY e.hilbert_value
  LIMIT (near_rows_hilbert.candidates - (near_rows_hilbert.candidates / 2)))
 UNION ALL
 ( SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     e.row_no,
     (t.data_type)::text AS data_type,
     t.byte_length,
     t.content_hash
    FROM (atom_embedding e
      JOIN tensor_atom t USING (content_hash, data_type, row_width))
   WHERE ((e.hilbert_value < near_rows_hilbert.value) AND (e.row_no >= 0) AND (t.tenant_id = ANY (near_rows_hilbert.tenants)) AND (t.valid_from IS NOT NULL) AND (t.row_width = near_rows_hilbert.width) AND ((near_rows_hilbert.within_tensor IS NULL) OR (t.tensor_atom_id = near_rows_hilbert.within_tensor)))
   ORDER BY e.hilbert_value DESC
  LIMIT (near_rows_hilbert.candidates / 2));
END;

CREATE OR REPLACE FUNCTION atomizer.similar_rows(model regmodel, tensor text, row_no bigint, k integer DEFAULT 10, candidates integer DEFAULT 10000, metric text DEFAULT 'cosine'::text, strategy text DEFAULT 'RTree'::text, within_tensor bigint DEFAULT NULL::bigint)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
 SELECT similar_rows.tensor_atom_id,
     similar_rows.model_id,
     similar_rows.layer_name,
     similar_rows.row_no,
     similar_rows.distance
    FROM similar_rows(tensor_id(similar_rows.model, similar_rows.tensor), similar_rows.row_no, (similar_rows.k)::bigint, similar_rows.candidates, similar_rows.metric, similar_rows.strategy, similar_rows.within_tensor) similar_rows(tensor_atom_id, model_id, layer_name, row_no, distance);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.near_tensors(tenants bigint[], point double precision[], weights bigint, candidates bigint, OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint, OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
 RETURNS SETOF record
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT t.tensor_atom_id,
     t.model_id,
     t.layer_name,
     (- (1)::bigint),
     (t.data_type)::text AS data_type,
     t.byte_length,
     t.content_hash
    FROM tensor_atom t
   WHERE ((t.spatial_key IS NOT NULL) AND (t.weight_count = near_tensors.weights) AND (t.tenant_id = ANY (near_tensors.tenants)) AND (t.valid_from IS NOT NULL))
   ORDER BY (t.spatial_key <<->> st_makepoint((near_tensors.point)[1], (near_tensors.point)[2], (near_tensors.point)[3]))
  LIMIT near_tensors.candidates;
END;

CREATE OR REPLACE FUNCTION atomizer.similar_tensors(model regmodel, tensor text, k integer DEFAULT 10, candidates integer DEFAULT 100, metric text DEFAULT 'cosine'::text)
 RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, distance double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
 SELECT similar_tensors.tensor_atom_id,
     similar_tensors.model_id,
     similar_tensors.layer_name,
     similar_tensors.row_no,
     similar_tensors.distance
    FROM similar_tensors(tensor_id(similar_tensors.model, similar_tensors.tensor), similar_tensors.k, similar_tensors.candidates, similar_tensors.metric) similar_tensors(tensor_atom_id, model_id, layer_name, row_no, distance);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.atom_tile(tenants bigint[], tile_z integer, tile_x integer, tile_y integer)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT st_asmvt(f.*, 'atoms'::text, 4096, 'geom'::text) AS st_asmvt
    FROM ( SELECT st_asmvtgeom(st_makepoint(c.x, c.y), c.tile, 4096, 0, false) AS geom,
             c.atom[1] AS tensor_atom_id,
             t.model_id,
             t.layer_name,
             c.atom[2] AS row_no,
             c.z,
             c.points
            FROM (( SELECT st_makebox2d(st_makepoint(b.x, b.y), st_makepoint((b.x + b.side), (b.y + b.side))) AS tile,
                     min(ARRAY[a.tensor_atom_id, a.row_no]) AS atom,
                     count(*) AS points,
                     avg(a.x) AS x,
                     avg(a.y) AS y,
                     avg(a.z) AS z
                    FROM ( SELECT s.side,
                             (('-100'::integer)::double precision + ((atom_tile.tile_x)::double precision * s.side)) AS x,
                             ((100)::double precision - (((atom_tile.tile_y + 1))::double precision * s.side)) AS y
                            FROM ( SELECT ((200)::double precision / (((1)::bigint << atom_tile.tile_z))::double precision) AS side) s) b,
                     LATERAL atomizer_internal.atoms_in_box(atom_tile.tenants, ARRAY[b.x, b.y, ('-100'::integer)::double precision], ARRAY[(b.x + b.side), (b.y + b.side), (100)::double precision]) a(tensor_atom_id, model_id, layer_name, row_no, x, y, z)
                   GROUP BY (floor((((a.x - b.x) / b.side) * (128)::double precision))), (floor((((a.y - b.y) / b.side) * (128)::double precision))), b.x, b.y, b.side) c
              JOIN tensor_atom t ON ((t.tensor_atom_id = c.atom[1])))) f
   WHERE (f.geom IS NOT NULL);
END;

CREATE OR REPLACE FUNCTION atomizer.build_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    postgis  name;
    begun    timestamptz;
    on_what  text;
    built    integer := 0;
BEGIN
    PERFORM atomizer_internal.check_writable('build_spatial_indexes()');
    SELECT n.nspname INTO STRICT postgis FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'postgis';
    FOR index_name, on_what IN VALUES
        ('atom_embedding_spatial_key_idx', format('atom_embedding USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)),
        ('atom_embedding_hilbert_value_idx', 'atom_embedding (hilbert_value)'),
        ('tensor_atom_spatial_key_idx', format('tensor_atom USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)) LOOP
        PERFORM atomizer_internal.report_progress('build_spatial_indexes', 'building indexes', built, 3, 'indexes');
        built := built + 1;
        CONTINUE WHEN to_regclass('atomizer.' || index_name) IS NOT NULL;
        begun := clock_timestamp();
        EXECUTE format('CREATE INDEX %I ON atomizer.%s', index_name, on_what);
        build_time := clock_timestamp() - begun;
        index_size := pg_size_pretty(pg_relation_size(to_regclass('atomizer.' || index_name)));
        RETURN NEXT;
    END LOOP;
    PERFORM atomizer_internal.end_progress('build_spatial_indexes');
    ANALYZE atomizer.atom_embedding, atomizer.tensor_atom;
END $function$;

CREATE OR REPLACE FUNCTION atomizer.rebuild_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    PERFORM atomizer_internal.check_writable('rebuild_spatial_indexes()');
    DROP INDEX IF EXISTS atomizer.atom_embedding_spatial_key_idx, atomizer.atom_embedding_hilbert_value_idx,
        atomizer.tensor_atom_spatial_key_idx;
    RETURN QUERY SELECT * FROM atomizer.build_spatial_indexes();
END $function$;

CREATE OR REPLACE FUNCTION atomizer.svd_decompose(matrix text, rows integer, columns integer, rank integer)
 RETURNS TABLE(u real[], s real[], vt real[], explained_variance double precision, relative_error double precision)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT svd_decompose.u,
     svd_decompose.s,
     svd_decompose.vt,
     svd_decompose.explained_variance,
     svd_decompose.relative_error
    FROM svd_decompose((svd_decompose.matrix)::real[], svd_decompose.rows, svd_decompose.columns, svd_decompose.rank) svd_decompose(u, s, vt, explained_variance, relative_error);
END;

CREATE OR REPLACE FUNCTION atomizer.reconstruct_from_svd(u text, s text, vt text, rows integer, columns integer)
 RETURNS real[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN reconstruct_from_svd((u)::real[], (s)::real[], (vt)::real[], rows, columns);

CREATE OR REPLACE FUNCTION atomizer.reconstruct_tensor(model regmodel, tensor text, rank integer DEFAULT NULL::integer)
 RETURNS real[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN reconstruct_tensor(tensor_id(model, tensor), rank);

CREATE OR REPLACE FUNCTION atomizer.svd_spectrum(model regmodel, tensor text)
 RETURNS TABLE(i integer, sigma double precision, cumulative_energy double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT svd_spectrum.i,
     svd_spectrum.sigma,
     svd_spectrum.cumulative_energy
    FROM svd_spectrum(tensor_id(svd_spectrum.model, svd_spectrum.tensor)) svd_spectrum(i, sigma, cumulative_energy);
END;

CREATE OR REPLACE FUNCTION atomizer.tensor_spectral_measures(model regmodel, tensor text)
 RETURNS TABLE(rows bigint, cols bigint, spectral_norm double precision, frobenius_norm double precision, stable_rank double precision, effective_rank double precision, alpha double precision, alpha_sigma double precision, power_law_xmin double precision, ks_distance double precision, tail bigint, alpha_weighted double precision, log_norm double precision, log_spectral_norm double precision, log_alpha_norm double precision, rank_loss bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT tensor_spectral_measures.rows,
     tensor_spectral_measures.cols,
     tensor_spectral_measures.spectral_norm,
     tensor_spectral_measures.frobenius_norm,
     tensor_spectral_measures.stable_rank,
     tensor_spectral_measures.effective_rank,
     tensor_spectral_measures.alpha,
     tensor_spectral_measures.alpha_sigma,
     tensor_spectral_measures.power_law_xmin,
     tensor_spectral_measures.ks_distance,
     tensor_spectral_measures.tail,
     tensor_spectral_measures.alpha_weighted,
     tensor_spectral_measures.log_norm,
     tensor_spectral_measures.log_spectral_norm,
     tensor_spectral_measures.log_alpha_norm,
     tensor_spectral_measures.rank_loss
    FROM tensor_spectral_measures(tensor_id(tensor_spectral_measures.model, tensor_spectral_measures.tensor)) tensor_spectral_measures(rows, cols, spectral_norm, frobenius_norm, stable_rank, effective_rank, alpha, alpha_sigma, power_law_xmin, ks_distance, tail, alpha_weighted, log_norm, log_spectral_norm, log_alpha_norm, rank_loss);
END;

CREATE OR REPLACE FUNCTION atomizer.extract_lora(base_model regmodel, tuned_model regmodel, tensor text, rank integer DEFAULT 16)
 RETURNS TABLE(lora_a real[], lora_b real[], rank integer, explained_variance double precision, relative_error double precision)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT extract_lora.lora_a,
     extract_lora.lora_b,
     extract_lora.rank,
     extract_lora.explained_variance,
     extract_lora.relative_error
    FROM extract_lora(tensor_id(extract_lora.base_model, extract_lora.tensor), tensor_id(extract_lora.tuned_model, extract_lora.tensor), extract_lora.rank) extract_lora(lora_a, lora_b, rank, explained_variance, relative_error);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.compress_summary(summary jsonb, step jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT jsonb_build_object('decomposed', sum(((u.s ->> 'decomposed'::text))::bigint), 'not_smaller', sum(((u.s ->> 'not_smaller'::text))::bigint), 'failed', sum(((u.s ->> 'failed'::text))::bigint), 'small', sum(((u.s ->> 'small'::text))::bigint), 'failure', (array_agg((u.s ->> 'failure'::text) ORDER BY u.n) FILTER (WHERE ((u.s ->> 'failure'::text) IS NOT NULL)))[1], 'energy_sum', sum(((u.s ->> 'energy_sum'::text))::double precision), 'low', sum(((u.s ->> 'low'::text))::bigint), 'least_energy', min(((u.s ->> 'least_energy'::text))::double precision), 'least_tensor', (array_agg((u.s ->> 'least_tensor'::text) ORDER BY ((u.s ->> 'least_energy'::text))::double precision, u.n) FILTER (WHERE ((u.s ->> 'least_tensor'::text) IS NOT NULL)))[1], 'component_bytes', sum(((u.s ->> 'component_bytes'::text))::bigint), 'stored_bytes', sum(((u.s ->> 'stored_bytes'::text))::bigint)) AS jsonb_build_object
    FROM unnest(ARRAY[compress_summary.summary, compress_summary.step]) WITH ORDINALITY u(s, n);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.compress_end_line(model bigint, min_parameters bigint, summary jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT ((((format('model %s: %s tensors decomposed'::text, model, (summary ->> 'decomposed'::text)) ||
         CASE
             WHEN (((summary ->> 'decomposed'::text))::bigint > 0) THEN format(', lossy: energy kept %s at least and %s on average; components take %s beside %s of stored weights'::text, round(((summary ->> 'least_energy'::text))::numeric, 4), round((((summary ->> 'energy_sum'::text))::numeric / ((summary ->> 'decomposed'::text))::numeric), 4), pg_size_pretty(((summary ->> 'component_bytes'::text))::bigint), pg_size_pretty(((summary ->> 'stored_bytes'::text))::bigint))
             ELSE ''::text
         END) ||
         CASE
             WHEN (((summary ->> 'not_smaller'::text))::bigint > 0) THEN format('; %s would not be smaller'::text, (summary ->> 'not_smaller'::text))
             ELSE ''::text
         END) ||
         CASE
             WHEN (((summary ->> 'small'::text))::bigint > 0) THEN format('; %s have fewer than %s weights'::text, (summary ->> 'small'::text), min_parameters)
             ELSE ''::text
         END) ||
         CASE
             WHEN (((summary ->> 'failed'::text))::bigint > 0) THEN format('; %s cannot be decomposed (%s%s)'::text, (summary ->> 'failed'::text), (summary ->> 'failure'::text),
             CASE
                 WHEN (((summary ->> 'failed'::text))::bigint > 1) THEN '; …'::text
                 ELSE ''::text
             END)
             ELSE ''::text
         END);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.compress_warning(summary jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT format('%s of %s decompositions keep less than 0.9 of the sum of squares: tensor "%s" keeps %s'::text, (summary ->> 'low'::text), (summary ->> 'decomposed'::text), (summary ->> 'least_tensor'::text), round(((summary ->> 'least_energy'::text))::numeric, 4)) AS format
   WHERE (((summary ->> 'low'::text))::bigint > 0);
END;

CREATE OR REPLACE FUNCTION atomizer_internal.analyze_end_line(model bigint, min_parameters bigint, measured integer, failed integer, small integer, failure text)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (((format('model %s: %s matrices measured'::text, model, measured) ||
         CASE
             WHEN (small > 0) THEN format(', %s have fewer than %s weights'::text, small, min_parameters)
             ELSE ''::text
         END) ||
         CASE
             WHEN (failed > 0) THEN format(', %s cannot be measured (%s%s)'::text, failed, failure,
             CASE
                 WHEN (failed > 1) THEN '; …'::text
                 ELSE ''::text
             END)
             ELSE ''::text
         END) || '; layer_spectrum and model_spectrum show them'::text);
END;

CREATE OR REPLACE VIEW atomizer.tensor_atom_coefficient WITH (security_barrier=true) AS
 SELECT s.tensor_atom_id,
    s.model_id,
    s.layer_name,
    s.layer_idx,
    (s.c).weight_index AS weight_index,
    (s.c).position_x AS position_x,
    (s.c).position_y AS position_y,
    (s.c).position_z AS position_z,
    (s.c).weight AS weight,
    (s.c).atomic_value AS atomic_value,
    (s.c).content_hash AS content_hash
   FROM ( SELECT t.tensor_atom_id,
            t.model_id,
            t.layer_name,
            t.layer_idx,
            t.tenant_id,
            tensor_coefficients(t.tensor_atom_id) AS c
           FROM tensor_atom t
          WHERE ((t.valid_from IS NOT NULL) AND atomizer_internal.acts_for(t.tenant_id))) s;

CREATE OR REPLACE VIEW atomizer_internal.own_matrix WITH (security_barrier=true) AS
 SELECT t.tensor_atom_id,
    t.model_id,
    t.layer_name,
    t.layer_idx,
    t.layer_type,
    m.model_name
   FROM (tensor_atom t
     JOIN model m USING (model_id))
  WHERE ((t.valid_from IS NOT NULL) AND (cardinality(t.shape) >= 2) AND atomizer_internal.acts_for(t.tenant_id));

CREATE OR REPLACE VIEW atomizer.layer_spectrum AS
 SELECT t.tensor_atom_id,
    t.model_id,
    t.layer_name,
    t.layer_idx,
    t.layer_type,
    m.rows,
    m.cols,
    m.spectral_norm,
    m.frobenius_norm,
    m.stable_rank,
    m.effective_rank,
    m.alpha,
    m.alpha_sigma,
    m.power_law_xmin,
    m.ks_distance,
    m.tail,
    m.alpha_weighted,
    m.log_norm,
    m.log_spectral_norm,
    m.log_alpha_norm,
    m.rank_loss,
    t.model_name
   FROM atomizer_internal.own_matrix t,
    LATERAL tensor_spectral_measures(t.tensor_atom_id) m(rows, cols, spectral_norm, frobenius_norm, stable_rank, effective_rank, alpha, alpha_sigma, power_law_xmin, ks_distance, tail, alpha_weighted, log_norm, log_spectral_norm, log_alpha_norm, rank_loss);

CREATE OR REPLACE VIEW atomizer.model_spectrum AS
 SELECT s.model_id,
    s.model_name,
    count(*) AS layers,
    avg(s.log_norm) AS log_norm,
    avg(s.alpha) AS alpha,
    avg(s.alpha_weighted) AS alpha_weighted,
    avg(s.log_alpha_norm) AS log_alpha_norm,
    avg(s.log_spectral_norm) AS log_spectral_norm,
    avg(s.stable_rank) AS stable_rank,
    (sum(s.rank_loss))::bigint AS rank_loss
   FROM layer_spectrum s
  GROUP BY s.model_id, s.model_name;

CREATE OR REPLACE VIEW atomizer.ingestion_progress WITH (security_barrier=true) AS
 SELECT j.ingestion_job_id,
    m.model_name,
    j.job_status,
    round(((100.0 * (j.bytes_processed)::numeric) / (NULLIF(j.total_bytes, 0))::numeric), 1) AS percent,
    j.total_atoms_processed,
    j.total_atoms,
    j.atom_quota,
    pg_size_pretty(j.total_bytes) AS size,
    pg_size_pretty(j.new_bytes) AS new,
    j.chunks_committed,
    (COALESCE(j.completed_at, j.last_updated_at) - j.started_at) AS elapsed,
    j.last_updated_at,
    j.error_code,
    j.error_message,
    j.error_detail,
    j.error_hint,
    j.error_phase,
    j.error_file
   FROM (ingestion_job j
     JOIN model m USING (model_id))
  WHERE atomizer_internal.acts_for(j.tenant_id);

CREATE OR REPLACE VIEW atomizer.progress WITH (security_barrier=true) AS
 WITH running AS MATERIALIZED (
         SELECT running_work.pid,
            running_work.what,
            running_work.model_id,
            running_work.ingestion_job_id,
            running_work.phase,
            running_work.done,
            running_work.total,
            running_work.unit,
            running_work.rate,
            running_work.started,
            running_work.eta
           FROM atomizer_internal.running_work() running_work(pid, what, model_id, ingestion_job_id, phase, done, total, unit, rate, started, eta)
        )
 SELECT w.what,
    m.model_name AS model,
    w.pid,
    true AS alive,
    w.phase,
    w.done,
    w.total,
    w.unit,
        CASE
            WHEN (w.total > 0) THEN LEAST(round(((100.0 * (w.done)::numeric) / (w.total)::numeric), 1), (100)::numeric)
            ELSE NULL::numeric
        END AS percent,
    w.rate,
    w.started,
    w.eta,
    w.ingestion_job_id,
    w.model_id,
    NULL::text AS hint
   FROM (running w
     LEFT JOIN model m ON ((m.model_id = w.model_id)))
UNION ALL
 SELECT 'ingest_model'::text AS what,
    m.model_name AS model,
    j.lease_pid AS pid,
    s.alive,
        CASE
            WHEN (j.queued_at IS NOT NULL) THEN 'queued'::text
            WHEN (NOT s.alive) THEN 'interrupted'::text
            WHEN (j.total_bytes IS NULL) THEN 'reading'::text
            WHEN (j.bytes_processed < j.total_bytes) THEN 'storing'::text
            ELSE 'verifying'::text
        END AS phase,
    j.bytes_processed AS done,
    j.total_bytes AS total,
    'bytes'::text AS unit,
        CASE
            WHEN (j.total_bytes > 0) THEN LEAST(round(((100.0 * (j.bytes_processed)::numeric) / (j.total_bytes)::numeric), 1), (100)::numeric)
            ELSE NULL::numeric
        END AS percent,
    NULL::text AS rate,
    COALESCE(j.queued_at, j.started_at) AS started,
    NULL::timestamp with time zone AS eta,
    j.ingestion_job_id,
    j.model_id,
        CASE
            WHEN (j.queued_at IS NOT NULL) THEN format('It waits for a background worker: atomizer.max_workers run at a time. If none does, as after a restart of the server, SELECT atomizer.start_ingestion(%s) starts them.'::text, j.ingestion_job_id)
            WHEN (s.alive IS NULL) THEN 'The primary server knows whether it is still worked on.'::text
            WHEN ((NOT s.alive) AND (COALESCE(j.model_path, (j.model_lo)::text) IS NULL)) THEN format('CALL atomizer.atomize_model_governed(%s, model_bytes) resumes it.'::text, j.ingestion_job_id)
            WHEN (NOT s.alive) THEN format('CALL atomizer.atomize_model_governed(%s) or SELECT atomizer.start_ingestion(%s) resumes it.'::text, j.ingestion_job_id, j.ingestion_job_id)
            ELSE NULL::text
        END AS hint
   FROM (ingestion_job j
     JOIN model m USING (model_id)),
    LATERAL ( SELECT
                CASE
                    WHEN ((j.queued_at IS NOT NULL) OR (j.lease_pid IS NULL)) THEN false
                    ELSE atomizer_internal.is_alive(j.lease_pid, j.lease_backend_start)
                END AS alive) s
  WHERE ((j.tenant_id = ANY (( SELECT my_tenant_ids() AS my_tenant_ids)::bigint[])) AND ((j.job_status = 'Processing'::job_status) OR (j.queued_at IS NOT NULL)) AND (NOT (EXISTS ( SELECT
           FROM running w
          WHERE (w.ingestion_job_id = j.ingestion_job_id)))));

CREATE OR REPLACE VIEW atomizer.tenant_atom WITH (security_barrier=true) AS
 SELECT t.tenant_id,
    t.content_hash,
    count(*) AS reference_count
   FROM tensor_atom t
  WHERE atomizer_internal.acts_for(t.tenant_id)
  GROUP BY t.tenant_id, t.content_hash;

CREATE OR REPLACE VIEW atomizer.relation_storage AS
 SELECT r.table_name,
    c.relname AS relation_name,
    r.kind,
    pg_size_pretty(s.bytes) AS size,
    pg_size_pretty(f.free_bytes) AS free,
    s.bytes,
    f.free_bytes,
        CASE
            WHEN (r.kind = 'table'::text) THEN pg_stat_get_dead_tuples(c.oid)
            ELSE NULL::bigint
        END AS dead_rows
   FROM (( SELECT t.relname AS table_name,
            t.oid,
            'table'::text AS kind
           FROM pg_class t
          WHERE ((t.relnamespace = ('atomizer'::regnamespace)::oid) AND (t.relkind = 'r'::"char"))
        UNION ALL
         SELECT t.relname AS table_name,
            i.indexrelid AS oid,
                CASE
                    WHEN (i.indrelid = t.oid) THEN 'index'::text
                    ELSE 'toast'::text
                END AS kind
           FROM (pg_class t
             JOIN pg_index i ON (((i.indrelid = t.oid) OR (i.indrelid = t.reltoastrelid))))
          WHERE ((t.relnamespace = ('atomizer'::regnamespace)::oid) AND (t.relkind = 'r'::"char"))
        UNION ALL
         SELECT t.relname AS table_name,
            t.reltoastrelid AS oid,
            'toast'::text AS kind
           FROM pg_class t
          WHERE ((t.relnamespace = ('atomizer'::regnamespace)::oid) AND (t.relkind = 'r'::"char") AND (t.reltoastrelid <> (0)::oid))) r
     JOIN pg_class c ON ((c.oid = r.oid))),
    LATERAL ( SELECT ((pg_relation_size((c.oid)::regclass) + pg_relation_size((c.oid)::regclass, 'fsm'::text)) + pg_relation_size((c.oid)::regclass, 'vm'::text)) AS bytes) s,
    LATERAL ( SELECT atomizer_internal.free_bytes(c.oid) AS free_bytes) f;

CREATE OR REPLACE VIEW atomizer.storage_summary AS
 SELECT n.models,
    n.tensor_atoms,
    a.distinct_tensors,
    a.distinct_weights,
    a.weight_references,
    pg_size_pretty(n.files_bytes) AS files,
    pg_size_pretty(a.distinct_content_bytes) AS distinct_content,
    pg_size_pretty(n.stored_content_bytes) AS stored_content,
    pg_size_pretty(n.stored_atoms_bytes) AS stored_atoms,
    pg_size_pretty(r.tables_bytes) AS tables,
    pg_size_pretty(r.indexes_bytes) AS indexes,
    pg_size_pretty(r.toast_bytes) AS toast,
    pg_size_pretty(r.free_bytes) AS free,
    pg_size_pretty(l.exports_bytes) AS exports,
    pg_size_pretty((((r.tables_bytes + r.indexes_bytes) + r.toast_bytes) + l.exports_bytes)) AS total,
    n.files_bytes,
    a.distinct_content_bytes,
    n.stored_content_bytes,
    n.stored_atoms_bytes,
    r.tables_bytes,
    r.indexes_bytes,
    r.toast_bytes,
    r.free_bytes,
    l.exported_objects,
    l.exports_bytes,
    (((r.tables_bytes + r.indexes_bytes) + r.toast_bytes) + l.exports_bytes) AS total_bytes
   FROM ( SELECT ( SELECT count(*) AS count
                   FROM model
                  WHERE model.is_complete) AS models,
            ( SELECT count(*) AS count
                   FROM tensor_atom) AS tensor_atoms,
            ( SELECT (COALESCE(sum(f.byte_length), (0)::numeric))::bigint AS "coalesce"
                   FROM model_file f) AS files_bytes,
            pg_total_relation_size('tensor_segment'::regclass) AS stored_content_bytes,
            pg_total_relation_size('atom'::regclass) AS stored_atoms_bytes) n,
    ( SELECT count(*) FILTER (WHERE (x.kind = 'tensor'::atom_kind)) AS distinct_tensors,
            count(*) FILTER (WHERE (x.kind = 'weight'::atom_kind)) AS distinct_weights,
            COALESCE(sum(x.reference_count) FILTER (WHERE (x.kind = 'weight'::atom_kind)), (0)::numeric) AS weight_references,
            (COALESCE(sum(x.byte_length) FILTER (WHERE (x.kind <> 'weight'::atom_kind)), (0)::numeric))::bigint AS distinct_content_bytes
           FROM atom x) a,
    ( SELECT (COALESCE(sum(x.bytes) FILTER (WHERE (x.kind = 'table'::text)), (0)::numeric))::bigint AS tables_bytes,
            (COALESCE(sum(x.bytes) FILTER (WHERE (x.kind = 'index'::text)), (0)::numeric))::bigint AS indexes_bytes,
            (COALESCE(sum(x.bytes) FILTER (WHERE (x.kind = 'toast'::text)), (0)::numeric))::bigint AS toast_bytes,
            (COALESCE(sum(x.free_bytes), (0)::numeric))::bigint AS free_bytes
           FROM relation_storage x) r,
    ( SELECT count(*) AS exported_objects,
            (COALESCE(sum(((p.pageno * ((current_setting('block_size'::text))::bigint / 4)) + length(p.data))), (0)::numeric))::bigint AS exports_bytes
           FROM (pg_description d
             LEFT JOIN LATERAL ( SELECT o.pageno,
                    o.data
                   FROM pg_largeobject o
                  WHERE (o.loid = d.objoid)
                  ORDER BY o.pageno DESC
                 LIMIT 1) p ON (true))
          WHERE ((d.classoid = ('pg_largeobject'::regclass)::oid) AND (d.description = 'atomizer export'::text))) l;

CREATE OR REPLACE VIEW atomizer_internal.model_content AS
 SELECT t.tenant_id,
    t.model_id,
    t.content_hash,
    t.byte_length
   FROM tensor_atom t
UNION ALL
 SELECT m.tenant_id,
    m.model_id,
    a.content_hash,
    a.byte_length
   FROM ((model m
     JOIN model_file f USING (model_id))
     JOIN atom a ON (((a.content_hash = f.blob_hash) AND (a.kind = 'blob'::atom_kind))));

CREATE OR REPLACE VIEW atomizer.model_storage WITH (security_barrier=true) AS
 SELECT m.tenant_id,
    m.model_id,
    m.model_name,
    m.is_complete,
    pg_size_pretty(f.files_bytes) AS files,
    pg_size_pretty(c.distinct_content_bytes) AS distinct_content,
    pg_size_pretty(c.alone_bytes) AS alone,
    pg_size_pretty((c.distinct_content_bytes - c.alone_bytes)) AS shared,
    f.files_bytes,
    c.distinct_content_bytes,
    c.alone_bytes,
    (c.distinct_content_bytes - c.alone_bytes) AS shared_bytes,
        CASE
            WHEN has_table_privilege('atomizer.svd_component'::text, 'SELECT'::text) THEN ( SELECT COALESCE(sum(((length(s.u_matrix) + length(s.s_vector)) + length(s.vt_matrix))), (0)::bigint) AS "coalesce"
               FROM svd_component s
              WHERE (s.content_hash = ANY (ARRAY( SELECT x.content_hash
                       FROM tensor_atom x
                      WHERE (x.model_id = m.model_id)))))
            ELSE NULL::bigint
        END AS decompositions_bytes,
        CASE
            WHEN has_table_privilege('atomizer.atom_embedding'::text, 'SELECT'::text) THEN ( SELECT count(*) AS count
               FROM atom_embedding e
              WHERE (e.content_hash = ANY (ARRAY( SELECT x.content_hash
                       FROM tensor_atom x
                      WHERE (x.model_id = m.model_id)))))
            ELSE NULL::bigint
        END AS points
   FROM model m,
    LATERAL ( SELECT (COALESCE(sum(x.byte_length), (0)::numeric))::bigint AS files_bytes
           FROM model_file x
          WHERE (x.model_id = m.model_id)) f,
    LATERAL ( SELECT (COALESCE(sum(d.byte_length), (0)::numeric))::bigint AS distinct_content_bytes,
            (COALESCE(sum(d.byte_length) FILTER (WHERE d.is_alone), (0)::numeric))::bigint AS alone_bytes
           FROM ( SELECT x.content_hash,
                    min(x.byte_length) AS byte_length,
                    ((NOT (EXISTS ( SELECT
                           FROM tensor_atom o
                          WHERE ((o.content_hash = x.content_hash) AND (o.tenant_id = m.tenant_id) AND (o.model_id <> m.model_id))))) AND (NOT (EXISTS ( SELECT
                           FROM (model_file o
                             JOIN model y USING (model_id))
                          WHERE ((o.blob_hash = x.content_hash) AND (y.tenant_id = m.tenant_id) AND (o.model_id <> m.model_id)))))) AS is_alone
                   FROM atomizer_internal.model_content x
                  WHERE (x.model_id = m.model_id)
                  GROUP BY x.content_hash) d) c
  WHERE atomizer_internal.acts_for(m.tenant_id);

CREATE OR REPLACE VIEW atomizer.tenant_storage WITH (security_barrier=true) AS
 SELECT t.tenant_id,
    t.tenant_name,
    n.models,
    pg_size_pretty(n.files_bytes) AS files,
    pg_size_pretty(c.distinct_content_bytes) AS distinct_content,
    pg_size_pretty(s.alone_bytes) AS alone,
    pg_size_pretty((c.distinct_content_bytes - s.alone_bytes)) AS shared,
    n.files_bytes,
    c.distinct_content_bytes,
    s.alone_bytes,
    (c.distinct_content_bytes - s.alone_bytes) AS shared_bytes,
        CASE
            WHEN has_table_privilege('atomizer.svd_component'::text, 'SELECT'::text) THEN ( SELECT COALESCE(sum(((length(d.u_matrix) + length(d.s_vector)) + length(d.vt_matrix))), (0)::bigint) AS "coalesce"
               FROM svd_component d
              WHERE (d.content_hash = ANY (ARRAY( SELECT x.content_hash
                       FROM tensor_atom x
                      WHERE (x.tenant_id = t.tenant_id)))))
            ELSE NULL::bigint
        END AS decompositions_bytes,
        CASE
            WHEN has_table_privilege('atomizer.atom_embedding'::text, 'SELECT'::text) THEN ( SELECT count(*) AS count
               FROM atom_embedding e
              WHERE (e.content_hash = ANY (ARRAY( SELECT x.content_hash
                       FROM tensor_atom x
                      WHERE (x.tenant_id = t.tenant_id)))))
            ELSE NULL::bigint
        END AS points
   FROM tenant t,
    LATERAL ( SELECT count(DISTINCT m.model_id) AS models,
            (COALESCE(sum(f.byte_length), (0)::numeric))::bigint AS files_bytes
           FROM (model m
             LEFT JOIN model_file f USING (model_id))
          WHERE (m.tenant_id = t.tenant_id)) n,
    (LATERAL ( SELECT (COALESCE(sum(d.byte_length), (0)::numeric))::bigint AS distinct_content_bytes
           FROM ( SELECT min(x.byte_length) AS byte_length
                   FROM atomizer_internal.model_content x
                  WHERE (x.tenant_id = t.tenant_id)
                  GROUP BY x.content_hash) d) c
     LEFT JOIN LATERAL ( SELECT (COALESCE(sum(d.byte_length), (0)::numeric))::bigint AS alone_bytes
           FROM ( SELECT min(x.byte_length) FILTER (WHERE (x.tenant_id = t.tenant_id)) AS byte_length
                   FROM atomizer_internal.model_content x
                  GROUP BY x.content_hash
                 HAVING bool_and((x.tenant_id = t.tenant_id))) d) s ON (has_table_privilege('atomizer.atom'::text, 'SELECT'::text)))
  WHERE atomizer_internal.acts_for(t.tenant_id);

CREATE OR REPLACE VIEW atomizer.atom_points WITH (security_barrier=true) AS
 SELECT (t.tensor_atom_id ||
        CASE
            WHEN (e.row_no < 0) THEN ''::text
            ELSE ('/'::text || e.row_no)
        END) AS point_id,
    t.tensor_atom_id,
    t.model_id,
    m.model_name,
    t.layer_name,
    t.layer_idx,
    t.layer_type,
    e.row_no,
    (st_force2d(e.spatial_key))::geometry(Point) AS point_2d,
    e.spatial_key,
    e.hilbert_value
   FROM ((tensor_atom t
     JOIN model m USING (model_id))
     JOIN atom_embedding e USING (content_hash, data_type, row_width))
  WHERE ((t.valid_from IS NOT NULL) AND atomizer_internal.acts_for(t.tenant_id));

CREATE OR REPLACE FUNCTION atomizer_internal.spatial_end_line(model bigint, granularity text, elapsed interval)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
BEGIN ATOMIC
 SELECT (format('model %s: %s %ss placed, %s s'::text, model, ( SELECT count(*) AS count
            FROM atom_points p
           WHERE ((p.model_id = spatial_end_line.model) AND ((p.row_no < 0) = (spatial_end_line.granularity = 'tensor'::text)))), granularity, round(EXTRACT(epoch FROM elapsed), 1)) ||
         CASE
             WHEN (to_regclass('atomizer.atom_embedding_spatial_key_idx'::text) IS NULL) THEN '; SELECT * FROM atomizer.build_spatial_indexes() builds the indexes that queries need (for administrators)'::text
             ELSE ''::text
         END);
END;

DROP PROCEDURE atomize_model_governed(bigint,bytea,text);

CREATE OR REPLACE PROCEDURE atomizer.atomize_model_governed(IN ingestion_job_id bigint, IN model_bytes bytea DEFAULT NULL::bytea, IN model_format text DEFAULT NULL::text)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    token     pg_catalog.uuid;
    step      pg_catalog.record;
    begun     pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    state     pg_catalog.text;
    message   pg_catalog.text;
    detail    pg_catalog.text;
    hint      pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('atomize_model_governed');
    IF ingestion_job_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'ingestion_job_id must not be null';
    END IF;
    token := atomizer_internal.claim_ingestion_job(ingestion_job_id);
    PERFORM atomizer_internal.check_commit('atomize_model_governed');
    COMMIT;
    IF token IS NULL THEN
        RAISE NOTICE 'ingestion job % is complete already', ingestion_job_id;
        RETURN;
    END IF;
    LOOP
        BEGIN
            SELECT s.* INTO step FROM atomizer_internal.ingestion_step(ingestion_job_id, token, model_bytes, model_format) AS s;
        EXCEPTION
            -- OTHERS does not include a cancelled query: Ctrl-C must give the lease back, too.
            WHEN query_canceled OR OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        END;
        IF state IS NOT NULL THEN
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token,
                CASE WHEN state OPERATOR(pg_catalog.=) '57014' THEN 'Pending' ELSE 'Failed' END, state, message, detail, hint);
            COMMIT;
            -- An empty detail or hint would be shown as an empty line, and null is refused.
            IF detail OPERATOR(pg_catalog.=) '' AND hint OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
            ELSIF detail OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hint;
            ELSIF hint OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
            END IF;
            RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
        END IF;
        IF step.phase OPERATOR(pg_catalog.=) 'cancelled' THEN
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token, 'Cancelled');
        END IF;
        IF step.problem IS NOT NULL THEN
            hint := 'Restore the file and call atomize_model_governed again, or start over with reset_ingestion_job().';
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token, 'Failed', '55000', step.problem, NULL, hint);
        END IF;
        COMMIT;
        IF step.problem IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = step.problem, HINT = hint;
        END IF;
        IF step.phase OPERATOR(pg_catalog.=) 'cancelled' THEN
            RAISE NOTICE 'ingestion job % was cancelled after % of % atoms; CALL atomize_model_governed(%) resumes it',
                ingestion_job_id, step.atoms_processed, step.total_atoms, ingestion_job_id;
            RETURN;
        END IF;
        EXIT WHEN step.phase OPERATOR(pg_catalog.=) 'complete';
        IF step.phase OPERATOR(pg_catalog.=) 'planned' THEN
            RAISE NOTICE '%', atomizer_internal.plan_line(ingestion_job_id);
        END IF;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.completion_line(ingestion_job_id, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun);
END $procedure$;

CREATE OR REPLACE PROCEDURE atomizer.ingest_model(IN model_name text, IN model_path text DEFAULT NULL::text, IN model_lo oid DEFAULT NULL::oid, IN model_bytes bytea DEFAULT NULL::bytea, IN model_format text DEFAULT NULL::text, IN tenant text DEFAULT NULL::text, IN granularity text DEFAULT 'auto'::text, IN atom_chunk_size bigint DEFAULT 64000000, IN atom_quota bigint DEFAULT NULL::bigint, IN model_type text DEFAULT NULL::text, IN provider text DEFAULT NULL::text, IN properties jsonb DEFAULT NULL::jsonb, IN unlink boolean DEFAULT false, IN strict boolean DEFAULT false, IN safety text DEFAULT 'warn'::text)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    job bigint;
BEGIN
    PERFORM atomizer_internal.check_may_commit('ingest_model');
    -- A wrong path or an unknown format must leave nothing behind.
    PERFORM atomizer.detect_model_format(model_bytes, model_lo, model_path);
    -- The same of a model that is to be refused; a warning comes with the plan.
    PERFORM atomizer_internal.refuse_unsafe(safety, model_bytes, model_lo, model_path);
    IF strict THEN
        PERFORM FROM atomizer.list_tensors(model_bytes, model_format, model_lo, model_path, strict => true);
    END IF;
    job := atomizer_internal.prepare_ingestion(model_name, model_path, model_lo, model_format, tenant, granularity,
                                       atom_chunk_size, atom_quota, model_type, provider, properties, unlink, safety);
    PERFORM atomizer_internal.check_commit('ingest_model');
    COMMIT;
    CALL atomizer.atomize_model_governed(job, model_bytes, model_format);
END $procedure$;

CREATE OR REPLACE PROCEDURE atomizer.compress_model(IN model regmodel, IN rank integer DEFAULT NULL::integer, IN target_energy double precision DEFAULT NULL::double precision, IN min_parameters bigint DEFAULT 1000000)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    step    pg_catalog.record;
    place   integer := 0;
    summary pg_catalog.jsonb;
    warning pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('compress_model');
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.compress_step(model, rank, target_energy, min_parameters, place) AS s;
        PERFORM atomizer_internal.check_commit('compress_model');
        COMMIT;
        place := step.next_tensor;
        summary := atomizer_internal.compress_summary(summary, pg_catalog.to_jsonb(step));
        EXIT WHEN place IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.compress_end_line(model, min_parameters, summary);
    warning := atomizer_internal.compress_warning(summary);
    IF warning IS NOT NULL THEN
        RAISE WARNING '%', warning USING HINT =
            'Ask for target_energy => 0.9, or a higher rank; svd_spectrum() shows what a tensor''s rank keeps.';
    END IF;
END $procedure$;

CREATE OR REPLACE PROCEDURE atomizer.analyze_model(IN model regmodel, IN min_parameters bigint DEFAULT 0)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    step     pg_catalog.record;
    place    integer := 0;
    measured integer := 0;
    failed   integer := 0;
    small    integer := 0;
    failure  pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('analyze_model');
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.analyze_step(model, min_parameters, place) AS s;
        PERFORM atomizer_internal.check_commit('analyze_model');
        COMMIT;
        place := step.next_tensor;
        measured := measured OPERATOR(pg_catalog.+) step.measured;
        failed := failed OPERATOR(pg_catalog.+) step.failed;
        small := small OPERATOR(pg_catalog.+) step.small;
        failure := coalesce(failure, step.failure);
        EXIT WHEN place IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.analyze_end_line(model, min_parameters, measured, failed, small, failure);
END $procedure$;

CREATE OR REPLACE PROCEDURE atomizer.spatialize_model(IN model regmodel, IN granularity text DEFAULT 'tensor'::text)
 LANGUAGE plpgsql
AS $procedure$
DECLARE
    step         pg_catalog.record;
    line         pg_catalog.text;
    next_tensor  integer := 0;
    begun        pg_catalog.timestamptz := pg_catalog.clock_timestamp();
BEGIN
    PERFORM atomizer_internal.check_may_commit('spatialize_model');
    IF model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'model must not be null';
    END IF;
    IF granularity IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'granularity must not be null';
    END IF;
    granularity := pg_catalog.lower(granularity);
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.spatialize_step(model, granularity, next_tensor) AS s;
        PERFORM atomizer_internal.check_commit('spatialize_model');
        COMMIT;
        FOREACH line IN ARRAY step.notices LOOP
            RAISE NOTICE '%', line;
        END LOOP;
        next_tensor := step.next_tensor;
        EXIT WHEN next_tensor IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.spatial_end_line(model, granularity,
        pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun);
END $procedure$;

CREATE OR REPLACE FUNCTION atomizer.collect_garbage(OUT atoms_removed bigint, OUT segments_removed bigint, OUT bytes_removed bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    places tid[];
    dead   bytea[];
    n      bigint;
    m      bigint;
    total  bigint := (SELECT count(*) FROM atomizer.atom a WHERE a.reference_count = 0);
BEGIN
    PERFORM atomizer_internal.check_writable('collect_garbage()');
    -- An older snapshot would not see a reference that was made since, and delete what it needs.
    IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_transaction_state',
            MESSAGE = pg_catalog.format('collect_garbage() cannot run at isolation level %s', pg_catalog.current_setting('transaction_isolation')),
            HINT = 'Call it at READ COMMITTED: SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED.';
    END IF;
    atoms_removed := 0;
    segments_removed := 0;
    bytes_removed := 0;
    -- In slices, which are held in memory: a temporary table could be one of the caller's, with a trigger.
    LOOP
        PERFORM atomizer_internal.report_progress('collect_garbage', 'deleting', atoms_removed, total, 'atoms');
        -- First lock, then look again and delete: a plan that adds a reference meanwhile either came
        -- before the lock, and the second look sees it, or waits and finds the atom gone.
        SELECT array_agg(l.place) INTO places FROM (
            SELECT a.ctid AS place FROM atomizer.atom a WHERE a.reference_count = 0
            ORDER BY a.content_hash, a.kind LIMIT 500000 FOR UPDATE SKIP LOCKED) l;
        EXIT WHEN places IS NULL;
        WITH gone AS (
            DELETE FROM atomizer.atom a WHERE a.ctid = ANY (places) AND a.reference_count = 0
            RETURNING a.content_hash, a.kind)
        SELECT count(*), array_agg(DISTINCT g.content_hash) FILTER (WHERE g.kind <> 'weight') INTO n, dead FROM gone g;
        EXIT WHEN n = 0;
        atoms_removed := atoms_removed + n;
        PERFORM atomizer_internal.report_progress('collect_garbage', 'deleting', atoms_removed, total, 'atoms');
        -- A blob may have the same bytes as a tensor: they go with the last of both.
        dead := ARRAY(
            SELECT d FROM unnest(dead) AS d
            EXCEPT SELECT a.content_hash FROM atomizer.atom a WHERE a.content_hash = ANY (dead) AND a.kind <> 'weight');
        WITH gone AS (
            DELETE FROM atomizer.tensor_segment s WHERE s.content_hash = ANY (dead) RETURNING s.part_no, length(s.payload) AS bytes)
        SELECT count(*) FILTER (WHERE part_no = 0), coalesce(sum(bytes), 0) INTO n, m FROM gone;
        segments_removed := segments_removed + n;
        bytes_removed := bytes_removed + m;
        DELETE FROM atomizer.atom_embedding e WHERE e.content_hash = ANY (dead);
        DELETE FROM atomizer.svd_component c WHERE c.content_hash = ANY (dead);
        DELETE FROM atomizer.spectral_measure c WHERE c.content_hash = ANY (dead);
    END LOOP;
    PERFORM atomizer_internal.end_progress('collect_garbage');
END $function$;

CREATE OR REPLACE FUNCTION atomizer.check_integrity(OUT invariant text, OUT object text, OUT problem text)
 RETURNS SETOF record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    m record;
BEGIN
    PERFORM atomizer_internal.report_progress('check_integrity', 'verifying', 0, (
        SELECT sum(f.byte_length)::bigint FROM atomizer.model_file f JOIN atomizer.model USING (model_id) WHERE is_complete));
    FOR m IN SELECT model_id, model_name FROM atomizer.model WHERE is_complete ORDER BY 1 LOOP
        BEGIN
            RETURN QUERY SELECT 'files rebuild to their SHA-256', format('model %s, file %s', m.model_id, v.file_name),
                                'the rebuilt file differs'
                         FROM atomizer.verify_model(m.model_id) v WHERE NOT v.is_identical;
        EXCEPTION WHEN data_corrupted THEN
            RETURN QUERY SELECT 'files rebuild to their SHA-256', format('model %s', m.model_id), SQLERRM;
        END;
    END LOOP;

    PERFORM atomizer_internal.report_progress('check_integrity', 'decoding contents', 0, (
        SELECT sum(a.byte_length)::bigint FROM atomizer.atom a WHERE a.kind <> 'weight'));
    RETURN QUERY SELECT 'segments decode to their content', format('%s %s', a.kind, encode(a.content_hash, 'hex')),
                        'segments are missing or damaged'
                 FROM atomizer.atom a
                 WHERE a.kind <> 'weight' AND a.segment_count = ceil(a.byte_length / atomizer.segment_bytes()::numeric)
                   AND atomizer_internal.stored_sha256(a.content_hash, a.byte_length) IS DISTINCT FROM a.content_hash;

    PERFORM atomizer_internal.report_progress('check_integrity', 'comparing rows', 0, NULL);
    RETURN QUERY SELECT 'contents of complete models are stored', format('model %s, tensor %s', t.model_id, t.layer_name),
                        'its content is missing or incomplete'
                 FROM atomizer.tensor_atom t JOIN atomizer.model USING (model_id)
                 LEFT JOIN atomizer.atom a ON a.content_hash = t.content_hash AND a.kind = 'tensor'
                 WHERE is_complete AND a.segment_count IS DISTINCT FROM ceil(t.byte_length / atomizer.segment_bytes()::numeric);

    RETURN QUERY SELECT 'reference counts', format('%s %s', coalesce(a.kind, r.kind), encode(coalesce(a.content_hash, r.content_hash), 'hex')),
                        format('reference_count is %s, references are %s', coalesce(a.reference_count::text, 'missing'), coalesce(r.n, 0))
                 FROM (SELECT x.content_hash, x.kind, x.reference_count FROM atomizer.atom x WHERE x.kind <> 'weight') a
                 FULL JOIN (SELECT t.content_hash, 'tensor'::atomizer.atom_kind AS kind, count(*) AS n
                            FROM atomizer.tensor_atom t GROUP BY 1
                            UNION ALL
                            SELECT f.blob_hash, 'blob', count(*) FROM atomizer.model_file f GROUP BY 1) r
                   ON r.content_hash = a.content_hash AND r.kind = a.kind
                 WHERE a.reference_count IS DISTINCT FROM coalesce(r.n, 0);

    PERFORM atomizer_internal.report_progress('check_integrity', 'counting weights', 0, (
        SELECT sum(t.byte_length)::bigint FROM atomizer.tensor_atom t JOIN atomizer.model USING (model_id)
        WHERE is_complete AND has_weight_atoms));
    BEGIN
        RETURN QUERY SELECT 'reference counts of weights', encode(coalesce(a.content_hash, w.content_hash), 'hex'),
                            format('reference_count is %s, occurrences are %s', coalesce(a.reference_count::text, 'missing'), coalesce(w.n, 0))
                     FROM (SELECT x.content_hash, x.reference_count FROM atomizer.atom x WHERE x.kind = 'weight') a
                     FULL JOIN (SELECT c.content_hash, sum(c.weight_count) AS n
                                FROM atomizer.model x, LATERAL atomizer_internal.model_weight_counts(x.model_id) c
                                WHERE x.is_complete GROUP BY 1) w
                       ON w.content_hash = a.content_hash
                     WHERE a.reference_count IS DISTINCT FROM coalesce(w.n, 0);
    EXCEPTION WHEN data_corrupted THEN
        RETURN QUERY SELECT 'reference counts of weights', 'all weights', format('they cannot be counted: %s', SQLERRM);
    END;

    PERFORM atomizer_internal.report_progress('check_integrity', 'comparing rows', 0, NULL);
    RETURN QUERY SELECT 'weights are their own content', encode(a.content_hash, 'hex'), 'atomic_value has another SHA-256'
                 FROM atomizer.atom a WHERE a.kind = 'weight' AND sha256(a.atomic_value) IS DISTINCT FROM a.content_hash;

    RETURN QUERY SELECT 'job totals', format('ingestion job %s', j.ingestion_job_id),
                        format('%s of %s atoms processed, quota %s, status %s',
                               j.total_atoms_processed, j.total_atoms, coalesce(j.atom_quota::text, 'none'), j.job_status)
                 FROM atomizer.ingestion_job j
                 WHERE j.total_atoms_processed > j.atom_quota OR j.total_atoms_processed > j.total_atoms
                    OR j.job_status = 'Complete' AND j.total_atoms_processed IS DISTINCT FROM j.total_atoms
                    OR j.total_atoms IS DISTINCT FROM (SELECT sum(t.weight_count) FROM atomizer.tensor_atom t
                                                       WHERE t.model_id = j.model_id)
                       AND coalesce(j.total_atoms, 0) <> 0;

    RETURN QUERY SELECT 'no orphans', format('segments of %s', encode(s.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.tensor_segment x) s
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = s.content_hash AND a.kind <> 'weight')
                 UNION ALL
                 SELECT 'no orphans', format('points of %s', encode(e.content_hash, 'hex')), 'no tensor has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.atom_embedding x) e
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = e.content_hash AND a.kind = 'tensor')
                 UNION ALL
                 SELECT 'no orphans', format('decomposition of %s', encode(c.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.svd_component x) c
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = c.content_hash AND a.kind <> 'weight')
                 UNION ALL
                 SELECT 'no orphans', format('measures of %s', encode(c.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.spectral_measure x) c
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = c.content_hash AND a.kind <> 'weight');

    RETURN QUERY SELECT 'points are at their Hilbert values', format('row %s of %s', e.row_no, encode(e.content_hash, 'hex')),
                        'hilbert_value is not that of spatial_key'
                 FROM atomizer.atom_embedding e WHERE e.hilbert_value IS DISTINCT FROM atomizer.compute_hilbert_value(e.spatial_key);
    PERFORM atomizer_internal.end_progress('check_integrity');
END $function$;

DROP FUNCTION _check_may_commit(text);

DROP FUNCTION _claim_ingestion_job(bigint);

DROP FUNCTION _compress_step(bigint,integer,double precision,bigint,integer);

DROP FUNCTION _dequantize(bytea,text);

DROP FUNCTION _dequantize_bytes(bytea,text);

DROP FUNCTION _ingestion_step(bigint,uuid,bytea,text);

DROP FUNCTION _atoms_in_box_hilbert(bigint[],double precision[],double precision[]);

DROP FUNCTION _atom_tile(bigint[],integer,integer,integer);

DROP FUNCTION _atoms_in_box(bigint[],double precision[],double precision[]);

DROP FUNCTION _is_in_box(geometry,double precision,double precision,double precision,double precision,double precision,double precision);

DROP FUNCTION _model_weight_counts(bigint);

DROP FUNCTION _prepare_ingestion(text,text,oid,text,text,text,bigint,bigint);

DROP FUNCTION _quantize(real[],text);

DROP FUNCTION _release_ingestion_job(bigint,uuid,text,text,text);

DROP FUNCTION _spatialize_step(bigint,text,integer);

DROP FUNCTION _stored_sha256(bytea,bigint);

DROP FUNCTION _unfold_model(bigint);

DROP FUNCTION atoms_in_box(box3d,spatial_index_strategy);

DROP FUNCTION create_ingestion_job(bigint,text,oid,text,text,bigint,bigint);

DROP FUNCTION drop_model(bigint);

DROP FUNCTION export_model_file(bigint,text,integer,boolean);

DROP FUNCTION extract_lora_model(bigint,bigint,integer,text,boolean);

DROP FUNCTION extract_model_weights(bytea,text,oid,text,bigint);

DROP FUNCTION list_tensors(bytea,text,oid,text,bigint);

DROP FUNCTION model_metadata(bytea,text,boolean,oid,text,bigint);

DROP FUNCTION model_pickle_report(bytea,oid,text,bigint);

DROP FUNCTION model_spectral_measures(bigint,bigint);

DROP FUNCTION similar_rows(bigint,bigint,integer,integer,text,spatial_index_strategy,bigint);

DROP FUNCTION stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,bigint);

DROP FUNCTION verify_model(bigint);

DROP FUNCTION keep_tensor_atom_history();

DROP FUNCTION _may_act_for(name,bigint);

DROP FUNCTION _tenant_of(name,text);

DROP PROCEDURE compress_model(bigint,integer,double precision,bigint);

DROP FUNCTION _register_model(name,text,text,text,text,jsonb);

DROP FUNCTION _require_model(name,bigint);

DROP FUNCTION _forget_contents(bigint);

DROP FUNCTION _drop_model(name,bigint);

DROP FUNCTION _lease_duration();

DROP FUNCTION _is_held(ingestion_job);

DROP FUNCTION _require_job(name,bigint);

DROP FUNCTION _allowed_quota(bigint,bigint);

DROP FUNCTION _create_ingestion_job(name,bigint,text,oid,text,text,bigint,bigint);

DROP FUNCTION _claim_ingestion_job(name,bigint);

DROP FUNCTION _release_ingestion_job(name,bigint,uuid,text,text,text);

DROP FUNCTION _cancel_ingestion_job(name,bigint);

DROP FUNCTION _reset_ingestion_job(name,bigint);

DROP FUNCTION _set_atom_quota(name,bigint,bigint);

DROP FUNCTION _prepare_ingestion(name,text,text,oid,text,text,text,bigint,bigint);

DROP FUNCTION _plan_line(bigint);

DROP FUNCTION _progress_line(bigint,bigint,bigint,interval);

DROP FUNCTION _completion_line(bigint,interval);

DROP PROCEDURE ingest_model(text,text,oid,bytea,text,text,text,bigint,bigint);

DROP FUNCTION _place_of(bigint,bigint);

DROP FUNCTION _nearest_rows(bigint[],double precision[],bigint);

DROP FUNCTION _nearest_tensors(bigint[],double precision[],bigint);

DROP FUNCTION _near_rows(bigint[],double precision[],bigint,bigint,bigint);

DROP FUNCTION _near_rows_hilbert(bigint[],bigint,bigint,bigint,bigint);

DROP FUNCTION _near_tensors(bigint[],double precision[],bigint,bigint);

DROP PROCEDURE spatialize_model(bigint,text);

DROP FUNCTION _spatial_line(bigint,bigint,bigint,interval);

DROP FUNCTION _spatial_end_line(bigint,text,interval);

COMMENT ON FUNCTION atom_tiles(integer,integer,integer) IS 'Mapbox vector tile z/x/y of your atoms (layer atoms): tile 0/0/0 is the box -100 to 100 seen along z. For Martin and pg_tileserv.';

GRANT EXECUTE ON FUNCTION atom_tiles(integer,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.acts_for(bigint) IS 'Whether the caller acts for a tenant; policies and views ask it for each row.';

GRANT EXECUTE ON FUNCTION atomizer_internal.acts_for(bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.analyze_step(bigint,bigint,integer) IS 'One step of analyze_model(): measures the matrices that need it from number first_tensor on, for a second or one of them.';

GRANT EXECUTE ON FUNCTION atomizer_internal.analyze_step(bigint,bigint,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.check_commit(text) IS 'Raises an error where the named procedure cannot commit, and names the way out. Procedures call it before their first COMMIT.';

GRANT EXECUTE ON FUNCTION atomizer_internal.check_commit(text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.check_may_commit(text) IS 'Raises an error inside a transaction block, where the named procedure could not commit.';

GRANT EXECUTE ON FUNCTION atomizer_internal.check_may_commit(text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.check_writable(text) IS 'Raises an error on a standby and in a READ ONLY transaction, where the named function cannot write.';

GRANT EXECUTE ON FUNCTION atomizer_internal.check_writable(text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.claim_ingestion_job(bigint) IS 'Takes the lease on a job; null if the job is complete.';

GRANT EXECUTE ON FUNCTION atomizer_internal.claim_ingestion_job(bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.compress_step(bigint,integer,double precision,bigint,integer) IS 'One step of compress_model(): decomposes the next tensor that needs it, from tensor first_tensor on.';

GRANT EXECUTE ON FUNCTION atomizer_internal.compress_step(bigint,integer,double precision,bigint,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.dequantize(bytea,text) IS 'Implements dequantize().';

GRANT EXECUTE ON FUNCTION atomizer_internal.dequantize(bytea,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.dequantize_bytes(bytea,text) IS 'Implements dequantize_bytes().';

GRANT EXECUTE ON FUNCTION atomizer_internal.dequantize_bytes(bytea,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.end_progress(text) IS 'Ends what report_progress() shows.';

REVOKE ALL ON FUNCTION atomizer_internal.end_progress(text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.extract_model_weights(bytea,text,oid,text,regmodel,text,boolean) IS 'Implements extract_model_weights().';

GRANT EXECUTE ON FUNCTION atomizer_internal.extract_model_weights(bytea,text,oid,text,regmodel,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.free_bytes(oid) IS 'Bytes of a table or index that are free for new rows, as its free space map has them.';

GRANT EXECUTE ON FUNCTION atomizer_internal.free_bytes(oid) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.ingestion_step(bigint,uuid,bytea,text) IS 'One step of an ingestion, for the holder of its lease: plan, store a chunk, or finalize.';

GRANT EXECUTE ON FUNCTION atomizer_internal.ingestion_step(bigint,uuid,bytea,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.is_alive(integer,timestamp with time zone) IS 'Whether a process that was started then still lives and does not idle; null on a standby.';

GRANT EXECUTE ON FUNCTION atomizer_internal.is_alive(integer,timestamp with time zone) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.is_in_box(geometry,double precision,double precision,double precision,double precision,double precision,double precision) IS 'Whether a point is in a box, borders included.';

REVOKE ALL ON FUNCTION atomizer_internal.is_in_box(geometry,double precision,double precision,double precision,double precision,double precision,double precision) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.model_weight_counts(bigint) IS 'Occurrences of each distinct weight of a stored model.';

REVOKE ALL ON FUNCTION atomizer_internal.model_weight_counts(bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) IS 'Finds or creates the job that ingest_model() runs.';

GRANT EXECUTE ON FUNCTION atomizer_internal.prepare_ingestion(text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.quantize(real[],text) IS 'Implements quantize().';

GRANT EXECUTE ON FUNCTION atomizer_internal.quantize(real[],text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.read_model_file(regmodel,integer) IS 'Implements read_model_file().';

GRANT EXECUTE ON FUNCTION atomizer_internal.read_model_file(regmodel,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.refuse_unsafe(text,bytea,oid,text,boolean) IS 'Raises an error for a model that model_safety_report() does not call safe where safety is refuse, and, if told so, a NOTICE where it is warn.';

GRANT EXECUTE ON FUNCTION atomizer_internal.refuse_unsafe(text,bytea,oid,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_in(cstring) IS 'Input of regmodel: an id, or a name, which is looked up.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_in(cstring) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_of_text(text) IS 'Cast of text to regmodel: an id, or a name, which is looked up.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_of_text(text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.release_ingestion_job(bigint,uuid,text,text,text,text,text) IS 'Gives back the lease on a job before it is complete, and keeps the error that ended the work.';

GRANT EXECUTE ON FUNCTION atomizer_internal.release_ingestion_job(bigint,uuid,text,text,text,text,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.release_weight_refs(bigint) IS 'Subtracts a model''s weights from the reference counts of weight atoms.';

REVOKE ALL ON FUNCTION atomizer_internal.release_weight_refs(bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.report_progress(text,text,bigint,bigint,text) IS 'Shows in the view progress how far a function in SQL is; the first call begins.';

REVOKE ALL ON FUNCTION atomizer_internal.report_progress(text,text,bigint,bigint,text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.running_work() IS 'Long work of this database that the caller may see: that of its tenants'' models, and of its own roles.';

GRANT EXECUTE ON FUNCTION atomizer_internal.running_work() TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.spatialize_step(bigint,text,integer) IS 'One step of spatialize_model(): half a second of work, from a tensor on.';

GRANT EXECUTE ON FUNCTION atomizer_internal.spatialize_step(bigint,text,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.stored_sha256(bytea,bigint) IS 'SHA-256 of a stored content; null if it is damaged.';

REVOKE ALL ON FUNCTION atomizer_internal.stored_sha256(bytea,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,regmodel,text,boolean) IS 'Implements stream_atomic_weights_chunked().';

GRANT EXECUTE ON FUNCTION atomizer_internal.stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,regmodel,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.tenants_changed() IS 'Trigger: tells all sessions to look up their tenants again.';

REVOKE ALL ON FUNCTION atomizer_internal.tenants_changed() FROM PUBLIC;

COMMENT ON FUNCTION atoms_in_box(box3d,text) IS 'Tensors and matrix rows of your models in a box, borders included. RTree and Hilbert3D return the same rows through different indexes. Example: SELECT * FROM atoms_in_box(''BOX3D(0 0 0, 10 10 10)'').';

GRANT EXECUTE ON FUNCTION atoms_in_box(box3d,text) TO PUBLIC;

COMMENT ON FUNCTION cancel_ingestion_job(bigint) IS 'Interrupts a job, whichever session works on it. What was committed is kept: CALL atomize_model_governed(job) resumes it.';

GRANT EXECUTE ON FUNCTION cancel_ingestion_job(bigint) TO PUBLIC;

COMMENT ON FUNCTION compute_hilbert_value(geometry,integer,box3d) IS 'Index of a point''s cell along the 3D Hilbert curve through bounds (default -100 to 100 on each axis), divided into 2^precision cells per side. A point outside gets the nearest cell; z defaults to 0; null for an empty point.';

GRANT EXECUTE ON FUNCTION compute_hilbert_value(geometry,integer,box3d) TO PUBLIC;

COMMENT ON FUNCTION create_ingestion_job(regmodel,text,oid,text,text,bigint,bigint,text) IS 'Creates the ingestion job of a model and returns its number. Without model_path and model_lo, pass the file''s bytes to atomize_model_governed(). atom_chunk_size is the number of weights per commit, atom_quota the most the job may process, safety what happens to a model that model_safety_report() does not call safe: refuse, warn or ignore.';

GRANT EXECUTE ON FUNCTION create_ingestion_job(regmodel,text,oid,text,text,bigint,bigint,text) TO PUBLIC;

COMMENT ON FUNCTION detect_model_format(bytea,oid,text) IS 'Format of a model file, detected from its content, not its name. Example: SELECT detect_model_format(model_path => ''/models/x.gguf'').';

GRANT EXECUTE ON FUNCTION detect_model_format(bytea,oid,text) TO PUBLIC;

COMMENT ON FUNCTION drop_model(regmodel) IS 'Deletes a model and returns the number of its tensors. collect_garbage() then removes the contents that no other model refers to.';

GRANT EXECUTE ON FUNCTION drop_model(regmodel) TO PUBLIC;

COMMENT ON FUNCTION export_model(regmodel,text) IS 'Writes every file of a stored model, byte for byte and under its own name, to a new or empty directory on the server. It fails, and leaves nothing there, unless each has the recorded SHA-256. Example: SELECT * FROM export_model(1, ''/tmp/x'').';

GRANT EXECUTE ON FUNCTION export_model(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION export_model_file(regmodel,text,integer,boolean) IS 'Writes a file of a stored model, byte for byte: to a file on the server, or without a path to a new large object, whose oid it returns. Of a model of several files, file_no says which. It fails unless the result has the recorded SHA-256. Example: SELECT export_model_file(1, ''/tmp/x.gguf'').';

GRANT EXECUTE ON FUNCTION export_model_file(regmodel,text,integer,boolean) TO PUBLIC;

COMMENT ON FUNCTION extract_lora(bigint,bigint,integer) IS 'The difference of two stored tensors as a low-rank adapter: lora_b (outputs x rank) * lora_a (rank x inputs) approximates tuned - base.';

GRANT EXECUTE ON FUNCTION extract_lora(bigint,bigint,integer) TO PUBLIC;

COMMENT ON FUNCTION extract_lora_model(regmodel,regmodel,integer,text,boolean) IS 'The difference of two stored models as an adapter for peft: adapter_model.safetensors and adapter_config.json in a directory on the server, or without a path the former as a new large object. Equal tensors are left out; other_tensors counts those that differ and cannot be part of an adapter (biases, norms, embeddings, other shapes).';

GRANT EXECUTE ON FUNCTION extract_lora_model(regmodel,regmodel,integer,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION hilbert_ranges(box3d,integer,integer,box3d) IS 'At most max_ranges ranges of Hilbert values, ends included, that cover a box. They may cover more: compare the points found with the box itself.';

GRANT EXECUTE ON FUNCTION hilbert_ranges(box3d,integer,integer,box3d) TO PUBLIC;

COMMENT ON FUNCTION hilbert_to_point(bigint,integer,box3d) IS 'Centre of a cell, from its index along the Hilbert curve: the inverse of compute_hilbert_value().';

GRANT EXECUTE ON FUNCTION hilbert_to_point(bigint,integer,box3d) TO PUBLIC;

COMMENT ON FUNCTION list_tensors(bytea,text,oid,text,regmodel,text,boolean) IS 'Tensors of a model file, one a row. Only the header is read. Give one of model_bytes, model_lo (large object), model_path (file on the server) and model (stored model). layers: a pattern of LIKE for the names. What is in the file and not listed is told by a notice; strict makes it an error.';

GRANT EXECUTE ON FUNCTION list_tensors(bytea,text,oid,text,regmodel,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION model_metadata(bytea,text,boolean,oid,text,regmodel) IS 'Metadata of a model as jsonb: the key-value pairs of its header. Long arrays are summarized unless full_arrays is true.';

GRANT EXECUTE ON FUNCTION model_metadata(bytea,text,boolean,oid,text,regmodel) TO PUBLIC;

COMMENT ON FUNCTION model_safety_report(bytea,oid,text,regmodel) IS 'What loading a model''s files by the usual libraries would run, worst first: each finding with its verdict (safe, suspicious, dangerous), kind, place (file, entry, byte), and how often it was found. Never empty: where there is nothing to report, a row says what was examined. Nothing is ever run.';

GRANT EXECUTE ON FUNCTION model_safety_report(bytea,oid,text,regmodel) TO PUBLIC;

COMMENT ON FUNCTION model_spectral_measures(regmodel,bigint) IS 'As tensor_spectral_measures(), for every matrix of a model with at least min_parameters weights.';

GRANT EXECUTE ON FUNCTION model_spectral_measures(regmodel,bigint) TO PUBLIC;

COMMENT ON FUNCTION morton_value(geometry,integer,box3d) IS 'As compute_hilbert_value(), along the Morton curve (Z order).';

GRANT EXECUTE ON FUNCTION morton_value(geometry,integer,box3d) TO PUBLIC;

COMMENT ON FUNCTION my_tenant_ids() IS 'Tenants that the caller acts for; all tenants for a superuser.';

GRANT EXECUTE ON FUNCTION my_tenant_ids() TO PUBLIC;

COMMENT ON FUNCTION nearest_atoms(bigint,integer,bigint) IS 'The k tensors nearest to a tensor''s point; with row_no, the k matrix rows nearest to that row''s point.';

GRANT EXECUTE ON FUNCTION nearest_atoms(bigint,integer,bigint) TO PUBLIC;

COMMENT ON FUNCTION nearest_atoms(geometry,integer,text) IS 'The k tensors (granularity tensor) or matrix rows (row) of your models nearest to a point, nearest first.';

GRANT EXECUTE ON FUNCTION nearest_atoms(geometry,integer,text) TO PUBLIC;

COMMENT ON FUNCTION project_to_3d(bytea,text,bigint) IS 'As project_to_3d(real[], …), of a vector as little-endian 32-bit floats.';

GRANT EXECUTE ON FUNCTION project_to_3d(bytea,text,bigint) TO PUBLIC;

COMMENT ON FUNCTION project_to_3d(real[],text,bigint) IS 'A vector as a point in the box -100 to 100, as spatialize_model() places it. Method landmark: the vector''s direction relative to three orthonormal landmark vectors that follow from the seed; trilateration: the point at the vector''s distances from the landmarks.';

GRANT EXECUTE ON FUNCTION project_to_3d(real[],text,bigint) TO PUBLIC;

COMMENT ON FUNCTION quantization_error(bigint,text) IS 'What a stored tensor would lose in a smaller type (any that quantize() produces, or INT8: a signed byte per weight and a scale per row): root mean square error, largest error, signal-to-noise ratio in dB. All null when the tensor''s rows do not fill whole blocks of that type. Example: SELECT * FROM quantization_error(42, ''Q4_K'').';

GRANT EXECUTE ON FUNCTION quantization_error(bigint,text) TO PUBLIC;

COMMENT ON FUNCTION quantization_types() IS 'Every quantization type: bits per weight, size relative to F32, weights and bytes of a block, and whether dequantize() and quantize() support it.';

GRANT EXECUTE ON FUNCTION quantization_types() TO PUBLIC;

COMMENT ON FUNCTION quantize_int8(real[],integer) IS 'Quantizes rows of so many columns to one signed byte per weight and one scale per row: weight = code * scale.';

GRANT EXECUTE ON FUNCTION quantize_int8(real[],integer) TO PUBLIC;

COMMENT ON FUNCTION reconstruct_from_svd(bytea,bytea,bytea,integer,integer) IS 'As reconstruct_from_svd(real[], …), with little-endian 32-bit floats for input and output.';

GRANT EXECUTE ON FUNCTION reconstruct_from_svd(bytea,bytea,bytea,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION reconstruct_from_svd(real[],real[],real[],integer,integer) IS 'The row-major matrix u * diag(s) * vt.';

GRANT EXECUTE ON FUNCTION reconstruct_from_svd(real[],real[],real[],integer,integer) TO PUBLIC;

COMMENT ON FUNCTION reconstruct_tensor(bigint,integer) IS 'A tensor''s weights from its decomposition in svd_component: the one of highest rank, or the first rank singular values.';

GRANT EXECUTE ON FUNCTION reconstruct_tensor(bigint,integer) TO PUBLIC;

COMMENT ON FUNCTION register_model(text,text,text,text,jsonb) IS 'Registers a model for a tenant of the caller (default: the only one) and returns its model_id. ingest_model() does this, creates the job and runs it.';

GRANT EXECUTE ON FUNCTION register_model(text,text,text,text,jsonb) TO PUBLIC;

COMMENT ON FUNCTION reset_ingestion_job(bigint) IS 'Starts a job over that is not running: its progress is discarded, and collect_garbage() removes the contents that nothing else refers to.';

GRANT EXECUTE ON FUNCTION reset_ingestion_job(bigint) TO PUBLIC;

COMMENT ON FUNCTION segment_bytes() IS 'Raw bytes of every segment of a content but its last: a content of n bytes has ceil(n / segment_bytes()::numeric) segments.';

GRANT EXECUTE ON FUNCTION segment_bytes() TO PUBLIC;

COMMENT ON FUNCTION set_atom_quota(bigint,bigint) IS 'Sets the number of weights a job may process, at most its tenant''s quota; null sets it to the tenant''s quota.';

GRANT EXECUTE ON FUNCTION set_atom_quota(bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION similar_rows(bigint,bigint,bigint,integer,text,text,bigint) IS 'The k matrix rows most like a row, by exact distance of their weights (metric cosine or euclidean) among the candidates of equal length nearest in space: of all your models, or of within_tensor.';

GRANT EXECUTE ON FUNCTION similar_rows(bigint,bigint,bigint,integer,text,text,bigint) TO PUBLIC;

COMMENT ON FUNCTION similar_tensors(bigint,integer,integer,text) IS 'The k tensors most like a tensor, by exact distance of their weights (metric cosine or euclidean) among the candidates with as many weights nearest in space.';

GRANT EXECUTE ON FUNCTION similar_tensors(bigint,integer,integer,text) TO PUBLIC;

COMMENT ON FUNCTION start_ingestion(bigint) IS 'Runs an ingestion job in a background worker, with the caller''s rights, and returns at once: a new job, or one that failed, was cancelled or interrupted.';

GRANT EXECUTE ON FUNCTION start_ingestion(bigint) TO PUBLIC;

COMMENT ON FUNCTION svd_decompose(bytea,integer,integer,integer) IS 'As svd_decompose(real[], …), with little-endian 32-bit floats for input and output, as numpy.frombuffer reads them.';

GRANT EXECUTE ON FUNCTION svd_decompose(bytea,integer,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION svd_decompose(real[],integer,integer,integer) IS 'Truncated singular value decomposition of a row-major matrix: u (rows x rank), s, vt (rank x columns). explained_variance is the share of the sum of squares that is kept, relative_error the Frobenius norm of the difference relative to the matrix.';

GRANT EXECUTE ON FUNCTION svd_decompose(real[],integer,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION svd_spectrum(bigint) IS 'All singular values of a stored tensor (first axis by all others), largest first, with the cumulative share of the sum of squares.';

GRANT EXECUTE ON FUNCTION svd_spectrum(bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_bytes(bigint,bigint,bigint) IS 'count bytes of a stored tensor from byte first on (from 0), as they are in its file; all of them by default. Only the segments that hold them are read.';

GRANT EXECUTE ON FUNCTION tensor_bytes(bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_coefficients(bigint) IS 'Every weight of a stored tensor with its position; no row for types that cannot be decoded. The view tensor_atom_coefficient is built on it.';

GRANT EXECUTE ON FUNCTION tensor_coefficients(bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_float32_bytes(bigint,bigint,bigint) IS 'count weights of a stored tensor from weight first on (row-major, from 0), as little-endian 32-bit floats one behind the other, which numpy.frombuffer reads; all of them by default. Wider types are rounded.';

GRANT EXECUTE ON FUNCTION tensor_float32_bytes(bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_histogram(bigint,integer,double precision,double precision) IS 'Number of a stored tensor''s weights in each of so many bins of equal width from low to high (default: its minimum and maximum).';

GRANT EXECUTE ON FUNCTION tensor_histogram(bigint,integer,double precision,double precision) TO PUBLIC;

COMMENT ON FUNCTION tensor_id(regmodel,text) IS 'tensor_atom_id of a tensor, from its model and its layer name. Example: SELECT tensor_id(''smollm2'', ''token_embd.weight'').';

GRANT EXECUTE ON FUNCTION tensor_id(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION tensor_spectral_measures(bigint) IS 'Measures of a stored matrix from its singular values; the view layer_spectrum describes them. Tensors that have none give a notice and no row.';

GRANT EXECUTE ON FUNCTION tensor_spectral_measures(bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_stats(bigint) IS 'Statistics of a stored tensor''s weights: number, minimum, maximum, mean, standard deviation (of the population), share of zeros, number of NaN and infinities. NaN and infinities do not count in the others.';

GRANT EXECUTE ON FUNCTION tensor_stats(bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_weight(bigint,bigint,bigint,bigint) IS 'One weight of a stored tensor: x along the last axis, y along the one before, z along all other axes together, each from 0.';

GRANT EXECUTE ON FUNCTION tensor_weight(bigint,bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_weights(bigint,bigint,bigint) IS 'count weights of a stored tensor as real[], from weight first (row-major, from 0); all of them by default. Types wider than real are rounded.';

GRANT EXECUTE ON FUNCTION tensor_weights(bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_weights_float8(bigint,bigint,bigint) IS 'As tensor_weights(), in double precision: exact for F64, and for integers up to 2^53.';

GRANT EXECUTE ON FUNCTION tensor_weights_float8(bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION update_model(regmodel,text,text,text,jsonb) IS 'Changes a model''s name, type, provider or properties. What is null stays as it is; an empty text removes type or provider; properties are replaced as a whole. Example: SELECT update_model(1, provider => ''me'').';

GRANT EXECUTE ON FUNCTION update_model(regmodel,text,text,text,jsonb) TO PUBLIC;

COMMENT ON FUNCTION verify_model(regmodel) IS 'Rebuilds every file of a stored model and compares its SHA-256 with the recorded one.';

GRANT EXECUTE ON FUNCTION verify_model(regmodel) TO PUBLIC;

COMMENT ON SCHEMA atomizer_internal IS 'Functions and views that those of schema atomizer use: not for users, they may change in any version.';

GRANT USAGE ON SCHEMA atomizer_internal TO PUBLIC;

COMMENT ON TYPE model_format IS 'File format of a model, detected from its content. StableDiffusion may be requested: such files are SafeTensors or PyTorch, and model.architecture says which model it is.';

GRANT USAGE ON TYPE model_format TO PUBLIC;

GRANT USAGE ON TYPE tensor_dtype TO PUBLIC;

GRANT USAGE ON TYPE quantization_type TO PUBLIC;

COMMENT ON TYPE layer_type IS 'Kind of layer, from the tensor''s name.';

GRANT USAGE ON TYPE layer_type TO PUBLIC;

COMMENT ON TYPE regmodel IS 'A model: its id, or the name of one of the caller''s, as ''name'' or ''tenant/name''. It is stored and shown as the id.';

GRANT USAGE ON TYPE regmodel TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_out(regmodel) IS 'Output of regmodel: the id.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_out(regmodel) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_recv(internal) IS 'Binary input of regmodel: the id.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_recv(internal) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_send(regmodel) IS 'Binary output of regmodel: the id.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_send(regmodel) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_of_int4(integer) IS 'Cast of integer to regmodel.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_of_int4(integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.regmodel_of_int2(smallint) IS 'Cast of smallint to regmodel.';

GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_of_int2(smallint) TO PUBLIC;

COMMENT ON CAST (bigint AS regmodel) IS 'An id is a model; the function called checks that there is one.';

COMMENT ON CAST (integer AS regmodel) IS 'An id is a model.';

COMMENT ON CAST (smallint AS regmodel) IS 'An id is a model.';

COMMENT ON CAST (text AS regmodel) IS 'A name is looked up.';

COMMENT ON CAST (character varying AS regmodel) IS 'A name is looked up.';

COMMENT ON CAST (regmodel AS bigint) IS 'A model is its id.';

COMMENT ON TYPE job_status IS 'Status of an ingestion job. Failed and Cancelled jobs resume when atomize_model_governed() is called again.';

GRANT USAGE ON TYPE job_status TO PUBLIC;

GRANT USAGE ON TYPE atom_kind TO PUBLIC;

COMMENT ON TYPE atom_granularity IS 'Which atoms an ingestion creates: tensor (tensors only), weight (weights too), or auto (weights of the data types whose values occur at least 256 times each on average).';

GRANT USAGE ON TYPE atom_granularity TO PUBLIC;

GRANT USAGE ON TYPE pruning_strategy TO PUBLIC;

GRANT USAGE ON TYPE spatial_index_strategy TO PUBLIC;

COMMENT ON CAST (spatial_index_strategy AS text) IS 'A strategy is its name.';

COMMENT ON SEQUENCE tenant_id_seq IS 'Values of tenant.tenant_id.';

COMMENT ON TABLE tenant IS 'A group of roles whose models nobody else can see.';

COMMENT ON COLUMN tenant.created_at IS 'When the tenant was created.';

COMMENT ON COLUMN tenant.tenant_id IS 'Identifier of the tenant.';

COMMENT ON POLICY own_rows ON tenant IS 'Rows of the caller''s tenants.';

COMMENT ON COLUMN tenant_member.member_role IS 'A role, whatever its name becomes; whoever has its privileges acts for the tenant. A number: the role was dropped.';

COMMENT ON POLICY own_rows ON tenant_member IS 'Rows of the caller''s tenants.';

COMMENT ON TRIGGER tenants_changed ON tenant IS 'Tells all sessions to look up their tenants again.';

COMMENT ON TRIGGER tenants_truncated ON tenant IS 'Tells all sessions to look up their tenants again.';

COMMENT ON TRIGGER tenants_changed ON tenant_member IS 'Tells all sessions to look up their tenants again.';

COMMENT ON TRIGGER tenants_truncated ON tenant_member IS 'Tells all sessions to look up their tenants again.';

COMMENT ON SEQUENCE model_id_seq IS 'Values of model.model_id.';

COMMENT ON COLUMN model.completed_at IS 'When its ingestion became complete.';

COMMENT ON COLUMN model.is_complete IS 'True when every byte is stored and every file was verified to rebuild to its SHA-256.';

COMMENT ON COLUMN model.metadata IS 'Key-value pairs of the files'' headers; long arrays are summarized (model_metadata(model => …, full_arrays => true) gives them whole).';

COMMENT ON COLUMN model.model_format IS 'Format of its files, detected when ingestion starts.';

COMMENT ON COLUMN model.model_id IS 'Identifier of the model.';

COMMENT ON COLUMN model.safety_verdict IS 'Worst verdict of model_safety_report() when it was ingested; null where that was not asked for.';

COMMENT ON POLICY own_rows ON model IS 'Rows of the caller''s tenants.';

COMMENT ON COLUMN model_file.blob_hash IS 'Atom (kind blob) that holds the bytes outside of tensors: header, padding, trailer, concatenated.';

COMMENT ON COLUMN model_file.file_name IS 'Name, from the model''s folder on.';

COMMENT ON COLUMN model_file.file_no IS 'Index of the file among the model''s files, from 0.';

COMMENT ON COLUMN model_file.role IS 'weights: it holds weights or says where they are; companion: it stood beside them in the model''s folder.';

COMMENT ON SEQUENCE ingestion_job_id_seq IS 'Values of ingestion_job.ingestion_job_id.';

COMMENT ON COLUMN ingestion_job.atom_quota IS 'Most weights the job may process; null: unlimited.';

COMMENT ON COLUMN ingestion_job.cancel_requested IS 'The session that works on it stops before its next step.';

COMMENT ON COLUMN ingestion_job.completed_at IS 'When it became complete.';

COMMENT ON COLUMN ingestion_job.created_at IS 'When the job was created.';

COMMENT ON COLUMN ingestion_job.created_role IS 'Role that named the source, and must have the right to read it, too, whoever runs the job; null: made by version 0.0.1.';

COMMENT ON COLUMN ingestion_job.error_code IS 'SQLSTATE of the error that stopped the job; null once it runs again.';

COMMENT ON COLUMN ingestion_job.error_detail IS 'Detail of that error, if it has one.';

COMMENT ON COLUMN ingestion_job.error_file IS 'File that the message names, else the job''s path; null where neither is known.';

COMMENT ON COLUMN ingestion_job.error_hint IS 'Hint of that error: what to do next, if it says so.';

COMMENT ON COLUMN ingestion_job.error_message IS 'Message of that error.';

COMMENT ON COLUMN ingestion_job.error_phase IS 'What the job was doing: plan (reading headers), store (storing contents) or finalize (verifying and publishing).';

COMMENT ON COLUMN ingestion_job.granularity IS 'Which atoms the ingestion creates.';

COMMENT ON COLUMN ingestion_job.ingestion_job_id IS 'Identifier of the job.';

COMMENT ON COLUMN ingestion_job.job_status IS 'Status of the job.';

COMMENT ON COLUMN ingestion_job.lease_backend_start IS 'When that backend was started; process ids are reused.';

COMMENT ON COLUMN ingestion_job.lease_expires_at IS 'Latest time at which another worker may take over.';

COMMENT ON COLUMN ingestion_job.lease_token IS 'The worker that holds this token processes the job.';

COMMENT ON COLUMN ingestion_job.model_path IS 'File on the server that the model is read from.';

COMMENT ON COLUMN ingestion_job.new_bytes IS 'Bytes of contents that were new to the tenant.';

COMMENT ON COLUMN ingestion_job.queued_at IS 'Since when it waits for a background worker; null if it does not.';

COMMENT ON COLUMN ingestion_job.queued_role IS 'Role that started it, with whose rights the worker runs it.';

COMMENT ON COLUMN ingestion_job.safety IS 'What happens to a model that model_safety_report() does not call safe: refuse, warn (a NOTICE), ignore (it is not examined).';

COMMENT ON COLUMN ingestion_job.unlink_lo IS 'Whether the large object is removed when the model is complete and verified.';

COMMENT ON POLICY own_rows ON ingestion_job IS 'Rows of the caller''s tenants.';

COMMENT ON SEQUENCE tensor_atom_id_seq IS 'Values of tensor_atom.tensor_atom_id.';

COMMENT ON COLUMN tensor_atom.hilbert_value IS 'Index of that point along the Hilbert curve.';

COMMENT ON COLUMN tensor_atom.shape IS 'Logical order, outermost axis first (a GGUF''s dimensions are reversed); empty for a scalar.';

COMMENT ON COLUMN tensor_atom.tensor_atom_id IS 'Identifier of the tensor atom.';

COMMENT ON COLUMN tensor_atom.tensor_no IS 'Index of the tensor in the model''s files, from 0.';

COMMENT ON COLUMN tensor_atom.valid_from IS 'When the row became current; null until the model is complete.';

COMMENT ON COLUMN tensor_atom.valid_to IS 'When the row was replaced; infinity for current rows, a time in tensor_atom_history.';

COMMENT ON POLICY own_rows ON tensor_atom IS 'Rows of the caller''s tenants.';

COMMENT ON COLUMN tensor_atom_history.hilbert_value IS 'Index of that point along the Hilbert curve.';

COMMENT ON COLUMN tensor_atom_history.shape IS 'Logical order, outermost axis first (a GGUF''s dimensions are reversed); empty for a scalar.';

COMMENT ON COLUMN tensor_atom_history.tensor_atom_id IS 'Identifier of the tensor atom.';

COMMENT ON COLUMN tensor_atom_history.tensor_no IS 'Index of the tensor in the model''s files, from 0.';

COMMENT ON COLUMN tensor_atom_history.valid_from IS 'When the row became current; null until the model is complete.';

COMMENT ON COLUMN tensor_atom_history.valid_to IS 'When the row was replaced; infinity for current rows, a time in tensor_atom_history.';

COMMENT ON POLICY own_rows ON tensor_atom_history IS 'Rows of the caller''s tenants.';

COMMENT ON FUNCTION atomizer_internal.keep_tensor_atom_history() IS 'Trigger function: copies the old row of a tensor atom to tensor_atom_history.';

REVOKE ALL ON FUNCTION atomizer_internal.keep_tensor_atom_history() FROM PUBLIC;

COMMENT ON TRIGGER keep_history ON tensor_atom IS 'Keeps old rows in tensor_atom_history.';

COMMENT ON COLUMN atom.kind IS 'Kind of content. Part of the key: a tensor of four bytes may look like a weight.';

COMMENT ON COLUMN atom.reference_count IS 'Tensors or files that refer to it; for a weight, its occurrences in all complete models that have weight atoms of its data type.';

COMMENT ON COLUMN tensor_segment.part_no IS 'Index of the row in the encoded segment, from 0.';

COMMENT ON COLUMN tensor_segment.segment_no IS 'Index of the segment in the content, from 0.';

COMMENT ON COLUMN atom_embedding.data_type IS 'Data type that its weights are read as.';

COMMENT ON COLUMN atom_embedding.hilbert_value IS 'Index along the Hilbert curve: compute_hilbert_value(spatial_key).';

COMMENT ON COLUMN svd_component.compression_ratio IS 'Bytes of the tensor in its data type, divided by those of the three components.';

COMMENT ON COLUMN svd_component.data_type IS 'Data type that its weights are read as.';

COMMENT ON COLUMN svd_component.rank IS 'Number of singular values kept: the rank requested, or all there are.';

COMMENT ON COLUMN svd_component.relative_error IS 'Frobenius norm of the difference, relative to that of the tensor.';

COMMENT ON TABLE spectral_measure IS 'Measures of tensors from their singular values, by analyze_model(): the view layer_spectrum shows them, and says what they are.';

COMMENT ON COLUMN spectral_measure.alpha IS 'Exponent of the power law; null without a tail.';

COMMENT ON COLUMN spectral_measure.alpha_sigma IS 'Standard error of alpha.';

COMMENT ON COLUMN spectral_measure.content_hash IS 'The tensor''s content.';

COMMENT ON COLUMN spectral_measure.created_at IS 'When they were computed.';

COMMENT ON COLUMN spectral_measure.data_type IS 'Data type that its weights are read as.';

COMMENT ON COLUMN spectral_measure.effective_rank IS 'e to the entropy of the singular values'' shares of their sum.';

COMMENT ON COLUMN spectral_measure.frobenius_norm IS 'Root of the sum of squares.';

COMMENT ON COLUMN spectral_measure.ks_distance IS 'Kolmogorov-Smirnov distance between the tail and the power law.';

COMMENT ON COLUMN spectral_measure.log_alpha_norm IS 'log10 of the sum of the eigenvalues'' powers of alpha; null without a power law.';

COMMENT ON COLUMN spectral_measure.power_law_xmin IS 'The least eigenvalue of the tail.';

COMMENT ON COLUMN spectral_measure.rank_loss IS 'Singular values that are zero but for rounding.';

COMMENT ON COLUMN spectral_measure.row_count IS 'Rows of the matrix: the tensor''s first extent.';

COMMENT ON COLUMN spectral_measure.spectral_norm IS 'The largest singular value.';

COMMENT ON COLUMN spectral_measure.stable_rank IS '(frobenius_norm / spectral_norm)^2.';

COMMENT ON COLUMN spectral_measure.tail IS 'Number of eigenvalues in the tail.';

COMMENT ON FUNCTION atomizer_internal.may_act_for(oid,bigint) IS 'Whether a role acts for a tenant: as its member, with a member''s privileges, or as a superuser.';

REVOKE ALL ON FUNCTION atomizer_internal.may_act_for(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.tenant_of(oid,text) IS 'The tenant a role means: the one it names, else its only one; superusers use ''default'', created when first needed.';

REVOKE ALL ON FUNCTION atomizer_internal.tenant_of(oid,text) FROM PUBLIC;

COMMENT ON FUNCTION create_tenant(text,bigint) IS 'Creates a tenant and returns its number; atom_quota is the most weights that each of its ingestion jobs may process (null: unlimited). For administrators.';

REVOKE ALL ON FUNCTION create_tenant(text,bigint) FROM PUBLIC;

COMMENT ON FUNCTION add_tenant_member(text,name) IS 'Lets a role, and every role that has its privileges, act for a tenant. For administrators.';

REVOKE ALL ON FUNCTION add_tenant_member(text,name) FROM PUBLIC;

COMMENT ON FUNCTION remove_tenant_member(text,name) IS 'Ends a role''s membership of a tenant; false if there was none. A role that was dropped is named by the number that tenant_member shows. For administrators.';

REVOKE ALL ON FUNCTION remove_tenant_member(text,name) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.require_model(oid,bigint) IS 'Locks a model that a role acts for, or raises an error.';

REVOKE ALL ON FUNCTION atomizer_internal.require_model(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.check_model_name(text) IS 'Raises an error for a name that no model may have.';

REVOKE ALL ON FUNCTION atomizer_internal.check_model_name(text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.register_model(oid,text,text,text,text,jsonb) IS 'Implements register_model().';

REVOKE ALL ON FUNCTION atomizer_internal.register_model(oid,text,text,text,text,jsonb) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.update_model(oid,bigint,text,text,text,jsonb) IS 'Implements update_model().';

REVOKE ALL ON FUNCTION atomizer_internal.update_model(oid,bigint,text,text,text,jsonb) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.forget_contents(bigint) IS 'Deletes a model''s tensor atoms and files, and subtracts their references; returns the number of tensors.';

REVOKE ALL ON FUNCTION atomizer_internal.forget_contents(bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.drop_model(oid,bigint) IS 'Implements drop_model().';

REVOKE ALL ON FUNCTION atomizer_internal.drop_model(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.lease_duration() IS 'How long a worker that is not known to be dead keeps its job without renewing its lease. Planning or finalizing a very large model must take less.';

REVOKE ALL ON FUNCTION atomizer_internal.lease_duration() FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.is_held(ingestion_job) IS 'Whether a living worker holds the job''s lease.';

REVOKE ALL ON FUNCTION atomizer_internal.is_held(ingestion_job) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.require_job(oid,bigint) IS 'Locks a job that a role acts for, or raises an error.';

REVOKE ALL ON FUNCTION atomizer_internal.require_job(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.allowed_quota(bigint,bigint) IS 'The quota of a job: the one requested, else the tenant''s; an error if it is above the tenant''s.';

REVOKE ALL ON FUNCTION atomizer_internal.allowed_quota(bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.create_ingestion_job(oid,bigint,text,oid,text,text,bigint,bigint,text) IS 'Implements create_ingestion_job().';

REVOKE ALL ON FUNCTION atomizer_internal.create_ingestion_job(oid,bigint,text,oid,text,text,bigint,bigint,text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.claim_ingestion_job(oid,bigint) IS 'Gives the lease on a job to this backend, or raises an error if a living one holds it; null if the job is complete.';

REVOKE ALL ON FUNCTION atomizer_internal.claim_ingestion_job(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.release_ingestion_job(oid,bigint,uuid,text,text,text,text,text) IS 'Ends work on a job before it is complete, and keeps the error that ended it.';

REVOKE ALL ON FUNCTION atomizer_internal.release_ingestion_job(oid,bigint,uuid,text,text,text,text,text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.cancel_ingestion_job(oid,bigint) IS 'Implements cancel_ingestion_job().';

REVOKE ALL ON FUNCTION atomizer_internal.cancel_ingestion_job(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.reset_ingestion_job(oid,bigint) IS 'Implements reset_ingestion_job().';

REVOKE ALL ON FUNCTION atomizer_internal.reset_ingestion_job(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.set_atom_quota(oid,bigint,bigint) IS 'Implements set_atom_quota().';

REVOKE ALL ON FUNCTION atomizer_internal.set_atom_quota(oid,bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(oid,text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) IS 'Finds the job of the tenant''s incomplete model with this name and source, or creates one, for a registered model too.';

REVOKE ALL ON FUNCTION atomizer_internal.prepare_ingestion(oid,text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.plan_line(bigint) IS 'Notice of atomize_model_governed(): what the headers of the files say.';

GRANT EXECUTE ON FUNCTION atomizer_internal.plan_line(bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.completion_line(bigint,interval) IS 'Notice of atomize_model_governed(): completion.';

GRANT EXECUTE ON FUNCTION atomizer_internal.completion_line(bigint,interval) TO PUBLIC;

COMMENT ON FUNCTION extract_model_weights(bytea,text,oid,text,regmodel,text,boolean) IS 'Tensors of a model file with their raw bytes as they are in the file (weight_data), which dequantize() turns into weights. layers: a pattern of LIKE for the names; the bytes of others are not read. strict: an error when something in the file is not among its tensors.';

GRANT EXECUTE ON FUNCTION extract_model_weights(bytea,text,oid,text,regmodel,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,regmodel,text,boolean) IS 'chunk_size weights of a model file from "offset" (counted in weights, from 0), in the order of its tensors, each with its atom''s content and SHA-256. layers: a pattern of LIKE for the names; only weights of these tensors are counted. strict: an error when something in the file is not among its tensors.';

GRANT EXECUTE ON FUNCTION stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,regmodel,text,boolean) TO PUBLIC;

COMMENT ON FUNCTION model_pickle_report(bytea,oid,text,regmodel) IS 'model_safety_report() in the columns that it had under this name: what pickles import is global, everything else stands in why.';

GRANT EXECUTE ON FUNCTION model_pickle_report(bytea,oid,text,regmodel) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.queue_ingestion_job(oid,bigint) IS 'Puts a job in the queue of the background workers, for a role to run, and returns its source.';

REVOKE ALL ON FUNCTION atomizer_internal.queue_ingestion_job(oid,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.may_work(oid) IS 'Whether a background worker may run jobs of a role: whether it may log in here.';

REVOKE ALL ON FUNCTION atomizer_internal.may_work(oid) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.hand_on_queued_job(bigint) IS 'Puts a job that a worker is started for behind the others: one whose worker cannot begin does not keep them waiting.';

REVOKE ALL ON FUNCTION atomizer_internal.hand_on_queued_job(bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.next_queued_jobs(integer) IS 'The jobs that wait for a background worker, oldest first, each with the role that runs it.';

REVOKE ALL ON FUNCTION atomizer_internal.next_queued_jobs(integer) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.give_up_ingestion_job(bigint,text,text) IS 'Gives back a job that the procedure itself has not given back before its background worker ends, and keeps the error.';

REVOKE ALL ON FUNCTION atomizer_internal.give_up_ingestion_job(bigint,text,text) FROM PUBLIC;

COMMENT ON FUNCTION start_ingestion(text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) IS 'Does what ingest_model() does in a background worker, with the caller''s rights, and returns the job''s number at once. At most atomizer.max_workers run at a time, further jobs wait; progress shows both. Example: SELECT start_ingestion(''name'', model_path => ''/models/x.gguf'').';

GRANT EXECUTE ON FUNCTION start_ingestion(text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text) TO PUBLIC;

COMMENT ON FUNCTION tensor_weights(regmodel,text,bigint,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_weights(regmodel,text,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_weights_float8(regmodel,text,bigint,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_weights_float8(regmodel,text,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_weight(regmodel,text,bigint,bigint,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_weight(regmodel,text,bigint,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_bytes(regmodel,text,bigint,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_bytes(regmodel,text,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_float32_bytes(regmodel,text,bigint,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_float32_bytes(regmodel,text,bigint,bigint) TO PUBLIC;

COMMENT ON FUNCTION tensor_coefficients(regmodel,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_coefficients(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION tensor_stats(regmodel,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_stats(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION tensor_histogram(regmodel,text,double precision,double precision,double precision) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_histogram(regmodel,text,double precision,double precision,double precision) TO PUBLIC;

COMMENT ON FUNCTION read_model_file(regmodel,integer) IS 'The bytes of a file of a stored model in order, in pieces of 4 to 8 MiB (the last may be smaller), as the client asks for them. It writes nothing, so a standby serves it. After the last piece it fails unless the whole has the recorded SHA-256. Example: SELECT bytes FROM read_model_file(''smollm2'').';

GRANT EXECUTE ON FUNCTION read_model_file(regmodel,integer) TO PUBLIC;

COMMENT ON FUNCTION dequantize(bytea,tensor_dtype) IS 'Weights of a tensor''s raw bytes as real[], bit for bit as gguf-py decodes them. Example: SELECT dequantize(weight_data, ''Q4_K'').';

GRANT EXECUTE ON FUNCTION dequantize(bytea,tensor_dtype) TO PUBLIC;

COMMENT ON FUNCTION dequantize(bytea,text) IS 'The same with the name of the type as text, in any case.';

GRANT EXECUTE ON FUNCTION dequantize(bytea,text) TO PUBLIC;

COMMENT ON FUNCTION dequantize_bytes(bytea,tensor_dtype) IS 'As dequantize(), with the weights as little-endian 32-bit floats in one bytea, as numpy.frombuffer reads them.';

GRANT EXECUTE ON FUNCTION dequantize_bytes(bytea,tensor_dtype) TO PUBLIC;

COMMENT ON FUNCTION dequantize_bytes(bytea,text) IS 'The same with the name of the type as text, in any case.';

GRANT EXECUTE ON FUNCTION dequantize_bytes(bytea,text) TO PUBLIC;

COMMENT ON FUNCTION quantize(real[],tensor_dtype) IS 'Weights in blocks of a smaller type, as ggml''s reference code quantizes them; quantization_types() lists the types it supports.';

GRANT EXECUTE ON FUNCTION quantize(real[],tensor_dtype) TO PUBLIC;

COMMENT ON FUNCTION quantize(real[],text) IS 'The same with the name of the type as text, in any case.';

GRANT EXECUTE ON FUNCTION quantize(real[],text) TO PUBLIC;

COMMENT ON FUNCTION quantization_error(regmodel,text,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION quantization_error(regmodel,text,text) TO PUBLIC;

COMMENT ON FUNCTION project_to_3d(text,text,bigint) IS 'As project_to_3d(real[], …) and project_to_3d(bytea, …), of a vector that is written as text.';

GRANT EXECUTE ON FUNCTION project_to_3d(text,text,bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.place_of(bigint,bigint) IS 'The point of a tensor, or of one of its rows.';

REVOKE ALL ON FUNCTION atomizer_internal.place_of(bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.atoms_in_box(bigint[],double precision[],double precision[]) IS 'Implements atoms_in_box() with the GiST index.';

REVOKE ALL ON FUNCTION atomizer_internal.atoms_in_box(bigint[],double precision[],double precision[]) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.atoms_in_box_hilbert(bigint[],double precision[],double precision[]) IS 'Implements atoms_in_box() with the btree on Hilbert values.';

REVOKE ALL ON FUNCTION atomizer_internal.atoms_in_box_hilbert(bigint[],double precision[],double precision[]) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.nearest_rows(bigint[],double precision[],bigint) IS 'Implements nearest_atoms() for rows.';

REVOKE ALL ON FUNCTION atomizer_internal.nearest_rows(bigint[],double precision[],bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.nearest_tensors(bigint[],double precision[],bigint) IS 'Implements nearest_atoms() for tensors.';

REVOKE ALL ON FUNCTION atomizer_internal.nearest_tensors(bigint[],double precision[],bigint) FROM PUBLIC;

COMMENT ON FUNCTION nearest_atoms(regmodel,text,integer,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION nearest_atoms(regmodel,text,integer,bigint) TO PUBLIC;

COMMENT ON FUNCTION nearest_atoms(character varying,integer,text) IS 'As nearest_atoms(geometry, …), of a point that is written as text.';

GRANT EXECUTE ON FUNCTION nearest_atoms(character varying,integer,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.near_rows(bigint[],double precision[],bigint,bigint,bigint) IS 'Candidates of similar_rows() from the GiST index.';

REVOKE ALL ON FUNCTION atomizer_internal.near_rows(bigint[],double precision[],bigint,bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION atomizer_internal.near_rows_hilbert(bigint[],bigint,bigint,bigint,bigint) IS 'Candidates of similar_rows() from the btree on Hilbert values: half before the row, half after it.';

REVOKE ALL ON FUNCTION atomizer_internal.near_rows_hilbert(bigint[],bigint,bigint,bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION similar_rows(regmodel,text,bigint,integer,integer,text,text,bigint) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION similar_rows(regmodel,text,bigint,integer,integer,text,text,bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.near_tensors(bigint[],double precision[],bigint,bigint) IS 'Candidates of similar_tensors().';

REVOKE ALL ON FUNCTION atomizer_internal.near_tensors(bigint[],double precision[],bigint,bigint) FROM PUBLIC;

COMMENT ON FUNCTION similar_tensors(regmodel,text,integer,integer,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION similar_tensors(regmodel,text,integer,integer,text) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.atom_tile(bigint[],integer,integer,integer) IS 'Implements atom_tiles().';

REVOKE ALL ON FUNCTION atomizer_internal.atom_tile(bigint[],integer,integer,integer) FROM PUBLIC;

COMMENT ON FUNCTION build_spatial_indexes() IS 'Builds the spatial indexes that are missing, and returns them: needed after the first load, and after a restore, which does not bring them back. For administrators.';

COMMENT ON FUNCTION rebuild_spatial_indexes() IS 'Drops the spatial indexes and builds them again. For administrators.';

COMMENT ON FUNCTION svd_decompose(text,integer,integer,integer) IS 'As svd_decompose(real[], …), of an array that is written as text.';

GRANT EXECUTE ON FUNCTION svd_decompose(text,integer,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION reconstruct_from_svd(text,text,text,integer,integer) IS 'As reconstruct_from_svd(real[], …), of arrays that are written as text.';

GRANT EXECUTE ON FUNCTION reconstruct_from_svd(text,text,text,integer,integer) TO PUBLIC;

COMMENT ON FUNCTION reconstruct_tensor(regmodel,text,integer) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION reconstruct_tensor(regmodel,text,integer) TO PUBLIC;

COMMENT ON FUNCTION svd_spectrum(regmodel,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION svd_spectrum(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION tensor_spectral_measures(regmodel,text) IS 'The same of a tensor by the names of its model and its layer.';

GRANT EXECUTE ON FUNCTION tensor_spectral_measures(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION extract_lora(regmodel,regmodel,text,integer) IS 'The same of the tensor of one name in two models.';

GRANT EXECUTE ON FUNCTION extract_lora(regmodel,regmodel,text,integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.compress_summary(jsonb,jsonb) IS 'What the steps of compress_model() have done so far, and one more.';

GRANT EXECUTE ON FUNCTION atomizer_internal.compress_summary(jsonb,jsonb) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.compress_end_line(bigint,bigint,jsonb) IS 'Notice of compress_model(): completion.';

GRANT EXECUTE ON FUNCTION atomizer_internal.compress_end_line(bigint,bigint,jsonb) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.compress_warning(jsonb) IS 'Warning of compress_model(): decompositions that stand in badly for their tensors; null when there are none.';

GRANT EXECUTE ON FUNCTION atomizer_internal.compress_warning(jsonb) TO PUBLIC;

COMMENT ON FUNCTION atomizer_internal.analyze_end_line(bigint,bigint,integer,integer,integer,text) IS 'Notice of analyze_model(): completion.';

GRANT EXECUTE ON FUNCTION atomizer_internal.analyze_end_line(bigint,bigint,integer,integer,integer,text) TO PUBLIC;

COMMENT ON VIEW tensor_atom_coefficient IS 'Every weight of every complete model at its position: select a tensor (WHERE tensor_atom_id = …), and only that is read.';

COMMENT ON COLUMN tensor_atom_coefficient.position_x IS 'Index along the last axis.';

COMMENT ON COLUMN tensor_atom_coefficient.position_y IS 'Index along the axis before it.';

COMMENT ON COLUMN tensor_atom_coefficient.position_z IS 'Index along all earlier axes together.';

COMMENT ON COLUMN tensor_atom_coefficient.weight_index IS 'Index of the weight in the tensor, row-major, from 0.';

COMMENT ON VIEW atomizer_internal.own_matrix IS 'Tensors of the caller that have rows and columns, for layer_spectrum.';

COMMENT ON COLUMN atomizer_internal.own_matrix.layer_idx IS 'Number of its layer.';

COMMENT ON COLUMN atomizer_internal.own_matrix.layer_name IS 'Its name.';

COMMENT ON COLUMN atomizer_internal.own_matrix.layer_type IS 'Kind of its layer.';

COMMENT ON COLUMN atomizer_internal.own_matrix.model_id IS 'Its model.';

COMMENT ON COLUMN atomizer_internal.own_matrix.model_name IS 'Name of its model.';

COMMENT ON COLUMN atomizer_internal.own_matrix.tensor_atom_id IS 'The tensor.';

COMMENT ON VIEW layer_spectrum IS 'Measures of each matrix from its singular values: those that analyze_model() stored, others computed when read. Conditions on models and layers are applied before anything is computed.';

GRANT SELECT ON TABLE layer_spectrum TO PUBLIC;

COMMENT ON COLUMN layer_spectrum.alpha IS 'Exponent of the power law that the tail of the squared singular values follows, as WeightWatcher fits it; null without a tail.';

COMMENT ON COLUMN layer_spectrum.alpha_sigma IS 'Its standard error, WeightWatcher''s sigma.';

COMMENT ON COLUMN layer_spectrum.alpha_weighted IS 'alpha * log_spectral_norm, as in WeightWatcher; null without a tail.';

COMMENT ON COLUMN layer_spectrum.cols IS 'Columns: all other axes.';

COMMENT ON COLUMN layer_spectrum.effective_rank IS 'e to the entropy of the singular values'' shares of their sum (Roy and Vetterli 2007).';

COMMENT ON COLUMN layer_spectrum.frobenius_norm IS 'Root of the sum of squares; its square is what WeightWatcher calls norm.';

COMMENT ON COLUMN layer_spectrum.ks_distance IS 'Kolmogorov-Smirnov distance between the tail and the power law, WeightWatcher''s D.';

COMMENT ON COLUMN layer_spectrum.layer_idx IS 'Number of its layer.';

COMMENT ON COLUMN layer_spectrum.layer_name IS 'Its name.';

COMMENT ON COLUMN layer_spectrum.layer_type IS 'Kind of its layer.';

COMMENT ON COLUMN layer_spectrum.log_alpha_norm IS 'log10 of the sum of the squared singular values'' powers of alpha, as in WeightWatcher; null without a tail.';

COMMENT ON COLUMN layer_spectrum.log_norm IS 'log10 of the sum of the squared singular values, as in WeightWatcher; null for a zero matrix.';

COMMENT ON COLUMN layer_spectrum.log_spectral_norm IS 'log10 of the largest squared singular value, as in WeightWatcher; null for a zero matrix.';

COMMENT ON COLUMN layer_spectrum.model_id IS 'Its model.';

COMMENT ON COLUMN layer_spectrum.model_name IS 'Name of its model.';

COMMENT ON COLUMN layer_spectrum.power_law_xmin IS 'The least squared singular value of the tail, WeightWatcher''s xmin.';

COMMENT ON COLUMN layer_spectrum.rank_loss IS 'Singular values whose square is at most 2^-52 * greatest(rows, cols) of the largest square. WeightWatcher applies that tolerance to the values themselves.';

COMMENT ON COLUMN layer_spectrum.rows IS 'Rows: the tensor''s first axis.';

COMMENT ON COLUMN layer_spectrum.spectral_norm IS 'The largest singular value; its square is what WeightWatcher calls spectral_norm.';

COMMENT ON COLUMN layer_spectrum.stable_rank IS '(frobenius_norm / spectral_norm)^2, as in WeightWatcher.';

COMMENT ON COLUMN layer_spectrum.tail IS 'Number of singular values in the tail, WeightWatcher''s num_pl_spikes.';

COMMENT ON COLUMN layer_spectrum.tensor_atom_id IS 'The tensor.';

COMMENT ON VIEW model_spectrum IS 'Means of layer_spectrum over the matrices of each of your models, as WeightWatcher sums a model up: at once after analyze_model(), computed when read before it. Select a model (WHERE model_id = …), and only that is read.';

GRANT SELECT ON TABLE model_spectrum TO PUBLIC;

COMMENT ON COLUMN model_spectrum.alpha IS 'Mean of alpha, over the matrices that have one.';

COMMENT ON COLUMN model_spectrum.alpha_weighted IS 'Mean of alpha_weighted.';

COMMENT ON COLUMN model_spectrum.layers IS 'Number of its matrices. WeightWatcher leaves out those with fewer than 8 or more than 15000 singular values, or a side above 50000.';

COMMENT ON COLUMN model_spectrum.log_alpha_norm IS 'Mean of log_alpha_norm.';

COMMENT ON COLUMN model_spectrum.log_norm IS 'Mean of log_norm.';

COMMENT ON COLUMN model_spectrum.log_spectral_norm IS 'Mean of log_spectral_norm.';

COMMENT ON COLUMN model_spectrum.model_id IS 'The model.';

COMMENT ON COLUMN model_spectrum.model_name IS 'Its name.';

COMMENT ON COLUMN model_spectrum.rank_loss IS 'Sum of rank_loss.';

COMMENT ON COLUMN model_spectrum.stable_rank IS 'Mean of stable_rank.';

COMMENT ON VIEW ingestion_progress IS 'Your ingestion jobs, how far each one is, and the error that stopped it.';

COMMENT ON COLUMN ingestion_progress.atom_quota IS 'Most weights the job may process; null: unlimited.';

COMMENT ON COLUMN ingestion_progress.elapsed IS 'Time from the first start to the end, or to the last progress.';

COMMENT ON COLUMN ingestion_progress.error_code IS 'SQLSTATE of the error that stopped the job; null once it runs again.';

COMMENT ON COLUMN ingestion_progress.error_detail IS 'Detail of that error, if it has one.';

COMMENT ON COLUMN ingestion_progress.error_file IS 'File that the message names, else the job''s path; null where neither is known.';

COMMENT ON COLUMN ingestion_progress.error_hint IS 'Hint of that error: what to do next, if it says so.';

COMMENT ON COLUMN ingestion_progress.error_message IS 'Message of that error.';

COMMENT ON COLUMN ingestion_progress.error_phase IS 'What the job was doing: plan (reading headers), store (storing contents) or finalize (verifying and publishing).';

COMMENT ON COLUMN ingestion_progress.job_status IS 'Its status.';

COMMENT ON COLUMN ingestion_progress.last_updated_at IS 'When it last made progress.';

COMMENT ON COLUMN ingestion_progress.new IS 'Size of the contents that were new to the tenant.';

COMMENT ON VIEW progress IS 'Long work that runs, and ingestion jobs that wait for a worker or were interrupted: of your tenants, and of your own sessions.';

GRANT SELECT ON TABLE progress TO PUBLIC;

COMMENT ON COLUMN progress.alive IS 'Whether a process works on it; null on a standby, for jobs of the primary server.';

COMMENT ON COLUMN progress.done IS 'How much of this phase is done.';

COMMENT ON COLUMN progress.eta IS 'When this phase will be at its end, if it goes on as it did.';

COMMENT ON COLUMN progress.hint IS 'What to do, where something is to be done.';

COMMENT ON COLUMN progress.ingestion_job_id IS 'The job, of an ingestion.';

COMMENT ON COLUMN progress.model IS 'Name of the model; null for work on the whole store.';

COMMENT ON COLUMN progress.model_id IS 'The model.';

COMMENT ON COLUMN progress.percent IS 'Share of this phase that is done.';

COMMENT ON COLUMN progress.phase IS 'What it is at; queued for jobs that wait for a worker, interrupted for jobs whose process is gone.';

COMMENT ON COLUMN progress.pid IS 'Process that does it, or did: pg_cancel_backend(pid) stops it.';

COMMENT ON COLUMN progress.rate IS 'Speed since this phase began.';

COMMENT ON COLUMN progress.started IS 'When it began, or since when it waits.';

COMMENT ON COLUMN progress.total IS 'How much there is in this phase; null where that is not known.';

COMMENT ON COLUMN progress.unit IS 'What done and total count.';

COMMENT ON COLUMN progress.what IS 'The function or procedure that does the work.';

COMMENT ON VIEW relation_storage IS 'Every table of atomizer, its indexes and what is kept out of line, with its size on disk and what is free inside. For administrators.';

COMMENT ON COLUMN relation_storage.bytes IS 'Size on disk, with the maps of free space and visibility.';

COMMENT ON COLUMN relation_storage.dead_rows IS 'Rows of a table that VACUUM will free: an estimate of the statistics.';

COMMENT ON COLUMN relation_storage.free IS 'free_bytes, readable.';

COMMENT ON COLUMN relation_storage.free_bytes IS 'What is free for new rows, as the last VACUUM found it and later ones used it.';

COMMENT ON COLUMN relation_storage.kind IS 'table, index, or toast: values kept out of line, and their index.';

COMMENT ON COLUMN relation_storage.relation_name IS 'The table, index or toast table.';

COMMENT ON COLUMN relation_storage.size IS 'bytes, readable.';

COMMENT ON COLUMN relation_storage.table_name IS 'The table.';

COMMENT ON VIEW storage_summary IS 'Number of objects in the store, and what they take: readable, then in bytes. For administrators.';

COMMENT ON COLUMN storage_summary.distinct_content_bytes IS 'distinct_content in bytes.';

COMMENT ON COLUMN storage_summary.exported_objects IS 'Number of the large objects of exports: those whose comment is "atomizer export".';

COMMENT ON COLUMN storage_summary.exports IS 'Size of the large objects that exports made and nobody has removed.';

COMMENT ON COLUMN storage_summary.exports_bytes IS 'exports in bytes.';

COMMENT ON COLUMN storage_summary.files_bytes IS 'files in bytes.';

COMMENT ON COLUMN storage_summary.free IS 'What is free inside of them for new rows, as VACUUM found it.';

COMMENT ON COLUMN storage_summary.free_bytes IS 'free in bytes.';

COMMENT ON COLUMN storage_summary.indexes IS 'Size of their indexes.';

COMMENT ON COLUMN storage_summary.indexes_bytes IS 'indexes in bytes.';

COMMENT ON COLUMN storage_summary.stored_atoms_bytes IS 'stored_atoms in bytes.';

COMMENT ON COLUMN storage_summary.stored_content_bytes IS 'stored_content in bytes.';

COMMENT ON COLUMN storage_summary.tables IS 'Size of all tables on disk: relation_storage has each.';

COMMENT ON COLUMN storage_summary.tables_bytes IS 'tables in bytes.';

COMMENT ON COLUMN storage_summary.toast IS 'Size of what is kept out of line, with its indexes.';

COMMENT ON COLUMN storage_summary.toast_bytes IS 'toast in bytes.';

COMMENT ON COLUMN storage_summary.total IS 'Tables, indexes, toast and exports.';

COMMENT ON COLUMN storage_summary.total_bytes IS 'total in bytes.';

COMMENT ON VIEW atomizer_internal.model_content IS 'Contents of every model: its tensors, and the other bytes of its files.';

COMMENT ON COLUMN atomizer_internal.model_content.byte_length IS 'Its size in bytes.';

COMMENT ON COLUMN atomizer_internal.model_content.content_hash IS 'The content.';

COMMENT ON COLUMN atomizer_internal.model_content.model_id IS 'The model.';

COMMENT ON COLUMN atomizer_internal.model_content.tenant_id IS 'The tenant.';

COMMENT ON VIEW model_storage IS 'What each of your models holds: readable, then in bytes. Sizes are of contents before they are compressed; alone and shared compare the models of one tenant.';

GRANT SELECT ON TABLE model_storage TO PUBLIC;

COMMENT ON COLUMN model_storage.alone IS 'Size of those that no other model of the tenant has: dropping the model and collect_garbage() free at most these.';

COMMENT ON COLUMN model_storage.alone_bytes IS 'alone in bytes.';

COMMENT ON COLUMN model_storage.decompositions_bytes IS 'Size of the decompositions of its tensors, which compress_model() stores beside the weights; null unless you may read svd_component, as administrators may.';

COMMENT ON COLUMN model_storage.distinct_content IS 'Size of its distinct contents.';

COMMENT ON COLUMN model_storage.distinct_content_bytes IS 'distinct_content in bytes.';

COMMENT ON COLUMN model_storage.files IS 'Size of its files.';

COMMENT ON COLUMN model_storage.files_bytes IS 'files in bytes.';

COMMENT ON COLUMN model_storage.is_complete IS 'Whether all of it is stored.';

COMMENT ON COLUMN model_storage.model_id IS 'The model.';

COMMENT ON COLUMN model_storage.model_name IS 'Its name.';

COMMENT ON COLUMN model_storage.points IS 'Number of points that its contents have in space, tensors and rows; null unless you may read atom_embedding.';

COMMENT ON COLUMN model_storage.shared IS 'Size of those that others of the tenant have too.';

COMMENT ON COLUMN model_storage.shared_bytes IS 'shared in bytes.';

COMMENT ON COLUMN model_storage.tenant_id IS 'The tenant that owns it.';

COMMENT ON VIEW tenant_storage IS 'What each of your tenants holds: readable, then in bytes. Sizes are of contents before they are compressed.';

GRANT SELECT ON TABLE tenant_storage TO PUBLIC;

COMMENT ON COLUMN tenant_storage.alone IS 'Size of those that no other tenant has; null unless you may read atom, as administrators may.';

COMMENT ON COLUMN tenant_storage.alone_bytes IS 'alone in bytes.';

COMMENT ON COLUMN tenant_storage.decompositions_bytes IS 'Size of the decompositions of their tensors; null unless you may read svd_component.';

COMMENT ON COLUMN tenant_storage.distinct_content IS 'Size of their distinct contents.';

COMMENT ON COLUMN tenant_storage.distinct_content_bytes IS 'distinct_content in bytes.';

COMMENT ON COLUMN tenant_storage.files IS 'Size of their files.';

COMMENT ON COLUMN tenant_storage.files_bytes IS 'files in bytes.';

COMMENT ON COLUMN tenant_storage.models IS 'Number of its models, complete or not.';

COMMENT ON COLUMN tenant_storage.points IS 'Number of points that their contents have in space; null unless you may read atom_embedding.';

COMMENT ON COLUMN tenant_storage.shared IS 'Size of those that others have too; null as alone.';

COMMENT ON COLUMN tenant_storage.shared_bytes IS 'shared in bytes.';

COMMENT ON COLUMN tenant_storage.tenant_id IS 'The tenant.';

COMMENT ON COLUMN tenant_storage.tenant_name IS 'Its name.';

COMMENT ON COLUMN atom_points.hilbert_value IS 'Index along the Hilbert curve.';

COMMENT ON COLUMN atom_points.point_id IS 'Identifier of the tensor atom, and for a row a slash and its index: a key.';

COMMENT ON FUNCTION atomizer_internal.spatial_end_line(bigint,text,interval) IS 'Notice of spatialize_model(): completion.';

GRANT EXECUTE ON FUNCTION atomizer_internal.spatial_end_line(bigint,text,interval) TO PUBLIC;

COMMENT ON PROCEDURE atomize_model_governed(bigint,bytea,text) IS 'Runs an ingestion job: stores its model chunk by chunk, committing each, and verifies it. Call it again after any failure to resume. model_bytes passes the file''s bytes for a job without path or large object; model_format refuses any other format.';

GRANT EXECUTE ON PROCEDURE atomize_model_governed(bigint,bytea,text) TO PUBLIC;

COMMENT ON PROCEDURE ingest_model(text,text,oid,bytea,text,text,text,bigint,bigint,text,text,jsonb,boolean,boolean,text) IS 'Registers a model, or continues one that is registered, creates its job and runs it; call it again after a failure to resume. model_path may be a folder: its files beside the weights are kept, too. granularity is auto, weight or tensor; atom_chunk_size the number of weights per commit; unlink removes the large object once the model is complete; strict refuses a file in which something is not listed as a tensor; safety says what happens to a model that model_safety_report() does not call safe: refuse, warn or ignore. Example: CALL ingest_model(''name'', model_path => ''/models/x.gguf'').';

GRANT EXECUTE ON PROCEDURE ingest_model(text,text,oid,bytea,text,text,text,bigint,bigint,text,text,jsonb,boolean,boolean,text) TO PUBLIC;

COMMENT ON PROCEDURE compress_model(regmodel,integer,double precision,bigint) IS 'Lossy, and beside the stored weights, which stay: decomposes the matrices of a model with at least min_parameters weights into svd_component, to a rank (default 64), or to the lowest rank that keeps the share target_energy of the sum of squares; only where that is smaller than the tensor. Commits each matrix: call it again to resume.';

GRANT EXECUTE ON PROCEDURE compress_model(regmodel,integer,double precision,bigint) TO PUBLIC;

COMMENT ON PROCEDURE analyze_model(regmodel,bigint) IS 'Measures the matrices of a model with at least min_parameters weights by their singular values, and stores what it finds: the views layer_spectrum and model_spectrum then answer at once. Commits as it goes: call it again to resume.';

GRANT EXECUTE ON PROCEDURE analyze_model(regmodel,bigint) TO PUBLIC;

COMMENT ON PROCEDURE spatialize_model(regmodel,text) IS 'Gives a model''s tensors (granularity tensor) or the rows of its matrices (row) their points in space, each content once, committing as it goes. Call it again after any failure to resume.';

GRANT EXECUTE ON PROCEDURE spatialize_model(regmodel,text) TO PUBLIC;

COMMENT ON FUNCTION collect_garbage() IS 'Deletes contents that no model refers to, with their points, decompositions and measures, and returns the number of atoms, segments and bytes removed. VACUUM then makes the space usable for new rows; files shrink by VACUUM FULL. For administrators.';

COMMENT ON FUNCTION check_integrity() IS 'Checks every invariant by reading the whole store, and returns the violations: no row when all is well. For administrators.';

-- Rights are an allow-list: what everybody may do is granted beside each object, and the schema here. Postgres
-- itself gives PUBLIC every new function and type, and an administrator's default privileges (ALTER DEFAULT
-- PRIVILEGES) may give PUBLIC or others any new object: what nobody granted here is taken back. What is not
-- PUBLIC's is for administrators: the superuser, and whom they grant it to.

GRANT USAGE ON SCHEMA atomizer TO PUBLIC;

DO $$
DECLARE
    object record;
    grantee text;
    -- What an upgrade found: the grants on it are the administrators'.
    old_objects text[] := pg_catalog.string_to_array(pg_catalog.current_setting('atomizer_upgrade.objects', true), ' ');
BEGIN
    FOR object IN
        SELECT m.kind, m.name, m.owner, m.acl,
               -- Whoever grants in the script of an extension leaves a note here; default privileges don't.
               EXISTS (SELECT FROM pg_catalog.pg_init_privs i
                       WHERE i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = 0) AS is_granted
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'atomizer'
        JOIN (SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'ROUTINE', p.oid::pg_catalog.regprocedure::text, p.proowner, p.proacl
              FROM pg_catalog.pg_proc p
              UNION ALL
              SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 'TYPE', t.oid::pg_catalog.regtype::text, t.typowner, t.typacl
              FROM pg_catalog.pg_type t
              UNION ALL
              SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                     c.oid::pg_catalog.regclass::text, c.relowner, c.relacl
              FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'v', 'S')
              UNION ALL
              SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, 'SCHEMA', n.nspname::text, n.nspowner, n.nspacl
              FROM pg_catalog.pg_namespace n) AS m(classid, objid, kind, name, owner, acl)
          ON m.classid = d.classid AND m.objid = d.objid
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
          AND (d.classid::pg_catalog.text || ':' || d.objid::pg_catalog.text = ANY (old_objects)) IS NOT TRUE
    LOOP
        IF object.acl IS NULL AND object.kind IN ('TABLE', 'SEQUENCE') THEN
            CONTINUE;  -- nobody else's
        ELSIF NOT object.is_granted THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM PUBLIC', object.kind, object.name);
        ELSIF object.kind = 'TABLE' THEN
            -- To read is all that is granted of any.
            EXECUTE pg_catalog.format('REVOKE ALL ON TABLE %s FROM PUBLIC', object.name);
            EXECUTE pg_catalog.format('GRANT SELECT ON TABLE %s TO PUBLIC', object.name);
        ELSIF object.kind = 'SCHEMA' THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %s FROM PUBLIC', object.name);
            EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %s TO PUBLIC', object.name);
        END IF;
        FOR grantee IN
            SELECT DISTINCT a.grantee::pg_catalog.regrole::text FROM pg_catalog.aclexplode(object.acl) a
            WHERE a.grantee <> 0 AND a.grantee <> object.owner
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name, grantee);
        END LOOP;
    END LOOP;
END $$;
