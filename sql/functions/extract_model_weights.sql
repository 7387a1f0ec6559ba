COMMENT ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, bigint) IS
    'Tensors of a model file with their raw bytes, as they stand in the file.';
GRANT EXECUTE ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, bigint) TO PUBLIC;
