COMMENT ON FUNCTION atomizer_internal.quantize(real[], text) IS 'Implements quantize().';
GRANT EXECUTE ON FUNCTION atomizer_internal.quantize(real[], text) TO PUBLIC;
