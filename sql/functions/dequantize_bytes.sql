CREATE FUNCTION atomizer.dequantize_bytes(weight_data bytea, quantization_type atomizer.tensor_dtype) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.dequantize_bytes(weight_data, quantization_type::text);
COMMENT ON FUNCTION atomizer.dequantize_bytes(bytea, atomizer.tensor_dtype) IS
    'As dequantize(), with the weights as little-endian 32-bit floats in one bytea, as numpy.frombuffer reads them.';
GRANT EXECUTE ON FUNCTION atomizer.dequantize_bytes(bytea, atomizer.tensor_dtype) TO PUBLIC;

-- A literal, in any case.
CREATE FUNCTION atomizer.dequantize_bytes(weight_data bytea, quantization_type text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.dequantize_bytes(weight_data, quantization_type);
COMMENT ON FUNCTION atomizer.dequantize_bytes(bytea, text) IS 'The same with the name of the type as text, in any case.';
GRANT EXECUTE ON FUNCTION atomizer.dequantize_bytes(bytea, text) TO PUBLIC;
