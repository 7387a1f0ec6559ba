-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused. So every type, function and operator is qualified: the
-- caller's search_path may have others of these names.

CREATE PROCEDURE atomizer.compress_model(
    model          atomizer.regmodel,
    rank           integer DEFAULT NULL,
    target_energy  double precision DEFAULT NULL,
    min_parameters bigint DEFAULT 1000000)
LANGUAGE plpgsql AS $procedure$
DECLARE
    step    pg_catalog.record;
    place   integer := 0;
    summary pg_catalog.jsonb;
    warning pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('compress_model');
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.compress_step(model, rank, target_energy, min_parameters, place) AS s;
        PERFORM atomizer_internal.check_commit('compress_model');
        COMMIT;
        place := step.next_tensor;
        summary := atomizer_internal.compress_summary(summary, pg_catalog.to_jsonb(step));
        EXIT WHEN place IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.compress_end_line(model, min_parameters, summary);
    warning := atomizer_internal.compress_warning(summary);
    IF warning IS NOT NULL THEN
        RAISE WARNING '%', warning USING HINT =
            'Ask for target_energy => 0.9, or a higher rank; svd_spectrum() shows what a tensor''s rank keeps.';
    END IF;
END $procedure$;
COMMENT ON PROCEDURE atomizer.compress_model(atomizer.regmodel, integer, double precision, bigint) IS
    'Lossy, and beside the stored weights, which stay: decomposes the matrices of a model with at least min_parameters weights into svd_component, to a rank (default 64), or to the lowest rank that keeps the share target_energy of the sum of squares; only where that is smaller than the tensor. Commits each matrix: call it again to resume.';
GRANT EXECUTE ON PROCEDURE atomizer.compress_model(atomizer.regmodel, integer, double precision, bigint) TO PUBLIC;
