-- With this cast dequantize() and quantize() take both columns of extract_model_weights(), and a literal.
CREATE CAST (atomizer.quantization_type AS atomizer.tensor_dtype) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (atomizer.quantization_type AS atomizer.tensor_dtype) IS 'Every quantization type is a data type.';
