CREATE FUNCTION atomizer_internal.compress_warning(summary jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Which energy is low is decided where a step counts them: src/svd/compress.rs.
    SELECT format('%s of %s decompositions keep less than 0.9 of the sum of squares: tensor "%s" keeps %s',
                  summary ->> 'low', summary ->> 'decomposed', summary ->> 'least_tensor',
                  round((summary ->> 'least_energy')::numeric, 4))
    WHERE (summary ->> 'low')::bigint > 0;
END;
COMMENT ON FUNCTION atomizer_internal.compress_warning(jsonb) IS
    'Warning of compress_model(): decompositions that stand in badly for their tensors; null when there are none.';
GRANT EXECUTE ON FUNCTION atomizer_internal.compress_warning(jsonb) TO PUBLIC;
