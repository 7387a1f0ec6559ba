CREATE FUNCTION atomizer_internal.plan_line(job bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s, %s: %s weights in %s tensors, %s', m.model_format, m.architecture,
                  m.parameter_count, (SELECT count(*) FROM atomizer.tensor_atom t WHERE t.model_id = m.model_id),
                  pg_size_pretty(j.total_bytes))
        || (SELECT CASE count(*) WHEN 0 THEN '' WHEN 1 THEN ', 1 file beside the weights'
                   ELSE format(', %s files beside the weights', count(*)) END
            FROM atomizer.model_file f WHERE f.model_id = m.model_id AND f.role = 'companion')
    FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id) WHERE j.ingestion_job_id = job;
END;
COMMENT ON FUNCTION atomizer_internal.plan_line(bigint) IS
    'Notice of atomize_model_governed(): what the headers of the files say.';
GRANT EXECUTE ON FUNCTION atomizer_internal.plan_line(bigint) TO PUBLIC;
