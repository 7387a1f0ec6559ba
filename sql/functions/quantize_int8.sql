COMMENT ON FUNCTION atomizer.quantize_int8(real[], integer) IS
    'Quantizes rows of so many columns to one signed byte per weight and one scale per row: weight = code * scale.';
ALTER FUNCTION atomizer.quantize_int8(real[], integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.quantize_int8(real[], integer) TO PUBLIC;
