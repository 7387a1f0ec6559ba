-- Tenants: each sees and changes its own models only, learns nothing of others, and gains no right it has not got.
-- needs: silero-vad-16k.safetensors fracast-int8.safetensors
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\set silero :models '/silero-vad-16k.safetensors'
\set fracast :models '/fracast-int8.safetensors'
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
CREATE ROLE regress_team;
CREATE ROLE regress_carol IN ROLE regress_team;
CREATE ROLE regress_nobody;
SELECT create_tenant('acme') AS acme, create_tenant('bolt', 1000000) AS bolt \gset
SELECT add_tenant_member('acme', 'regress_ann'), add_tenant_member('bolt', 'regress_bob'), add_tenant_member('bolt', 'regress_bob');
SELECT add_tenant_member('acme', 'regress_team'), add_tenant_member('bolt', 'regress_team');
TABLE tenant_member ORDER BY 1, 2;

-- Which tables and views one may read at all: those with row-level security, and views of one's own rows.
SELECT relname, relkind, relrowsecurity AS row_security, has_table_privilege('regress_ann', c.oid, 'SELECT') AS may_read,
       has_table_privilege('regress_ann', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
           OR has_any_column_privilege('regress_ann', c.oid, 'INSERT, UPDATE') AS may_change
FROM pg_class c WHERE relnamespace = 'atomizer'::regnamespace AND relkind IN ('r', 'v') ORDER BY relkind, relname COLLATE "C";
SELECT relname, has_sequence_privilege('regress_ann', c.oid, 'USAGE, SELECT, UPDATE') AS may_use
FROM pg_class c WHERE relnamespace = 'atomizer'::regnamespace AND relkind = 'S' ORDER BY relname COLLATE "C";

-- Two tenants ingest models of one name and partly the same content.
SET ROLE regress_ann;
SELECT register_model('ann''s unfinished') AS ann_open \gset
SELECT create_ingestion_job(:ann_open) AS ann_open_job \gset
CALL ingest_model('m', model_bytes => test.weights_file(1, 2, 3, 4), granularity => 'weight');
SET ROLE regress_bob;
CALL ingest_model('m', model_bytes => test.weights_file(1, 2, 3, 4), granularity => 'weight');
CALL ingest_model('n', model_bytes => test.weights_file(5, 6), granularity => 'weight');
SELECT model_name FROM model ORDER BY 1;
SELECT tenant_name FROM tenant;
SELECT * FROM tenant_member ORDER BY 1, 2;
SELECT model_name, job_status FROM ingestion_progress ORDER BY 1;
SELECT m.model_name, t.layer_name, t.weight_count FROM tensor_atom t JOIN model m USING (model_id) ORDER BY 1;
SELECT model_id = ANY (SELECT model_id FROM model) AS own, file_name FROM model_file;
SELECT weight FROM tensor_atom_coefficient ORDER BY 1;
SELECT tenant_id = :bolt AS own, reference_count FROM tenant_atom;
SELECT count(*) FROM tensor_atom_history;
SELECT my_tenant_ids() = ARRAY[:bolt::bigint] AS own;
SELECT drop_model(model_id) FROM model WHERE model_name = 'n';
SELECT count(*) FROM tensor_atom_history;
SET ROLE regress_ann;
SELECT count(*) FROM tensor_atom_history;
SELECT (SELECT count(*) FROM tensor_atom WHERE tenant_id <> :acme) + (SELECT count(*) FROM model WHERE tenant_id <> :acme)
     + (SELECT count(*) FROM ingestion_job WHERE tenant_id <> :acme) + (SELECT count(*) FROM tenant WHERE tenant_id <> :acme) AS others;
SET ROLE regress_nobody;
SELECT (SELECT count(*) FROM tensor_atom) + (SELECT count(*) FROM model) + (SELECT count(*) FROM model_file) + (SELECT count(*) FROM ingestion_job)
     + (SELECT count(*) FROM tenant) + (SELECT count(*) FROM tenant_member) + (SELECT count(*) FROM tensor_atom_history)
     + (SELECT count(*) FROM tensor_atom_coefficient) + (SELECT count(*) FROM ingestion_progress) + (SELECT count(*) FROM tenant_atom) AS all_rows;
SELECT test.error('SELECT atomizer.register_model(''x'')');

-- Atoms and segments are nobody's: a hash must not tell what others hold.
SET ROLE regress_ann;
SELECT test.error('SELECT FROM atomizer.atom');
SELECT test.error('SELECT FROM atomizer.tensor_segment');
SELECT test.error('SELECT FROM atomizer.atom_embedding');
SELECT test.error('SELECT FROM atomizer.svd_component');
SELECT test.error('SELECT FROM atomizer.storage_summary');
SELECT test.error('UPDATE atomizer.model SET tenant_id = 1');
SELECT test.error('INSERT INTO atomizer.tenant_member VALUES (1, current_user::regrole)');
SELECT test.error('DELETE FROM atomizer.model');
SELECT test.error('SELECT atomizer.add_tenant_member(''bolt'', ''regress_ann'')');
SELECT test.error('SELECT atomizer.create_tenant(''mine'')');
SELECT test.error('SELECT atomizer.collect_garbage()');
SELECT test.error('SELECT atomizer.check_integrity()');
SELECT test.error('SELECT atomizer_internal.stored_sha256(''\x00'', 1)');
SELECT test.error('SELECT atomizer_internal.drop_model(10::oid, 1)');

-- Another tenant's model, tensor or job gives the same error as one that does not exist.
RESET ROLE;
SELECT model_id AS model, tensor_atom_id AS tensor, ingestion_job_id AS job
FROM model JOIN tensor_atom USING (model_id) JOIN ingestion_job USING (model_id) WHERE model_name = 'm' AND model.tenant_id = :bolt \gset
SET ROLE regress_ann;
CREATE FUNCTION pg_temp.same_error(statement text, number bigint) RETURNS TABLE (error text, same boolean) LANGUAGE sql AS $$
    SELECT theirs, theirs = missing
    FROM (SELECT regexp_replace(test.error(format(statement, number)), '([( ])' || number || '\M', '\1N', 'g') AS theirs,
                 replace(test.error(format(statement, 987654321)), '987654321', 'N') AS missing) x $$;
SELECT s AS statement, e.* FROM unnest(ARRAY['list_tensors(model => %s)', 'model_metadata(model => %s)', 'extract_model_weights(model => %s)',
        'stream_atomic_weights_chunked(model => %s)', 'verify_model(%s)', 'read_model_file(%s)', 'export_model_file(%s)', 'drop_model(%s)', 'create_ingestion_job(%s)',
        'update_model(%s, ''x'')']) s,
    pg_temp.same_error('SELECT atomizer.' || s, :model) e;
SELECT s AS statement, e.* FROM unnest(ARRAY['tensor_weights(%s)', 'tensor_weights_float8(%s)', 'tensor_weight(%s, 0)', 'tensor_coefficients(%s)',
        'tensor_stats(%s)', 'tensor_histogram(%s)', 'tensor_bytes(%s)', 'tensor_float32_bytes(%s)']) s, pg_temp.same_error('SELECT atomizer.' || s, :tensor) e;
SELECT s AS statement, e.* FROM unnest(ARRAY['cancel_ingestion_job(%s)', 'reset_ingestion_job(%s)', 'set_atom_quota(%s, 1)', 'atomizer_internal.claim_ingestion_job(%s)']) s,
    pg_temp.same_error('SELECT ' || s, :job) e;
SELECT * FROM pg_temp.same_error('SELECT atomizer_internal.ingestion_step(%s, gen_random_uuid())', :job);
SELECT atomizer_internal.release_ingestion_job(:job, gen_random_uuid(), 'Failed');
CALL atomize_model_governed(987654321);
-- Even a stolen token is of no use to one who does not act for the tenant.
SET ROLE regress_bob;
SELECT create_ingestion_job(register_model('stolen')) AS stolen \gset
SELECT atomizer_internal.claim_ingestion_job(:stolen) AS token \gset
SET ROLE regress_ann;
SELECT * FROM pg_temp.same_error(format('SELECT atomizer_internal.ingestion_step(%%s, %L, test.weights_file(1))', :'token'), :stolen);
SELECT atomizer_internal.release_ingestion_job(:stolen, :'token', 'Failed');
SET ROLE regress_bob;
SELECT job_status FROM ingestion_job WHERE ingestion_job_id = :stolen;
SELECT atomizer_internal.release_ingestion_job(:stolen, :'token', 'Pending');
SELECT drop_model(model_id) FROM model WHERE model_name = 'stolen';
SET ROLE regress_ann;
SELECT test.error('SELECT atomizer.register_model(''x'', ''bolt'')');
SELECT test.error('SELECT atomizer.register_model(''x'', ''no such tenant'')');
SELECT model_name FROM model ORDER BY 1;
-- Bob's model is as it was.
SET ROLE regress_bob;
SELECT is_identical FROM verify_model(:model);
SELECT job_status, atom_quota FROM ingestion_job WHERE ingestion_job_id = :job;

-- One who acts for two tenants says for which.
SET ROLE regress_carol;
SELECT test.error('SELECT atomizer.register_model(''c'')');
SELECT register_model('c', 'acme') AS c \gset
SELECT tenant_name, model_name FROM model JOIN tenant USING (tenant_id) ORDER BY 1, 2;
CALL ingest_model('c2', model_bytes => test.weights_file(1), tenant => 'bolt');
SELECT tenant_name, is_complete FROM model JOIN tenant USING (tenant_id) WHERE model_name = 'c2';
RESET ROLE;

-- An administrator who ingests a model does not take over the unfinished one of that name of some tenant.
CALL ingest_model('ann''s unfinished', model_bytes => test.weights_file(1));
SELECT tenant_name, model_name, is_complete FROM model JOIN tenant USING (tenant_id) WHERE model_name LIKE 'ann%' ORDER BY 1;

-- Server files: only for members of pg_read_server_files and pg_write_server_files.
SET ROLE regress_ann;
SELECT test.error(format('SELECT atomizer.detect_model_format(model_path => %L)', :'silero'));
SELECT test.error(format('SELECT atomizer.list_tensors(model_path => %L)', :'silero'));
SELECT test.error('SELECT atomizer.list_tensors(model_path => ''/no/such/file'')');
-- The right is looked at when the job is made, and again at each step.
RESET ROLE;
GRANT pg_read_server_files TO regress_ann;
SET ROLE regress_ann;
SELECT create_ingestion_job(register_model('file'), :'silero') AS file_job \gset
RESET ROLE;
REVOKE pg_read_server_files FROM regress_ann;
SET ROLE regress_ann;
SELECT test.error(format('CALL atomizer.ingest_model(''file2'', %L)', :'silero'));
SELECT atomizer_internal.claim_ingestion_job(:file_job) AS token \gset
SELECT test.error(format('SELECT atomizer_internal.ingestion_step(%s, %L)', :file_job, :'token'));
SELECT atomizer_internal.release_ingestion_job(:file_job, :'token', 'Failed');
SELECT test.error(format('SELECT atomizer.export_model_file(model_id, ''/tmp/x'') FROM atomizer.model WHERE model_name = ''m'''));
RESET ROLE;
GRANT pg_read_server_files TO regress_ann;
SET ROLE regress_ann;
CALL atomize_model_governed(:file_job);
SELECT job_status FROM ingestion_job WHERE ingestion_job_id = :file_job;
RESET ROLE;
-- Large objects: with the caller's own rights.
SELECT lo_from_bytea(987654, test.weights_file(1, 2));
SET ROLE regress_ann;
SELECT test.error('SELECT atomizer.list_tensors(model_lo => 987654)');
RESET ROLE;
GRANT SELECT ON LARGE OBJECT 987654 TO regress_ann;
SET ROLE regress_ann;
SELECT layer_name FROM list_tensors(model_lo => 987654);
CALL ingest_model('lo', model_lo => 987654);
-- An export is the caller's own large object.
SELECT export_model_file(model_id) AS lo FROM model WHERE model_name = 'lo' \gset
SELECT lo_get(:lo) = test.weights_file(1, 2) AS identical, lo_unlink(:lo) AS unlinked;
RESET ROLE;
SELECT lo_unlink(987654);

-- A tenant's quota is the default of its jobs and their limit.
SET ROLE regress_bob;
SELECT create_ingestion_job(register_model('q')) AS job \gset
SELECT atom_quota FROM ingestion_job WHERE ingestion_job_id = :job;
SELECT test.error(format('SELECT atomizer.set_atom_quota(%s, 1000001)', :job));
SELECT set_atom_quota(:job, 10);
SELECT set_atom_quota(:job, NULL);
SELECT atom_quota FROM ingestion_job WHERE ingestion_job_id = :job;
SELECT test.error('SELECT atomizer.create_ingestion_job(atomizer.register_model(''q2''), atom_quota => 1000001)');
RESET ROLE;
UPDATE tenant SET atom_quota = 2 WHERE tenant_name = 'bolt';
SET ROLE regress_bob;
\set VERBOSITY sqlstate
CALL ingest_model('q3', model_bytes => test.weights_file(1, 2, 3));
\set VERBOSITY default
SELECT job_status, total_atoms_processed, atom_quota, error_code FROM ingestion_job JOIN model USING (model_id) WHERE model_name = 'q3';
RESET ROLE;

-- A hostile search_path: Bob's own functions and operators, in front of Postgres' or in public, are never run with anyone else's rights.
SELECT drop_model(model_id) FROM model WHERE tenant_id = :bolt AND model_name <> 'm';
UPDATE tenant SET atom_quota = NULL;
SELECT test.weights_file(1) AS one, test.weights_file(1, 2) AS two \gset
SET client_min_messages = error;
CREATE SCHEMA regress_evil AUTHORIZATION regress_bob;
GRANT CREATE ON SCHEMA public TO regress_bob;
GRANT USAGE ON SCHEMA regress_evil TO PUBLIC;
CREATE TABLE regress_evil.run (name text, run_as name);
GRANT INSERT, SELECT ON regress_evil.run TO PUBLIC;
SET ROLE regress_bob;
DO $$
DECLARE
    place text;
    f text;
    arg text;
BEGIN
    FOREACH place IN ARRAY ARRAY['regress_evil', 'public'] LOOP
        -- Functions that the extension's own use; in public, with the very types of the arguments where Postgres' have "any".
        FOREACH f IN ARRAY ARRAY[
            'format(text, bigint) RETURNS text', 'format(text, text) RETURNS text', 'format(text, name) RETURNS text', 'format(text, bigint, bigint) RETURNS text',
            'format(text, text, text) RETURNS text', 'format(text, bigint, text) RETURNS text', 'now() RETURNS timestamptz', 'clock_timestamp() RETURNS timestamptz',
            'sha256(bytea) RETURNS bytea', 'length(bytea) RETURNS int', 'pg_backend_pid() RETURNS int', 'gen_random_uuid() RETURNS uuid',
            'pg_has_role(name, oid, text) RETURNS boolean', 'lower(text) RETURNS text', 'encode(bytea, text) RETURNS text', 'decode(text, text) RETURNS bytea',
            'hashtextextended(text, int) RETURNS bigint', 'pg_advisory_xact_lock(bigint) RETURNS void', 'array_agg(bigint) RETURNS bigint[]',
            'pg_size_pretty(bigint) RETURNS text', 'ceil(numeric) RETURNS numeric', 'round(numeric, int) RETURNS numeric', 'date_trunc(text, interval) RETURNS interval',
            'my_tenant_ids() RETURNS bigint[]', 'atomizer_internal.may_act_for(name, bigint) RETURNS boolean', 'count(text) RETURNS bigint'] LOOP
            EXECUTE pg_catalog.format('CREATE FUNCTION %s.%s LANGUAGE plpgsql AS %L', place, f,
                           pg_catalog.format('BEGIN INSERT INTO regress_evil.run VALUES (%L, current_user); RETURN%s; END', f, CASE WHEN f LIKE '%void' THEN '' ELSE ' NULL' END));
        END LOOP;
        FOREACH arg IN ARRAY ARRAY['bigint', 'int', 'text', 'name', 'bytea', 'timestamptz', 'boolean', 'atomizer.job_status', 'atomizer.atom_kind', 'uuid', 'oid'] LOOP
            f := pg_catalog.format('is_equal(%s, %s)', arg, arg);
            EXECUTE pg_catalog.format('CREATE FUNCTION %s.%s RETURNS boolean LANGUAGE plpgsql AS %L', place, f,
                           pg_catalog.format('BEGIN INSERT INTO regress_evil.run VALUES (%L, current_user); RETURN true; END', f));
            EXECUTE pg_catalog.format('CREATE OPERATOR %s.= (FUNCTION = %s.is_equal, LEFTARG = %s, RIGHTARG = %s)', place, place, arg, arg);
            EXECUTE pg_catalog.format('CREATE OPERATOR %s.> (FUNCTION = %s.is_equal, LEFTARG = %s, RIGHTARG = %s)', place, place, arg, arg);
            EXECUTE pg_catalog.format('CREATE OPERATOR %s.<> (FUNCTION = %s.is_equal, LEFTARG = %s, RIGHTARG = %s)', place, place, arg, arg);
        END LOOP;
        EXECUTE pg_catalog.format('CREATE OPERATOR %s.= (FUNCTION = pg_catalog.nameeqtext, LEFTARG = name, RIGHTARG = text)', place);
        EXECUTE pg_catalog.format('CREATE TABLE %s.pg_roles AS SELECT ''regress_bob''::name AS rolname, true AS rolsuper, 1::oid AS oid', place);
        EXECUTE pg_catalog.format('CREATE TABLE %s.model AS SELECT * FROM atomizer.model', place);
    END LOOP;
END $$;
-- Bob himself, with his things in front of everything: he still sees and gets no more than before.
SET search_path = regress_evil, pg_catalog, atomizer, public;
CREATE TEMP TABLE pg_roles AS SELECT 'regress_bob'::name AS rolname, true AS rolsuper, 10::oid AS oid;
SELECT atomizer.my_tenant_ids() OPERATOR(pg_catalog.=) ARRAY[:bolt::bigint] AS own;
SELECT tenant_name FROM atomizer.tenant;
SELECT model_name FROM atomizer.model;
SELECT test.error(pg_catalog.format('SELECT atomizer.drop_model(%s)', (:ann_open)::text)) OPERATOR(pg_catalog.~~) '42704%' AS refused;
CALL atomizer.ingest_model('evil', model_bytes => :'one');
CALL atomizer.ingest_model('evil', model_bytes => :'one');
SELECT atomizer.cancel_ingestion_job(atomizer.create_ingestion_job(atomizer.register_model('evil2')));
SELECT is_identical FROM atomizer.model m, atomizer.verify_model(m.model_id) WHERE m.model_name OPERATOR(pg_catalog.=) 'm';
RESET ROLE;
-- An administrator and another tenant, with public in their path as it comes.
SET search_path = atomizer, public;
CALL ingest_model('admin', model_bytes => :'two', granularity => 'weight', atom_quota => 2);
SELECT count(*) FROM check_integrity();
SELECT count(*) FROM tensor_atom_coefficient;
SELECT drop_model(model_id) FROM model WHERE model_name = 'admin';
SELECT atoms_removed > 0 AS atoms_removed FROM collect_garbage();
SET ROLE regress_ann;
CALL ingest_model('ann 2', model_bytes => :'two');
SELECT count(*) FROM ingestion_progress;
RESET ROLE;
-- One who may collect garbage, and only that, with a trap laid out.
GRANT EXECUTE ON FUNCTION collect_garbage() TO regress_bob;
SET ROLE regress_bob;
CREATE TEMP TABLE atomizer_garbage (content_hash bytea, kind atomizer.atom_kind);
CREATE FUNCTION pg_temp.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO regress_evil.run VALUES ('trap', current_user); RETURN NEW; END $$;
CREATE TRIGGER trap BEFORE INSERT OR TRUNCATE ON pg_temp.atomizer_garbage FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.trap();
SELECT test.error('SELECT atomizer.collect_garbage()') IS NOT NULL AS tried;
RESET ROLE;
-- The trap and the functions work.
SET ROLE regress_bob;
SELECT regress_evil.now();
RESET ROLE;
SELECT name, run_as FROM regress_evil.run WHERE run_as <> 'regress_bob' OR name = 'now() RETURNS timestamptz' GROUP BY 1, 2 ORDER BY 1, 2;

-- One who is not a member any more has nothing.
SELECT remove_tenant_member('acme', 'regress_ann'), remove_tenant_member('acme', 'regress_ann');
SET ROLE regress_ann;
SELECT count(*) FROM model;
SELECT count(*) FROM tensor_atom_coefficient;
RESET ROLE;
-- A source is read with the rights of who named it, too: nobody's help makes a file the tenant's.
\set file :models '/tinycoder.gguf'
CREATE ROLE regress_dora;
SELECT add_tenant_member('acme', 'regress_dora'), lo_from_bytea(987654, :'one');
SET ROLE regress_dora;
SELECT regexp_replace(test.error(format('SELECT atomizer.create_ingestion_job(atomizer.register_model(%L), %L)', 'd', :'file')), '"/.*"', '"FILE"');
SELECT test.error('SELECT atomizer.create_ingestion_job(atomizer.register_model(''d''), model_lo => 987654)');
RESET ROLE;
GRANT pg_read_server_files TO regress_dora;
GRANT SELECT ON LARGE OBJECT 987654 TO regress_dora;
SET ROLE regress_dora;
SELECT create_ingestion_job(register_model('of a file'), :'file') AS of_file, create_ingestion_job(register_model('of an object'), model_lo => 987654) AS of_object \gset
RESET ROLE;
REVOKE pg_read_server_files FROM regress_dora;
REVOKE SELECT ON LARGE OBJECT 987654 FROM regress_dora;
CALL atomize_model_governed(:of_file);
CALL atomize_model_governed(:of_object);
-- Who names the source itself, and may read it, runs the job.
CALL ingest_model('of a file', :'file', tenant => 'acme');
SELECT created_role, job_status FROM ingestion_job WHERE ingestion_job_id = :of_file;
SELECT drop_model('acme/of a file') > 0 AS dropped, drop_model('acme/of an object') IS NOT NULL AS dropped, lo_unlink(987654);
SELECT remove_tenant_member('acme', 'regress_dora');
DROP ROLE regress_dora;
-- A member is a role, whatever its name becomes: a successor to the name inherits nothing.
CREATE ROLE regress_dora;
SELECT add_tenant_member('acme', 'regress_dora');
ALTER ROLE regress_dora RENAME TO "regress dora 2";
SET ROLE "regress dora 2";
SELECT count(*) > 0 AS sees FROM model;
RESET ROLE;
SELECT member_role FROM tenant_member WHERE member_role::text LIKE '%dora%';
DROP ROLE "regress dora 2";
CREATE ROLE "regress dora 2";
SET ROLE "regress dora 2";
SELECT count(*) > 0 AS sees FROM model;
SELECT test.error($$SELECT atomizer.register_model('x')$$);
RESET ROLE;
-- What is left of the old one is a number, by which it can be removed.
SELECT count(*) AS dropped FROM tenant_member WHERE member_role::text ~ '^[0-9]+$';
SELECT remove_tenant_member('acme', member_role::text::name) FROM tenant_member WHERE member_role::text ~ '^[0-9]+$';
SELECT remove_tenant_member('acme', '99999999');
DROP ROLE "regress dora 2";
DISCARD TEMP;
REVOKE CREATE ON SCHEMA public FROM regress_bob;
DROP OWNED BY regress_ann, regress_bob, regress_team, regress_carol, regress_nobody CASCADE;
DROP ROLE regress_ann, regress_bob, regress_team, regress_carol, regress_nobody;
