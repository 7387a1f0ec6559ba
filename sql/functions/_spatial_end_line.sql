CREATE FUNCTION atomizer._spatial_end_line(model bigint, granularity text, elapsed interval) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Not how many are new: that would tell what other tenants hold.
    SELECT format('model %s: %s %ss placed, %s s', model,
                  (SELECT count(*) FROM atomizer.atom_points p
                   WHERE p.model_id = model AND (p.row_no < 0) = (granularity = 'tensor')),
                  granularity, round(extract(epoch FROM elapsed), 1))
        || CASE WHEN to_regclass('atomizer.atom_embedding_spatial_key_idx') IS NULL THEN
               '; SELECT * FROM atomizer.build_spatial_indexes() makes the indexes that find them (for administrators)'
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer._spatial_end_line(bigint, text, interval) IS 'The last line of spatialize_model().';
GRANT EXECUTE ON FUNCTION atomizer._spatial_end_line(bigint, text, interval) TO PUBLIC;
