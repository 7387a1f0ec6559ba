-- Everything the catalog holds of the extension, one property a line, in an order that does not depend on how it
-- came about: two databases that print the same hold the same extension. Run with psql -XAtq.
\pset pager off
SET search_path = pg_catalog;

CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE e.extname = 'atomizer' AND d.deptype = 'e';
CREATE TEMP VIEW relation AS
    SELECT c.*, c.oid::regclass::text AS relation FROM pg_class c
    WHERE c.oid IN (SELECT objid FROM member WHERE classid = 'pg_class'::regclass);
CREATE FUNCTION pg_temp.acl(acl aclitem[]) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT coalesce((SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(acl) a), 'default') $$;
CREATE FUNCTION pg_temp.comment(class regclass, object oid, sub integer DEFAULT 0) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT coalesce((SELECT d.description FROM pg_description d WHERE d.classoid = class AND d.objoid = object AND d.objsubid = sub), 'none') $$;

SELECT format('%s | %s | %s', object, property, replace(value, E'\n', E'\n    ')) FROM (
    -- What belongs to the extension, and who owns it.
    SELECT i.type || ' ' || i.identity AS object, 'member' AS property,
           coalesce((SELECT CASE WHEN s.refobjid = (SELECT extowner FROM pg_extension WHERE extname = 'atomizer') OR s.refobjid IS NULL
                                 THEN 'owner of the extension' ELSE s.refobjid::regrole::text END
                     FROM pg_shdepend s WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                       AND s.classid = m.classid AND s.objid = m.objid AND s.deptype = 'o'), 'owner of the extension') AS value
    FROM member m, pg_identify_object(m.classid, m.objid, 0) i
    UNION ALL
    -- A kind of object that is not described below must be added there.
    SELECT i.type || ' ' || i.identity, 'catalog.sql knows this kind', 'no'
    FROM member m, pg_identify_object(m.classid, m.objid, 0) i
    WHERE m.classid <> ALL (ARRAY['pg_class', 'pg_proc', 'pg_type', 'pg_cast', 'pg_namespace']::regclass[])
    UNION ALL
    SELECT 'extension', p.property, p.value FROM pg_extension e, LATERAL (VALUES
        ('version', e.extversion), ('relocatable', e.extrelocatable::text), ('schema', e.extnamespace::regnamespace::text),
        ('comment', pg_temp.comment('pg_extension', e.oid)),
        ('requires', (SELECT string_agg(x.extname, ' ' ORDER BY x.extname) FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
                      WHERE d.classid = 'pg_extension'::regclass AND d.objid = e.oid AND d.refclassid = 'pg_extension'::regclass)),
        ('schema acl', (SELECT pg_temp.acl(n.nspacl) FROM pg_namespace n WHERE n.oid = e.extnamespace)),
        ('schema comment', pg_temp.comment('pg_namespace', e.extnamespace))) p(property, value)
    WHERE e.extname = 'atomizer'
    UNION ALL
    SELECT 'dump of ' || r.config::regclass, 'condition', '"' || r.condition || '"'
    FROM pg_extension e, unnest(e.extconfig, e.extcondition) r(config, condition) WHERE e.extname = 'atomizer'
    UNION ALL
    SELECT 'initial privileges of ' || pg_describe_object(i.classoid, i.objoid, i.objsubid), i.privtype::text, pg_temp.acl(i.initprivs)
    FROM pg_init_privs i
    WHERE (i.classoid, i.objoid) IN (SELECT classid, objid FROM member)
       OR i.classoid = 'pg_namespace'::regclass AND i.objoid = 'atomizer'::regnamespace
    UNION ALL
    -- The schema of the extension itself is not a member of it.
    SELECT 'schema ' || n.nspname, p.property, p.value FROM pg_namespace n, LATERAL (VALUES
        ('acl', pg_temp.acl(n.nspacl)), ('comment', pg_temp.comment('pg_namespace', n.oid))) p(property, value)
    WHERE n.oid IN (SELECT objid FROM member WHERE classid = 'pg_namespace'::regclass)
    UNION ALL
    SELECT 'relation ' || r.relation, p.property, p.value FROM relation r, LATERAL (VALUES
        ('kind', r.relkind::text), ('persistence', r.relpersistence::text), ('row security', r.relrowsecurity || ' ' || r.relforcerowsecurity),
        ('options', coalesce(r.reloptions::text, 'none')), ('replica identity', r.relreplident::text), ('acl', pg_temp.acl(r.relacl)),
        ('access method', coalesce((SELECT amname FROM pg_am WHERE oid = r.relam)::text, 'none')),
        ('comment', pg_temp.comment('pg_class', r.oid)), ('type acl', coalesce((SELECT pg_temp.acl(typacl) FROM pg_type WHERE oid = r.reltype), 'none')),
        ('definition', CASE WHEN r.relkind = 'v' THEN pg_get_viewdef(r.oid) ELSE 'none' END)) p(property, value)
    UNION ALL
    SELECT format('column %s.%s', r.relation, a.attname), p.property, p.value
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped, LATERAL (VALUES
        ('number', a.attnum::text), ('type', format_type(a.atttypid, a.atttypmod)), ('not null', a.attnotnull::text),
        ('default', coalesce((SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = r.oid AND d.adnum = a.attnum), 'none')),
        ('generated', format('%s%s', a.attgenerated, a.attidentity)), ('storage', format('%s%s', a.attstorage, a.attcompression)),
        ('collation', CASE WHEN a.attcollation = 0 THEN 'none' ELSE a.attcollation::regcollation::text END),
        -- Postgres' own options only: some builds add others, with a place in the log.
        ('options', coalesce((SELECT string_agg(o, ' ' ORDER BY o) FROM unnest(a.attoptions) o WHERE o LIKE 'n\_distinct%'), 'none')),
        ('acl', pg_temp.acl(a.attacl)), ('comment', pg_temp.comment('pg_class', r.oid, a.attnum))) p(property, value)
    UNION ALL
    SELECT format('constraint %s of %s', c.conname, r.relation), p.property, p.value
    FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid, LATERAL (VALUES
        ('definition', pg_get_constraintdef(c.oid)), ('validated', c.convalidated::text), ('comment', pg_temp.comment('pg_constraint', c.oid))) p(property, value)
    UNION ALL
    SELECT format('index %s of %s', i.indexrelid::regclass, r.relation), p.property, p.value
    FROM relation r JOIN pg_index i ON i.indrelid = r.oid, LATERAL (VALUES
        ('definition', pg_get_indexdef(i.indexrelid)), ('flags', format('%s %s %s', i.indisprimary, i.indisvalid, i.indisclustered)),
        ('comment', pg_temp.comment('pg_class', i.indexrelid))) p(property, value)
    UNION ALL
    SELECT format('trigger %s of %s', t.tgname, r.relation), p.property, p.value
    FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal, LATERAL (VALUES
        ('definition', pg_get_triggerdef(t.oid)), ('enabled', t.tgenabled::text), ('comment', pg_temp.comment('pg_trigger', t.oid))) p(property, value)
    UNION ALL
    SELECT format('policy %s of %s', o.polname, r.relation), p.property, p.value
    FROM relation r JOIN pg_policy o ON o.polrelid = r.oid, LATERAL (VALUES
        ('kind', format('%s %s %s', o.polcmd, o.polpermissive, (SELECT string_agg(CASE x WHEN 0 THEN 'public' ELSE x::regrole::text END, ' ') FROM unnest(o.polroles) x))),
        ('using', coalesce(pg_get_expr(o.polqual, o.polrelid), 'none')), ('with check', coalesce(pg_get_expr(o.polwithcheck, o.polrelid), 'none')),
        ('comment', pg_temp.comment('pg_policy', o.oid))) p(property, value)
    UNION ALL
    SELECT format('rule %s of %s', u.rulename, r.relation), 'definition', pg_get_ruledef(u.oid)
    FROM relation r JOIN pg_rewrite u ON u.ev_class = r.oid AND u.rulename <> '_RETURN'
    UNION ALL
    SELECT 'sequence ' || r.relation, 'parameters',
           format('%s from %s by %s, %s to %s, cache %s, cycle %s, of %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
                  coalesce((SELECT pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')), 'nothing'))
    FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
    UNION ALL
    -- The definition says volatility, parallel safety, strictness, cost, rows, settings and rights.
    SELECT 'function ' || f.oid::regprocedure, p.property, p.value FROM pg_proc f, LATERAL (VALUES
        ('definition', pg_get_functiondef(f.oid)), ('acl', pg_temp.acl(f.proacl)), ('comment', pg_temp.comment('pg_proc', f.oid))) p(property, value)
    WHERE f.oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass)
    UNION ALL
    SELECT 'type ' || t.oid::regtype, p.property, p.value FROM pg_type t, LATERAL (VALUES
        ('kind', t.typtype::text), ('layout', format('%s %s %s %s %s', t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory)),
        ('functions', format('%s %s %s %s', t.typinput, t.typoutput, t.typreceive, t.typsend)), ('acl', pg_temp.acl(t.typacl)), ('comment', pg_temp.comment('pg_type', t.oid)),
        ('labels', coalesce((SELECT string_agg(l.enumlabel, ' ' ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid), 'none'))) p(property, value)
    WHERE t.oid IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass)
    UNION ALL
    SELECT pg_describe_object('pg_cast'::regclass, c.oid, 0), p.property, p.value FROM pg_cast c, LATERAL (VALUES
        ('definition', format('%s %s %s', c.castfunc::regprocedure, c.castcontext, c.castmethod)), ('comment', pg_temp.comment('pg_cast', c.oid))) p(property, value)
    WHERE c.oid IN (SELECT objid FROM member WHERE classid = 'pg_cast'::regclass)
) lines ORDER BY object COLLATE "C", property COLLATE "C", value COLLATE "C";
