-- To weights and back. Every quantization type is a data type, too: with this cast the functions take
-- both columns of extract_model_weights(), and a literal.

CREATE CAST (atomizer.quantization_type AS atomizer.tensor_dtype) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (atomizer.quantization_type AS atomizer.tensor_dtype) IS 'Every quantization type is a data type.';

CREATE FUNCTION atomizer.dequantize(weight_data bytea, quantization_type atomizer.tensor_dtype) RETURNS real[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer._dequantize(weight_data, quantization_type::text);
COMMENT ON FUNCTION atomizer.dequantize(bytea, atomizer.tensor_dtype) IS
    'The weights of a tensor''s raw bytes: dequantize(weight_data, ''Q4_K''). Bit for bit what gguf-py makes of them.';

CREATE FUNCTION atomizer.dequantize_bytes(weight_data bytea, quantization_type atomizer.tensor_dtype) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer._dequantize_bytes(weight_data, quantization_type::text);
COMMENT ON FUNCTION atomizer.dequantize_bytes(bytea, atomizer.tensor_dtype) IS
    'As dequantize, but the weights as little-endian 32-bit floats in one bytea, as numpy.frombuffer reads them.';

CREATE FUNCTION atomizer.quantize(weights real[], quantization_type atomizer.tensor_dtype) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer._quantize(weights, quantization_type::text);
COMMENT ON FUNCTION atomizer.quantize(real[], atomizer.tensor_dtype) IS
    'Weights in blocks of a smaller type, as ggml''s reference quantizes them; quantization_types() tells which types can be made.';
