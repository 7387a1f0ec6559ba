CREATE FUNCTION atomizer_internal.spatial_line(
    done bigint, total bigint, done_here bigint, elapsed interval) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s %% of %s weights', round(100.0 * done / greatest(total, 1)), total)
        || CASE WHEN done_here > 0 THEN
               format(', %s to go', justify_interval(make_interval(secs => ceil(extract(epoch FROM elapsed) * (total - done) / done_here))))
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer_internal.spatial_line(bigint, bigint, bigint, interval) IS
    'Notice of spatialize_model(): progress.';
GRANT EXECUTE ON FUNCTION atomizer_internal.spatial_line(bigint, bigint, bigint, interval) TO PUBLIC;
