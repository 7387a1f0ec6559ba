COMMENT ON FUNCTION atomizer.register_model(text, text, text, text, jsonb) IS
    'Registers a model for one of the caller''s tenants and returns its model_id.';
GRANT EXECUTE ON FUNCTION atomizer.register_model(text, text, text, text, jsonb) TO PUBLIC;
