COMMENT ON FUNCTION atomizer.detect_model_format(bytea, oid, text) IS
    'Format of a model file, from its content alone: detect_model_format(model_path => ''/models/x.gguf'').';
GRANT EXECUTE ON FUNCTION atomizer.detect_model_format(bytea, oid, text) TO PUBLIC;
