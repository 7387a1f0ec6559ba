-- Functions here run with the owner's rights and call one another by name and arguments. Whoever may create objects in the
-- schema, or owns one that was there before, could put others in between.

-- What default privileges (ALTER DEFAULT PRIVILEGES) gave with a schema that is made now, nobody granted on purpose.
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END
        FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        WHERE n.nspname = 'atomizer' AND a.grantee <> n.nspowner
          AND n.xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA atomizer FROM %s CASCADE', grantee);
    END LOOP;
END $$;

DO $$
DECLARE
    stranger text;
BEGIN
    SELECT coalesce(r.rolname, 'public') INTO stranger
    FROM (SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'atomizer'
          UNION ALL
          SELECT a.grantee FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
          WHERE n.nspname = 'atomizer' AND a.privilege_type = 'CREATE'
          UNION ALL
          SELECT p.proowner FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'atomizer'::pg_catalog.regnamespace
          UNION ALL
          SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.relnamespace = 'atomizer'::pg_catalog.regnamespace
          UNION ALL
          SELECT t.typowner FROM pg_catalog.pg_type t WHERE t.typnamespace = 'atomizer'::pg_catalog.regnamespace
          UNION ALL
          SELECT o.oprowner FROM pg_catalog.pg_operator o WHERE o.oprnamespace = 'atomizer'::pg_catalog.regnamespace) AS s(role)
    -- No role has the number of PUBLIC.
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.role
    WHERE r.rolsuper IS NOT TRUE
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = pg_catalog.format('schema atomizer is there already, and role "%s" may create objects in it or owns some', stranger),
            HINT = 'DROP SCHEMA atomizer CASCADE removes it with all that is in it; CREATE EXTENSION makes its own.';
    END IF;
END $$;

-- What users do not call. Everybody may use the schema: procedures and inlined functions call its functions as their
-- caller. Who may call which function is granted beside each.
CREATE SCHEMA atomizer_internal;
COMMENT ON SCHEMA atomizer_internal IS 'Functions and views that those of schema atomizer use: not for users, they may change in any version.';
GRANT USAGE ON SCHEMA atomizer_internal TO PUBLIC;
