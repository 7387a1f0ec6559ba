-- pg_dump keeps the content of every table and the place of every sequence.
DO $$
DECLARE
    name regclass;
BEGIN
    -- One call a statement: each of them updates the extension's one row.
    FOR name IN SELECT c.oid FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
                JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                WHERE e.extname = 'atomizer' AND c.relkind IN ('r', 'S') ORDER BY c.oid LOOP
        PERFORM pg_catalog.pg_extension_config_dump(name, '');
    END LOOP;
END $$;
