-- What PUBLIC may do: this list and nothing else. What is not in it is for administrators.
CREATE TEMP TABLE reason (function text, reason text);
INSERT INTO reason VALUES
    ('acts_for(bigint)', 'policies and views ask it as their caller: it tells whether that one acts for a tenant'),
    ('check_may_commit(text)', 'procedures call it as their caller: it reads the state of the transaction'),
    ('check_commit(text)', 'procedures call it as their caller: it reads the state of the transaction'),
    ('claim_ingestion_job(bigint)', 'atomize_model_governed() calls it as its caller: it checks the tenant'),
    ('read_model_file(atomizer.regmodel,integer)', 'read_model_file() is inlined into its caller''s query: it checks the tenant'),
    ('extract_model_weights(bytea,text,oid,text,atomizer.regmodel,text,boolean)', 'extract_model_weights() is inlined into its caller''s query: it checks rights on files and the tenant'),
    ('stream_atomic_weights_chunked(bytea,text,bigint,bigint,oid,text,atomizer.regmodel,text,boolean)', 'stream_atomic_weights_chunked() is inlined into its caller''s query: it checks rights on files and the tenant'),
    ('ingestion_step(bigint,uuid,bytea,text)', 'atomize_model_governed() calls it as its caller, whose rights on files count: it checks lease and tenant'),
    ('release_ingestion_job(bigint,uuid,text,text,text,text,text)', 'atomize_model_governed() calls it as its caller: it checks lease and tenant'),
    ('plan_line(bigint)', 'atomize_model_governed() calls it as its caller: row-level security applies'),
    ('running_work()', 'the view progress calls it as its reader: it shows what the tenant may see'),
    ('is_alive(integer,timestamp with time zone)', 'the view progress calls it as its reader: it tells nothing but whether a process lives'),
    ('completion_line(bigint,interval)', 'atomize_model_governed() calls it as its caller: row-level security applies'),
    ('prepare_ingestion(text,text,oid,text,text,text,bigint,bigint,text,text,jsonb,boolean,text)', 'ingest_model() calls it as its caller: it checks the tenant'),
    ('refuse_unsafe(text,bytea,oid,text,boolean)', 'ingest_model() and start_ingestion() call it as their caller, whose rights on files count: it reads its arguments only'),
    ('compress_step(bigint,integer,double precision,bigint,integer)', 'compress_model() calls it as its caller: it checks the tenant'),
    ('compress_summary(jsonb,jsonb)', 'compress_model() calls it as its caller: it adds its arguments up'),
    ('compress_end_line(bigint,bigint,jsonb)', 'compress_model() calls it as its caller: it formats its arguments'),
    ('compress_warning(jsonb)', 'compress_model() calls it as its caller: it formats its arguments'),
    ('analyze_step(bigint,bigint,integer)', 'analyze_model() calls it as its caller: it checks the tenant'),
    ('analyze_end_line(bigint,bigint,integer,integer,integer,text)', 'analyze_model() calls it as its caller: it formats its arguments'),
    ('free_bytes(oid)', 'relation_storage calls it as its reader: it tells no more than pg_relation_size() does'),
    ('spatialize_step(bigint,text,integer)', 'spatialize_model() calls it as its caller: it checks the tenant'),
    ('check_writable(text)', 'start_ingestion() calls it as its caller: it tells what SHOW transaction_read_only tells'),
    ('spatial_end_line(bigint,text,interval)', 'spatialize_model() calls it as its caller: row-level security applies'),
    ('regmodel_in(cstring)', 'input of a type that everybody may use: it finds the caller''s models'),
    ('regmodel_out(atomizer.regmodel)', 'output of a type that everybody may use'),
    ('regmodel_recv(internal)', 'binary input of a type that everybody may use'),
    ('regmodel_send(atomizer.regmodel)', 'binary output of a type that everybody may use'),
    ('regmodel_of_text(text)', 'a cast that everybody may use: it finds the caller''s models'),
    ('regmodel_of_int4(integer)', 'a cast that everybody may use'),
    ('regmodel_of_int2(smallint)', 'a cast that everybody may use'),
    ('dequantize(bytea,text)', 'dequantize() is inlined into its caller''s query: it reads its arguments only'),
    ('dequantize_bytes(bytea,text)', 'dequantize_bytes() is inlined into its caller''s query: it reads its arguments only'),
    ('quantize(real[],text)', 'quantize() is inlined into its caller''s query: it reads its arguments only');

SELECT nspname, privilege FROM pg_namespace n, unnest('{USAGE,CREATE}'::text[]) privilege
WHERE nspname LIKE 'atomizer%' AND has_schema_privilege('public', n.oid, privilege) ORDER BY 1, 2;
-- Tables, views and sequences.
SELECT c.relkind, c.relname, string_agg(privilege, ', ' ORDER BY privilege) AS privileges
FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
WHERE c.relnamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND has_table_privilege('public', c.oid, privilege)
GROUP BY 1, 2 ORDER BY 1, c.relname COLLATE "C";
SELECT c.relname, privilege FROM pg_class c, unnest('{USAGE,SELECT,UPDATE}'::text[]) privilege
WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege('public', c.oid, privilege) ORDER BY 1, 2;
-- Columns of which it may do more than of their table.
SELECT c.relname, a.attname, privilege
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) privilege
WHERE c.relnamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND has_column_privilege('public', c.oid, a.attnum, privilege) AND NOT has_table_privilege('public', c.oid, privilege) ORDER BY 1, 2, 3;
-- Types of their own, not those of tables' rows.
SELECT t.typname FROM pg_type t
WHERE t.typnamespace = 'atomizer'::regnamespace AND t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0 AND has_type_privilege('public', t.oid, 'USAGE')
ORDER BY t.typname COLLATE "C";
-- Functions and procedures.
CREATE TEMP VIEW callable AS
    SELECT p.pronamespace, regexp_replace(p.oid::regprocedure::text, '^atomizer(_internal)?\.', '') AS function, p.prokind FROM pg_proc p
    WHERE p.pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT function, prokind FROM callable WHERE pronamespace = 'atomizer'::regnamespace ORDER BY function COLLATE "C";
-- Internal ones, which need a reason.
SELECT c.function, r.function AS reason_for, r.reason FROM reason r FULL JOIN (SELECT function FROM callable WHERE pronamespace = 'atomizer_internal'::regnamespace) c USING (function)
ORDER BY coalesce(c.function, r.function) COLLATE "C";
-- For administrators.
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'atomizer'::regnamespace
    AND NOT has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY p.proname COLLATE "C";

-- Each right of PUBLIC's on a function was granted: none is Postgres' default.
SELECT count(*) FROM pg_proc p WHERE pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND proacl IS NULL;
