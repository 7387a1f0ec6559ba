COMMENT ON FUNCTION atomizer.quantization_error(bigint, text) IS
    'What a stored tensor would lose in a smaller type (any that quantize() produces, or INT8: a signed byte per weight and a scale per row): root mean square error, largest error, signal-to-noise ratio in dB. All null when the tensor''s rows do not fill whole blocks of that type. Example: SELECT * FROM quantization_error(42, ''Q4_K'').';
ALTER FUNCTION atomizer.quantization_error(bigint, text) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.quantization_error(bigint, text) TO PUBLIC;

CREATE FUNCTION atomizer.quantization_error(model atomizer.regmodel, tensor text, quantization_type text)
RETURNS TABLE(weight_count bigint, bits_per_weight double precision, rmse double precision,
    max_error double precision, snr_db double precision, nan_count bigint, inf_count bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM atomizer.quantization_error(atomizer.tensor_id(model, tensor), quantization_type);
END;
COMMENT ON FUNCTION atomizer.quantization_error(atomizer.regmodel, text, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.quantization_error(atomizer.regmodel, text, text) TO PUBLIC;
