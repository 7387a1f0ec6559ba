CREATE FUNCTION atomizer_internal.check_model_name(model_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF model_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a model needs a name';
    ELSIF model_name ~ '^[0-9]+$' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name',
            MESSAGE = format('the name of a model must not be a number, as "%s" is', model_name),
            HINT = 'Where a model is given by name, a number is its model_id.';
    ELSIF length(model_name) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
            MESSAGE = format('the name of a model has %s characters (at most 500)', length(model_name));
    END IF;
END $$;
COMMENT ON FUNCTION atomizer_internal.check_model_name(text) IS 'Raises an error for a name that no model may have.';
