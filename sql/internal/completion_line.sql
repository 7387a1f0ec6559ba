CREATE FUNCTION atomizer_internal.completion_line(job bigint, elapsed interval) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('model %s "%s" is complete and verified: %s weights in %s tensors, %s read, %s of them new, %s s',
                  m.model_id, m.model_name, m.parameter_count,
                  (SELECT count(*) FROM atomizer.tensor_atom t WHERE t.model_id = m.model_id),
                  pg_size_pretty(j.total_bytes), pg_size_pretty(j.new_bytes),
                  round(extract(epoch FROM elapsed), 1))
    FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id) WHERE j.ingestion_job_id = job;
END;
COMMENT ON FUNCTION atomizer_internal.completion_line(bigint, interval) IS 'Notice of atomize_model_governed(): completion.';
GRANT EXECUTE ON FUNCTION atomizer_internal.completion_line(bigint, interval) TO PUBLIC;
