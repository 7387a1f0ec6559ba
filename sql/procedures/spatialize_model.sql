-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused. So every type, function and operator is qualified: the
-- caller's search_path may have others of these names.

CREATE PROCEDURE atomizer.spatialize_model(model atomizer.regmodel, granularity text DEFAULT 'tensor')
LANGUAGE plpgsql AS $procedure$
DECLARE
    step         pg_catalog.record;
    line         pg_catalog.text;
    next_tensor  integer := 0;
    begun        pg_catalog.timestamptz := pg_catalog.clock_timestamp();
BEGIN
    PERFORM atomizer_internal.check_may_commit('spatialize_model');
    IF model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'model must not be null';
    END IF;
    IF granularity IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'granularity must not be null';
    END IF;
    granularity := pg_catalog.lower(granularity);
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.spatialize_step(model, granularity, next_tensor) AS s;
        PERFORM atomizer_internal.check_commit('spatialize_model');
        COMMIT;
        FOREACH line IN ARRAY step.notices LOOP
            RAISE NOTICE '%', line;
        END LOOP;
        next_tensor := step.next_tensor;
        EXIT WHEN next_tensor IS NULL;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.spatial_end_line(model, granularity,
        pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun);
END $procedure$;
COMMENT ON PROCEDURE atomizer.spatialize_model(atomizer.regmodel, text) IS
    'Gives a model''s tensors (granularity tensor) or the rows of its matrices (row) their points in space, each content once, committing as it goes. Call it again after any failure to resume.';
GRANT EXECUTE ON PROCEDURE atomizer.spatialize_model(atomizer.regmodel, text) TO PUBLIC;
