COMMENT ON FUNCTION atomizer._dequantize(bytea, text) IS 'What dequantize() does.';
GRANT EXECUTE ON FUNCTION atomizer._dequantize(bytea, text) TO PUBLIC;
