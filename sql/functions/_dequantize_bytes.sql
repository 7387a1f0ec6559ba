COMMENT ON FUNCTION atomizer._dequantize_bytes(bytea, text) IS 'What dequantize_bytes() does.';
GRANT EXECUTE ON FUNCTION atomizer._dequantize_bytes(bytea, text) TO PUBLIC;
