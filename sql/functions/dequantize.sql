CREATE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type atomizer.tensor_dtype) RETURNS real[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.dequantize(weight_data, quantization_type::text);
COMMENT ON FUNCTION atomizer.dequantize(bytea, atomizer.tensor_dtype) IS
    'Weights of a tensor''s raw bytes as real[], bit for bit as gguf-py decodes them. Example: SELECT dequantize(weight_data, ''Q4_K'').';
GRANT EXECUTE ON FUNCTION atomizer.dequantize(bytea, atomizer.tensor_dtype) TO PUBLIC;

-- A literal, in any case.
CREATE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type text) RETURNS real[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.dequantize(weight_data, quantization_type);
COMMENT ON FUNCTION atomizer.dequantize(bytea, text) IS 'The same with the name of the type as text, in any case.';
GRANT EXECUTE ON FUNCTION atomizer.dequantize(bytea, text) TO PUBLIC;
