-- What the extension makes: each object has a comment, each table is dumped. (Who may use it: rights.sql.)
CREATE VIEW pg_temp.members AS
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE e.extname = 'atomizer' AND d.deptype = 'e';
SELECT extversion IS NOT NULL AS has_version, extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'atomizer';
SELECT classid::regclass, count(*) > 0 AS any FROM pg_temp.members GROUP BY 1 ORDER BY 1::text COLLATE "C";

-- What users call stands in one schema, the rest in another, and nothing anywhere else.
SELECT DISTINCT pronamespace::regnamespace FROM pg_proc p JOIN pg_temp.members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'atomizer'::regnamespace AND (proname LIKE '\_%' OR prorettype = 'trigger'::regtype);

-- No comment: none.
SELECT c.relkind, c.relname FROM pg_class c JOIN pg_temp.members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1, 2;
SELECT c.relname, a.attname FROM pg_class c JOIN pg_temp.members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v') AND col_description(c.oid, a.attnum) IS NULL ORDER BY 1, 2;
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_temp.members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT nspname FROM pg_namespace n JOIN pg_temp.members m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
WHERE obj_description(n.oid, 'pg_namespace') IS NULL;
SELECT t.oid::regtype FROM pg_type t JOIN pg_temp.members m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
WHERE t.typtype = 'e' AND obj_description(t.oid, 'pg_type') IS NULL ORDER BY 1;
SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = 'atomizer'::regnamespace AND obj_description(p.oid, 'pg_policy') IS NULL;
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'atomizer'::regnamespace AND NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL;
-- Everything in the schemas belongs to the extension.
SELECT c.relname FROM pg_class c WHERE relnamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND relkind IN ('r', 'v', 'S')
    AND NOT EXISTS (SELECT FROM pg_temp.members m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid);
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[])
    AND NOT EXISTS (SELECT FROM pg_temp.members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid);

-- Every table and sequence is dumped, and wholly.
SELECT c.relname, c.relkind FROM pg_class c JOIN pg_temp.members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relkind IN ('r', 'S') AND c.oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'atomizer')::oid[]);
SELECT DISTINCT unnest(extcondition) FROM pg_extension WHERE extname = 'atomizer';

-- Every table has a primary key, which logical replication finds its rows by, and is written to WAL.
SELECT c.relname, c.relpersistence, c.relreplident FROM pg_class c JOIN pg_temp.members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relkind IN ('r', 'p') AND (c.relpersistence <> 'p' OR c.relreplident <> 'd'
    OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid));

-- Functions with their owner's rights fix their search_path; of the procedures none may, or COMMIT is refused.
SELECT p.oid::regprocedure, p.proconfig FROM pg_proc p WHERE pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND p.prosecdef ORDER BY p.proname COLLATE "C";
SELECT p.proname, p.prosecdef, p.proconfig FROM pg_proc p WHERE pronamespace = 'atomizer'::regnamespace AND p.prokind = 'p' ORDER BY proname COLLATE "C";
-- What runs with its caller's search_path: the procedures, and what they call as their caller.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND l.lanname IN ('sql', 'plpgsql') AND p.proconfig IS NULL AND p.prosqlbody IS NULL ORDER BY p.proname COLLATE "C";

-- Nothing in them hangs on that search_path: types, functions and operators are qualified.
SELECT p.proname, m FROM pg_proc p,
    LATERAL regexp_replace(regexp_replace(p.prosrc, '--[^\n]*', '', 'g'), $re$'[^']*'$re$, '', 'g') text_out,
    LATERAL regexp_replace(text_out, '\w+ = (?=RETURNED_SQLSTATE|MESSAGE_TEXT|PG_EXCEPTION)|(ERRCODE|MESSAGE|DETAIL|HINT) =\s', '', 'g') source,
    LATERAL regexp_matches(source, '(?<![.\w])(?!coalesce\M|OPERATOR\M)([A-Za-z_]\w*)\s*\(|^\s+\w+\s+(record|text|uuid|timestamptz|jsonb|name|oid|bytea)\M|\s(?!:=|=>)([-+*/<>=|~]+)\s|(CASE (?!WHEN)\w+)', 'gn') m
WHERE p.pronamespace = 'atomizer'::regnamespace AND p.prokind = 'p';

-- Keys of the large tables contain content_hash, and no foreign key leads to or from them: they can be distributed.
SELECT c.conrelid::regclass, c.contype, c.conname FROM pg_constraint c
WHERE c.conrelid = ANY ('{atomizer.atom,atomizer.tensor_segment,atomizer.atom_embedding,atomizer.svd_component,atomizer.spectral_measure}'::regclass[]) AND c.contype IN ('p', 'u')
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) AND a.attname = 'content_hash');
SELECT c.conname FROM pg_constraint c WHERE c.contype = 'f'
  AND (c.conrelid = ANY ('{atomizer.atom,atomizer.tensor_segment,atomizer.atom_embedding,atomizer.svd_component,atomizer.spectral_measure}'::regclass[])
    OR c.confrelid = ANY ('{atomizer.atom,atomizer.tensor_segment,atomizer.atom_embedding,atomizer.svd_component,atomizer.spectral_measure}'::regclass[]));

-- The extension goes and comes again.
SET client_min_messages = warning;
BEGIN;
DROP EXTENSION atomizer CASCADE;
SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'atomizer');
SELECT count(*) FROM pg_namespace WHERE nspname = 'atomizer_internal';
-- A schema of that name that somebody else made is not taken over.
CREATE SCHEMA atomizer_internal;
CREATE EXTENSION atomizer;
ROLLBACK;

-- What plans go by: a set that is always planned as 1,000 rows is one whose size depends on the model; what passes a vector
-- costs enough for a table of vectors to be scanned in parallel.
SELECT prorows, string_agg(DISTINCT proname, ', ' ORDER BY proname) AS functions FROM pg_proc
WHERE pronamespace = 'atomizer'::regnamespace AND prokind = 'f' AND proretset
GROUP BY prorows ORDER BY prorows;
CREATE TABLE test_vectors AS SELECT array_fill(i::real, ARRAY[16]) AS v FROM generate_series(1, 20000) i;
ANALYZE test_vectors;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT count(atomizer.project_to_3d(v)) FROM test_vectors;
SELECT count(atomizer.project_to_3d(v)) FROM test_vectors;
DROP TABLE test_vectors;
