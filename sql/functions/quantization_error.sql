COMMENT ON FUNCTION atomizer.quantization_error(bigint, text) IS
    'What a stored tensor would lose in a smaller type (any that quantize() makes, or INT8: a signed byte a weight and a scale a row): root of the mean square error, greatest error, signal-to-noise ratio in dB.';
ALTER FUNCTION atomizer.quantization_error(bigint, text) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.quantization_error(bigint, text) TO PUBLIC;
