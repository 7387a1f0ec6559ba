-- update_model() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.update_model(
    caller oid, model bigint, model_name text, model_type text, provider text, properties jsonb)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM atomizer_internal.require_model(caller, model);
    PERFORM atomizer_internal.check_model_name(update_model.model_name);
    UPDATE atomizer.model m
    SET model_name = coalesce(update_model.model_name, m.model_name),
        model_type = CASE WHEN update_model.model_type IS NULL THEN m.model_type ELSE nullif(update_model.model_type, '') END,
        provider = CASE WHEN update_model.provider IS NULL THEN m.provider ELSE nullif(update_model.provider, '') END,
        properties = coalesce(update_model.properties, m.properties)
    WHERE m.model_id = model;
    RETURN NULL;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('model "%s" exists already', update_model.model_name),
            HINT = 'Choose another name, or remove the other model with drop_model().';
END $$;
COMMENT ON FUNCTION atomizer_internal.update_model(oid, bigint, text, text, text, jsonb) IS 'Implements update_model().';
