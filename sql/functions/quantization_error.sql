COMMENT ON FUNCTION atomizer.quantization_error(bigint, text) IS
    'What a stored tensor would lose in a smaller type (any that quantize() produces, or INT8: a signed byte per weight and a scale per row): root mean square error, largest error, signal-to-noise ratio in dB. All null when the tensor''s rows do not fill whole blocks of that type. Example: SELECT * FROM quantization_error(42, ''Q4_K'').';
ALTER FUNCTION atomizer.quantization_error(bigint, text) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.quantization_error(bigint, text) TO PUBLIC;
