CREATE FUNCTION atomizer_internal.compress_end_line(model bigint, min_parameters bigint, summary jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('model %s: %s tensors decomposed', model, summary ->> 'decomposed')
        || CASE WHEN (summary ->> 'decomposed')::bigint > 0 THEN
               format(', lossy: energy kept %s at least and %s on average; components take %s beside %s of stored weights',
                      round((summary ->> 'least_energy')::numeric, 4),
                      round((summary ->> 'energy_sum')::numeric / (summary ->> 'decomposed')::numeric, 4),
                      pg_size_pretty((summary ->> 'component_bytes')::bigint), pg_size_pretty((summary ->> 'stored_bytes')::bigint))
           ELSE '' END
        || CASE WHEN (summary ->> 'not_smaller')::bigint > 0 THEN
               format('; %s would not be smaller', summary ->> 'not_smaller') ELSE '' END
        || CASE WHEN (summary ->> 'small')::bigint > 0 THEN
               format('; %s have fewer than %s weights', summary ->> 'small', min_parameters) ELSE '' END
        || CASE WHEN (summary ->> 'failed')::bigint > 0 THEN
               format('; %s cannot be decomposed (%s%s)', summary ->> 'failed', summary ->> 'failure',
                      CASE WHEN (summary ->> 'failed')::bigint > 1 THEN '; …' ELSE '' END)
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer_internal.compress_end_line(bigint, bigint, jsonb) IS 'Notice of compress_model(): completion.';
GRANT EXECUTE ON FUNCTION atomizer_internal.compress_end_line(bigint, bigint, jsonb) TO PUBLIC;
