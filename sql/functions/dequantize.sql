CREATE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type atomizer.tensor_dtype) RETURNS real[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer._dequantize(weight_data, quantization_type::text);
COMMENT ON FUNCTION atomizer.dequantize(bytea, atomizer.tensor_dtype) IS
    'Weights of a tensor''s raw bytes as real[], bit for bit as gguf-py decodes them. Example: SELECT dequantize(weight_data, ''Q4_K'').';
GRANT EXECUTE ON FUNCTION atomizer.dequantize(bytea, atomizer.tensor_dtype) TO PUBLIC;
