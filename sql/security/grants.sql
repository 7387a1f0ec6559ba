-- What everybody may do, and what is for administrators: the superuser, and whom he grants it to.

GRANT USAGE ON SCHEMA atomizer TO PUBLIC;
GRANT SELECT ON atomizer.tenant, atomizer.tenant_member, atomizer.model, atomizer.model_file,
    atomizer.ingestion_job, atomizer.tensor_atom, atomizer.tensor_atom_history,
    atomizer.tensor_atom_coefficient, atomizer.ingestion_progress, atomizer.tenant_atom,
    atomizer.atom_points, atomizer.layer_spectrum TO PUBLIC;

DO $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure AS signature
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'atomizer'
        WHERE (p.proname IN ('create_tenant', 'add_tenant_member', 'remove_tenant_member', 'collect_garbage',
                             'check_integrity', 'keep_tensor_atom_history', 'build_spatial_indexes', 'rebuild_spatial_indexes')
               -- Names with an underscore are internal, except those that procedures and SQL functions call as their caller.
               OR p.proname LIKE '\_%'
                  AND NOT (p.proname IN ('_check_may_commit', '_ingestion_step', '_plan_line', '_progress_line', '_completion_line',
                                         '_spatialize_step', '_spatial_line', '_spatial_end_line', '_compress_step',
                                         '_dequantize', '_dequantize_bytes', '_quantize')
                           OR p.proname IN ('_claim_ingestion_job', '_release_ingestion_job', '_prepare_ingestion') AND p.prolang =
                              (SELECT l.oid FROM pg_catalog.pg_language l WHERE l.lanname = 'c')))
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.signature);
    END LOOP;
END $$;
