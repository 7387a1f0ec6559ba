CREATE FUNCTION atomizer_internal.analyze_end_line(
    model bigint, min_parameters bigint, measured integer, failed integer, small integer, failure text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Not how many are new: that would tell what other tenants hold.
    SELECT format('model %s: %s matrices measured', model, measured)
        || CASE WHEN small > 0 THEN format(', %s have fewer than %s weights', small, min_parameters) ELSE '' END
        || CASE WHEN failed > 0 THEN
               format(', %s cannot be measured (%s%s)', failed, failure, CASE WHEN failed > 1 THEN '; …' ELSE '' END)
           ELSE '' END
        || '; layer_spectrum and model_spectrum show them';
END;
COMMENT ON FUNCTION atomizer_internal.analyze_end_line(bigint, bigint, integer, integer, integer, text) IS
    'Notice of analyze_model(): completion.';
GRANT EXECUTE ON FUNCTION atomizer_internal.analyze_end_line(bigint, bigint, integer, integer, integer, text) TO PUBLIC;
