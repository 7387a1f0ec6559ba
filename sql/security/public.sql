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
