CREATE FUNCTION atomizer.build_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    postgis  name;
    begun    timestamptz;
    on_what  text;
    built    integer := 0;
BEGIN
    PERFORM atomizer_internal.check_writable('build_spatial_indexes()');
    SELECT n.nspname INTO STRICT postgis FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'postgis';
    FOR index_name, on_what IN VALUES
        ('atom_embedding_spatial_key_idx', format('atom_embedding USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)),
        ('atom_embedding_hilbert_value_idx', 'atom_embedding (hilbert_value)'),
        ('tensor_atom_spatial_key_idx', format('tensor_atom USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)) LOOP
        PERFORM atomizer_internal.report_progress('build_spatial_indexes', 'building indexes', built, 3, 'indexes');
        built := built + 1;
        CONTINUE WHEN to_regclass('atomizer.' || index_name) IS NOT NULL;
        begun := clock_timestamp();
        EXECUTE format('CREATE INDEX %I ON atomizer.%s', index_name, on_what);
        build_time := clock_timestamp() - begun;
        index_size := pg_size_pretty(pg_relation_size(to_regclass('atomizer.' || index_name)));
        RETURN NEXT;
    END LOOP;
    PERFORM atomizer_internal.end_progress('build_spatial_indexes');
    ANALYZE atomizer.atom_embedding, atomizer.tensor_atom;
END $$;
COMMENT ON FUNCTION atomizer.build_spatial_indexes() IS
    'Builds the spatial indexes that are missing, and returns them: needed after the first load, and after a restore, which does not bring them back. For administrators.';
