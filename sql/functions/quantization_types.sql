COMMENT ON FUNCTION atomizer.quantization_types() IS
    'Every quantization type: bits per weight, size relative to F32, weights and bytes of a block, and whether dequantize() and quantize() support it.';
ALTER FUNCTION atomizer.quantization_types() ROWS 40;
GRANT EXECUTE ON FUNCTION atomizer.quantization_types() TO PUBLIC;
