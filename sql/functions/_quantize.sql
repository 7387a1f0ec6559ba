COMMENT ON FUNCTION atomizer._quantize(real[], text) IS 'Implements quantize().';
GRANT EXECUTE ON FUNCTION atomizer._quantize(real[], text) TO PUBLIC;
