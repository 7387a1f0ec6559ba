COMMENT ON FUNCTION atomizer._dequantize(bytea, text) IS 'Implements dequantize().';
GRANT EXECUTE ON FUNCTION atomizer._dequantize(bytea, text) TO PUBLIC;
