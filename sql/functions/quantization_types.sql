COMMENT ON FUNCTION atomizer.quantization_types() IS
    'Every quantization type: bits for each weight, size against F32, block, and whether dequantize() and quantize() know it.';
ALTER FUNCTION atomizer.quantization_types() ROWS 40;
GRANT EXECUTE ON FUNCTION atomizer.quantization_types() TO PUBLIC;
