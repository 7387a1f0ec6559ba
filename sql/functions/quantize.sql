CREATE FUNCTION atomizer.quantize(weights real[], quantization_type atomizer.tensor_dtype) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.quantize(weights, quantization_type::text);
COMMENT ON FUNCTION atomizer.quantize(real[], atomizer.tensor_dtype) IS
    'Weights in blocks of a smaller type, as ggml''s reference code quantizes them; quantization_types() lists the types it supports.';
GRANT EXECUTE ON FUNCTION atomizer.quantize(real[], atomizer.tensor_dtype) TO PUBLIC;

-- A literal, in any case.
CREATE FUNCTION atomizer.quantize(weights real[], quantization_type text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN atomizer_internal.quantize(weights, quantization_type);
COMMENT ON FUNCTION atomizer.quantize(real[], text) IS 'The same with the name of the type as text, in any case.';
GRANT EXECUTE ON FUNCTION atomizer.quantize(real[], text) TO PUBLIC;
