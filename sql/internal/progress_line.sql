CREATE FUNCTION atomizer_internal.progress_line(done bigint, total bigint, done_here bigint, elapsed interval) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s %% of %s', round(100.0 * done / greatest(total, 1)), pg_size_pretty(total))
        || CASE WHEN done_here > 0 THEN
               format(', %s MB/s, %s to go', round(done_here / 1e6 / extract(epoch FROM elapsed)),
                      justify_interval(make_interval(secs => ceil(extract(epoch FROM elapsed) * (total - done) / done_here))))
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer_internal.progress_line(bigint, bigint, bigint, interval) IS
    'Notice of atomize_model_governed(): progress.';
GRANT EXECUTE ON FUNCTION atomizer_internal.progress_line(bigint, bigint, bigint, interval) TO PUBLIC;
