COMMENT ON FUNCTION atomizer_internal.dequantize_bytes(bytea, text) IS 'Implements dequantize_bytes().';
GRANT EXECUTE ON FUNCTION atomizer_internal.dequantize_bytes(bytea, text) TO PUBLIC;
