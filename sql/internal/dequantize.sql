COMMENT ON FUNCTION atomizer_internal.dequantize(bytea, text) IS 'Implements dequantize().';
GRANT EXECUTE ON FUNCTION atomizer_internal.dequantize(bytea, text) TO PUBLIC;
