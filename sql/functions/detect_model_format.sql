COMMENT ON FUNCTION atomizer.detect_model_format(bytea, oid, text) IS
    'Format of a model file, detected from its content, not its name. Example: SELECT detect_model_format(model_path => ''/models/x.gguf'').';
GRANT EXECUTE ON FUNCTION atomizer.detect_model_format(bytea, oid, text) TO PUBLIC;
