CREATE FUNCTION atomizer_internal.require_model(caller oid, model bigint) RETURNS atomizer.model
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model;
BEGIN
    SELECT * INTO found_row FROM atomizer.model m
    WHERE m.model_id = model AND atomizer_internal.may_act_for(caller, m.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('model %s does not exist, or is not yours', model),
            HINT = 'SELECT * FROM atomizer.model shows your models.';
    END IF;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION atomizer_internal.require_model(oid, bigint) IS 'Locks a model that a role acts for, or raises an error.';
