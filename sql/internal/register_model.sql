-- register_model() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.register_model(
    caller oid, model_name text, tenant text, model_type text, provider text, properties jsonb)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM atomizer_internal.check_model_name(model_name);
    INSERT INTO atomizer.model (tenant_id, model_name, model_type, provider, properties)
    VALUES (atomizer_internal.tenant_of(caller, tenant), register_model.model_name, register_model.model_type,
            register_model.provider, register_model.properties)
    ON CONFLICT ON CONSTRAINT model_tenant_id_model_name_key DO NOTHING
    RETURNING model_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('model "%s" exists already', model_name),
            HINT = 'Choose another name, or remove the old model with drop_model().';
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer_internal.register_model(oid, text, text, text, text, jsonb) IS 'Implements register_model().';
