-- Rights are an allow-list: what everybody may do is granted beside each object, and the schema here. Postgres
-- itself gives PUBLIC every new function and type: those that nobody granted are taken back. What is not
-- PUBLIC's is for administrators: the superuser, and whom they grant it to.

GRANT USAGE ON SCHEMA atomizer TO PUBLIC;

DO $$
DECLARE
    object text;
BEGIN
    FOR object IN
        SELECT 'ROUTINE ' || p.oid::pg_catalog.regprocedure
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'atomizer'
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND p.proacl IS NULL
        UNION ALL
        SELECT 'TYPE ' || t.oid::pg_catalog.regtype
        FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_depend d ON d.objid = t.oid AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'e'
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'atomizer'
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND t.typacl IS NULL
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC', object);
    END LOOP;
END $$;
