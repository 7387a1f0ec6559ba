COMMENT ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, bigint) IS
    'Tensors of a model file with their raw bytes as they are in the file (weight_data), which dequantize() turns into weights.';
GRANT EXECUTE ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, bigint) TO PUBLIC;
