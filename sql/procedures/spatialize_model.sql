-- Giving a model's tensors, or rows of its matrices, their points. No SET clause and no SECURITY
-- DEFINER: with either, COMMIT is refused.

CREATE PROCEDURE atomizer.spatialize_model(model_id bigint, granularity text DEFAULT 'tensor')
LANGUAGE plpgsql AS $procedure$
DECLARE
    step         record;
    line         text;
    next_tensor  integer := 0;
    first_weight bigint;
    begun        timestamptz := clock_timestamp();
    noticed      timestamptz := clock_timestamp();
BEGIN
    PERFORM atomizer._check_may_commit('spatialize_model');
    IF spatialize_model.model_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'model_id must not be null';
    END IF;
    IF granularity IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'granularity must not be null';
    END IF;
    LOOP
        SELECT s.* INTO step FROM atomizer._spatialize_step(spatialize_model.model_id, granularity, next_tensor) AS s;
        COMMIT;
        first_weight := coalesce(first_weight, step.weights_done);
        FOREACH line IN ARRAY step.notices LOOP
            RAISE NOTICE '%', line;
        END LOOP;
        next_tensor := step.next_tensor;
        EXIT WHEN next_tensor IS NULL;
        IF clock_timestamp() OPERATOR(pg_catalog.-) noticed OPERATOR(pg_catalog.>) '1 second'::pg_catalog.interval THEN
            noticed := clock_timestamp();
            RAISE NOTICE '%', atomizer._spatial_line(step.weights_done, step.total_weights,
                step.weights_done OPERATOR(pg_catalog.-) first_weight, noticed OPERATOR(pg_catalog.-) begun);
        END IF;
    END LOOP;
    RAISE NOTICE '%', atomizer._spatial_end_line(spatialize_model.model_id, granularity,
        clock_timestamp() OPERATOR(pg_catalog.-) begun);
END $procedure$;
COMMENT ON PROCEDURE atomizer.spatialize_model(bigint, text) IS
    'Places a model''s tensors (granularity tensor) or the rows of its matrices (row: a token or neuron each) in space, each content once, committing as it goes. Call it again after any failure: it resumes.';

CREATE FUNCTION atomizer._spatial_line(
    done bigint, total bigint, done_here bigint, elapsed interval) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s %% of %s weights', round(100.0 * done / greatest(total, 1)), total)
        || CASE WHEN done_here > 0 THEN
               format(', %s to go', justify_interval(make_interval(secs => ceil(extract(epoch FROM elapsed) * (total - done) / done_here))))
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer._spatial_line(bigint, bigint, bigint, interval) IS 'One line of progress of spatialize_model().';

CREATE FUNCTION atomizer._spatial_end_line(model bigint, granularity text, elapsed interval) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Not how many are new: that would tell what other tenants hold.
    SELECT format('model %s: %s %ss placed, %s s', model,
                  (SELECT count(*) FROM atomizer.atom_points p
                   WHERE p.model_id = model AND (p.row_no < 0) = (granularity = 'tensor')),
                  granularity, round(extract(epoch FROM elapsed), 1))
        || CASE WHEN to_regclass('atomizer.atom_embedding_spatial_key_idx') IS NULL THEN
               '; SELECT * FROM atomizer.build_spatial_indexes() makes the indexes that find them (for administrators)'
           ELSE '' END;
END;
COMMENT ON FUNCTION atomizer._spatial_end_line(bigint, text, interval) IS 'The last line of spatialize_model().';
