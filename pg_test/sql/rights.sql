-- What PUBLIC may do: this list and nothing else. What is not in it is for administrators.
CREATE TEMP TABLE reason (function text, reason text);
INSERT INTO reason VALUES
    ('_check_may_commit(text)', 'procedures call it as their caller: it reads the state of the transaction'),
    ('_claim_ingestion_job(bigint)', 'atomize_model_governed() calls it as its caller: it checks the tenant'),
    ('_extract_model_weights(bytea,text,oid,text,bigint,text)', 'extract_model_weights() is inlined into its caller''s query: it checks rights on files and the tenant'),
    ('_stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,bigint,text)', 'stream_atomic_weights_chunked() is inlined into its caller''s query: it checks rights on files and the tenant'),
    ('_ingestion_step(bigint,uuid,bytea,text)', 'atomize_model_governed() calls it as its caller, whose rights on files count: it checks lease and tenant'),
    ('_release_ingestion_job(bigint,uuid,text,text,text,text,text)', 'atomize_model_governed() calls it as its caller: it checks lease and tenant'),
    ('_plan_line(bigint)', 'atomize_model_governed() calls it as its caller: row-level security applies'),
    ('_progress_line(bigint,bigint,bigint,interval)', 'atomize_model_governed() calls it as its caller: it formats its arguments'),
    ('_completion_line(bigint,interval)', 'atomize_model_governed() calls it as its caller: row-level security applies'),
    ('_prepare_ingestion(text,text,oid,text,text,text,bigint,bigint)', 'ingest_model() calls it as its caller: it checks the tenant'),
    ('_compress_step(bigint,integer,double precision,bigint,integer)', 'compress_model() calls it as its caller: it checks the tenant'),
    ('_spatialize_step(bigint,text,integer)', 'spatialize_model() calls it as its caller: it checks the tenant'),
    ('_spatial_line(bigint,bigint,bigint,interval)', 'spatialize_model() calls it as its caller: it formats its arguments'),
    ('_spatial_end_line(bigint,text,interval)', 'spatialize_model() calls it as its caller: row-level security applies'),
    ('_dequantize(bytea,text)', 'dequantize() is inlined into its caller''s query: it reads its arguments only'),
    ('_dequantize_bytes(bytea,text)', 'dequantize_bytes() is inlined into its caller''s query: it reads its arguments only'),
    ('_quantize(real[],text)', 'quantize() is inlined into its caller''s query: it reads its arguments only');

SELECT privilege FROM unnest('{USAGE,CREATE}'::text[]) privilege WHERE has_schema_privilege('public', 'atomizer', privilege);
-- Tables, views and sequences.
SELECT c.relkind, c.relname, string_agg(privilege, ', ' ORDER BY privilege) AS privileges
FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND has_table_privilege('public', c.oid, privilege)
GROUP BY 1, 2 ORDER BY 1, c.relname COLLATE "C";
SELECT c.relname, privilege FROM pg_class c, unnest('{USAGE,SELECT,UPDATE}'::text[]) privilege
WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege('public', c.oid, privilege) ORDER BY 1, 2;
-- Columns of which it may do more than of their table.
SELECT c.relname, a.attname, privilege
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) privilege
WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND has_column_privilege('public', c.oid, a.attnum, privilege) AND NOT has_table_privilege('public', c.oid, privilege) ORDER BY 1, 2, 3;
-- Types of their own, not those of tables' rows.
SELECT t.typname FROM pg_type t
WHERE t.typnamespace = 'atomizer'::regnamespace AND t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0 AND has_type_privilege('public', t.oid, 'USAGE')
ORDER BY t.typname COLLATE "C";
-- Functions and procedures.
CREATE TEMP VIEW callable AS
    SELECT p.oid, replace(p.oid::regprocedure::text, 'atomizer.', '') AS function, p.prokind FROM pg_proc p
    WHERE p.pronamespace = 'atomizer'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT function, prokind FROM callable WHERE function NOT LIKE '\_%' ORDER BY function COLLATE "C";
-- Internal ones, which need a reason.
SELECT c.function, r.function AS reason_for, r.reason FROM callable c FULL JOIN reason r USING (function)
WHERE c.function IS NULL OR c.function LIKE '\_%' ORDER BY coalesce(c.function, r.function) COLLATE "C";
-- For administrators.
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'atomizer'::regnamespace
    AND NOT has_function_privilege('public', p.oid, 'EXECUTE') AND p.proname NOT LIKE '\_%' ORDER BY p.proname COLLATE "C";

-- Each right of PUBLIC's on a function was granted: none is Postgres' default.
SELECT count(*) FROM pg_proc p WHERE pronamespace = 'atomizer'::regnamespace AND proacl IS NULL;
