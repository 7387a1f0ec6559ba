CREATE FUNCTION atomizer.quantize(weights real[], quantization_type atomizer.tensor_dtype) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN atomizer._quantize(weights, quantization_type::text);
COMMENT ON FUNCTION atomizer.quantize(real[], atomizer.tensor_dtype) IS
    'Weights in blocks of a smaller type, as ggml''s reference code quantizes them; quantization_types() lists the types it supports.';
GRANT EXECUTE ON FUNCTION atomizer.quantize(real[], atomizer.tensor_dtype) TO PUBLIC;
