COMMENT ON FUNCTION atomizer._dequantize_bytes(bytea, text) IS 'Implements dequantize_bytes().';
GRANT EXECUTE ON FUNCTION atomizer._dequantize_bytes(bytea, text) TO PUBLIC;
