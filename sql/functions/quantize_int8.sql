COMMENT ON FUNCTION atomizer.quantize_int8(real[], integer) IS
    'Rows of so many columns as one signed byte a weight, with one scale a row: weight = code * scale.';
ALTER FUNCTION atomizer.quantize_int8(real[], integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.quantize_int8(real[], integer) TO PUBLIC;
