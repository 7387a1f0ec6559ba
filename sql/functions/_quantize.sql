COMMENT ON FUNCTION atomizer._quantize(real[], text) IS 'What quantize() does.';
GRANT EXECUTE ON FUNCTION atomizer._quantize(real[], text) TO PUBLIC;
