CREATE FUNCTION atomizer_internal.compress_summary(summary jsonb, step jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'decomposed', sum((s ->> 'decomposed')::bigint), 'not_smaller', sum((s ->> 'not_smaller')::bigint),
        'failed', sum((s ->> 'failed')::bigint), 'small', sum((s ->> 'small')::bigint),
        'failure', (array_agg(s ->> 'failure' ORDER BY n) FILTER (WHERE s ->> 'failure' IS NOT NULL))[1],
        'energy_sum', sum((s ->> 'energy_sum')::double precision), 'low', sum((s ->> 'low')::bigint),
        'least_energy', min((s ->> 'least_energy')::double precision),
        'least_tensor', (array_agg(s ->> 'least_tensor' ORDER BY (s ->> 'least_energy')::double precision, n)
                         FILTER (WHERE s ->> 'least_tensor' IS NOT NULL))[1],
        'component_bytes', sum((s ->> 'component_bytes')::bigint), 'stored_bytes', sum((s ->> 'stored_bytes')::bigint))
    FROM unnest(ARRAY[summary, step]) WITH ORDINALITY AS u(s, n);
END;
COMMENT ON FUNCTION atomizer_internal.compress_summary(jsonb, jsonb) IS
    'What the steps of compress_model() have done so far, and one more.';
GRANT EXECUTE ON FUNCTION atomizer_internal.compress_summary(jsonb, jsonb) TO PUBLIC;
