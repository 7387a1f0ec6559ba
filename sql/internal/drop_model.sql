-- drop_model() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.drop_model(caller oid, model bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model;
    tensors bigint;
BEGIN
    -- The job first: a step of its ingestion locks it first, too.
    PERFORM FROM atomizer.ingestion_job j WHERE j.model_id = model FOR UPDATE;
    found_row := atomizer_internal.require_model(caller, model);
    IF EXISTS (SELECT FROM atomizer.ingestion_job j WHERE j.model_id = model AND atomizer_internal.is_held(j)) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('model "%s" is being ingested', found_row.model_name),
            HINT = 'Stop its job with cancel_ingestion_job() first.';
    END IF;
    IF found_row.is_complete THEN
        PERFORM atomizer_internal.release_weight_refs(model);
    END IF;
    tensors := atomizer_internal.forget_contents(model);
    DELETE FROM atomizer.model m WHERE m.model_id = model;
    RETURN tensors;
END $$;
COMMENT ON FUNCTION atomizer_internal.drop_model(oid, bigint) IS 'Implements drop_model().';
