CREATE FUNCTION atomizer.rebuild_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM atomizer_internal.check_writable('rebuild_spatial_indexes()');
    DROP INDEX IF EXISTS atomizer.atom_embedding_spatial_key_idx, atomizer.atom_embedding_hilbert_value_idx,
        atomizer.tensor_atom_spatial_key_idx;
    RETURN QUERY SELECT * FROM atomizer.build_spatial_indexes();
END $$;
COMMENT ON FUNCTION atomizer.rebuild_spatial_indexes() IS
    'Drops the spatial indexes and builds them again. For administrators.';
