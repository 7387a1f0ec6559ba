-- One plain statement that Postgres inlines: in its select list the function in C streams; in FROM, Postgres would collect
-- all rows first.
CREATE FUNCTION atomizer.extract_model_weights(
    model_bytes bytea DEFAULT NULL,
    model_format text DEFAULT NULL,
    model_lo oid DEFAULT NULL,
    model_path text DEFAULT NULL,
    model atomizer.regmodel DEFAULT NULL,
    layers text DEFAULT NULL,
    strict boolean DEFAULT false)
RETURNS TABLE (layer_name text, shape bigint[], data_type atomizer.tensor_dtype, weight_data bytea, quantization_type atomizer.quantization_type, quantization_scale double precision, quantization_zero_point integer)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
    SELECT (s.t).layer_name, (s.t).shape, (s.t).data_type, (s.t).weight_data, (s.t).quantization_type, (s.t).quantization_scale, (s.t).quantization_zero_point
    FROM (SELECT atomizer_internal.extract_model_weights(model_bytes, model_format, model_lo, model_path, model, layers, strict) AS t) s;
END;
COMMENT ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text, boolean) IS
    'Tensors of a model file with their raw bytes as they are in the file (weight_data), which dequantize() turns into weights. layers: a pattern of LIKE for the names; the bytes of others are not read. strict: an error when something in the file is not among its tensors.';
GRANT EXECUTE ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text, boolean) TO PUBLIC;
