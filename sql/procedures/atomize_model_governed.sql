-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused. So every type, function and operator is qualified: the
-- caller's search_path may have others of these names.

CREATE PROCEDURE atomizer.atomize_model_governed(
    ingestion_job_id bigint, model_bytes bytea DEFAULT NULL, model_format text DEFAULT NULL)
LANGUAGE plpgsql AS $procedure$
DECLARE
    token     pg_catalog.uuid;
    step      pg_catalog.record;
    begun     pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    state     pg_catalog.text;
    message   pg_catalog.text;
    detail    pg_catalog.text;
    hint      pg_catalog.text;
BEGIN
    PERFORM atomizer_internal.check_may_commit('atomize_model_governed');
    IF ingestion_job_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'ingestion_job_id must not be null';
    END IF;
    token := atomizer_internal.claim_ingestion_job(ingestion_job_id);
    PERFORM atomizer_internal.check_commit('atomize_model_governed');
    COMMIT;
    IF token IS NULL THEN
        RAISE NOTICE 'ingestion job % is complete already', ingestion_job_id;
        RETURN;
    END IF;
    LOOP
        BEGIN
            SELECT s.* INTO step FROM atomizer_internal.ingestion_step(ingestion_job_id, token, model_bytes, model_format) AS s;
        EXCEPTION
            -- OTHERS does not include a cancelled query: Ctrl-C must give the lease back, too.
            WHEN query_canceled OR OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        END;
        IF state IS NOT NULL THEN
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token,
                CASE WHEN state OPERATOR(pg_catalog.=) '57014' THEN 'Pending' ELSE 'Failed' END, state, message, detail, hint);
            COMMIT;
            -- An empty detail or hint would be shown as an empty line, and null is refused.
            IF detail OPERATOR(pg_catalog.=) '' AND hint OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
            ELSIF detail OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hint;
            ELSIF hint OPERATOR(pg_catalog.=) '' THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
            END IF;
            RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
        END IF;
        IF step.phase OPERATOR(pg_catalog.=) 'cancelled' THEN
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token, 'Cancelled');
        END IF;
        IF step.problem IS NOT NULL THEN
            hint := 'Restore the file and call atomize_model_governed again, or start over with reset_ingestion_job().';
            PERFORM atomizer_internal.release_ingestion_job(ingestion_job_id, token, 'Failed', '55000', step.problem, NULL, hint);
        END IF;
        COMMIT;
        IF step.problem IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = step.problem, HINT = hint;
        END IF;
        IF step.phase OPERATOR(pg_catalog.=) 'cancelled' THEN
            RAISE NOTICE 'ingestion job % was cancelled after % of % atoms; CALL atomize_model_governed(%) resumes it',
                ingestion_job_id, step.atoms_processed, step.total_atoms, ingestion_job_id;
            RETURN;
        END IF;
        EXIT WHEN step.phase OPERATOR(pg_catalog.=) 'complete';
        IF step.phase OPERATOR(pg_catalog.=) 'planned' THEN
            RAISE NOTICE '%', atomizer_internal.plan_line(ingestion_job_id);
        END IF;
    END LOOP;
    RAISE NOTICE '%', atomizer_internal.completion_line(ingestion_job_id, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) begun);
END $procedure$;
COMMENT ON PROCEDURE atomizer.atomize_model_governed(bigint, bytea, text) IS
    'Runs an ingestion job: stores its model chunk by chunk, committing each, and verifies it. Call it again after any failure to resume. model_bytes passes the file''s bytes for a job without path or large object; model_format refuses any other format.';
GRANT EXECUTE ON PROCEDURE atomizer.atomize_model_governed(bigint, bytea, text) TO PUBLIC;
