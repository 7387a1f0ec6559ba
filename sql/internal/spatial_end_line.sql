CREATE FUNCTION atomizer_internal.spatial_end_line(model bigint, granularity text, elapsed interval) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Not how many are new: that would tell what other tenants hold.
    SELECT format('model %s: %s %ss placed, %s s', model,
                  (SELECT count(*) FROM atomizer.atom_points p
                   WHERE p.model_id = model AND (p.row_no < 0) = (granularity = 'tensor')),
                  granularity, round(extract(epoch FROM elapsed), 1))
        || CASE WHEN to_regclass('atomizer.atom_embedding_spatial_key_idx') IS NULL THEN
               '; SELECT * FROM atomizer.build_spatial_indexes() builds the indexes that queries need (for administrators)'
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer_internal.spatial_end_line(bigint, text, interval) IS 'Notice of spatialize_model(): completion.';
GRANT EXECUTE ON FUNCTION atomizer_internal.spatial_end_line(bigint, text, interval) TO PUBLIC;
