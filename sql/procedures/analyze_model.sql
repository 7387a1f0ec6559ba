-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused. So every type, function and operator is qualified: the
-- caller's search_path may have others of these names.

CREATE PROCEDURE atomizer.analyze_model(model atomizer.regmodel, min_parameters bigint DEFAULT 0)
LANGUAGE plpgsql AS $procedure$
DECLARE
    step     pg_catalog.record;
    place    integer := 0;
    measured integer := 0;
    failed   integer := 0;
    small    integer := 0;
    failure  pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('analyze_model');
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.analyze_step(model, min_parameters, place) AS s;
        PERFORM atomizer_internal.check_commit('analyze_model');
        COMMIT;
        place := step.next_tensor;
        measured := measured OPERATOR(pg_catalog.+) step.measured;
        failed := failed OPERATOR(pg_catalog.+) step.failed;
        small := small OPERATOR(pg_catalog.+) step.small;
        failure := coalesce(failure, step.failure);
        EXIT WHEN place IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.analyze_end_line(model, min_parameters, measured, failed, small, failure);
END $procedure$;
COMMENT ON PROCEDURE atomizer.analyze_model(atomizer.regmodel, bigint) IS
    'Measures the matrices of a model with at least min_parameters weights by their singular values, and stores what it finds: the views layer_spectrum and model_spectrum then answer at once. Commits as it goes: call it again to resume.';
GRANT EXECUTE ON PROCEDURE atomizer.analyze_model(atomizer.regmodel, bigint) TO PUBLIC;
