-- The names are ggml's and safetensors' own; a test holds the list against the engine's table.
CREATE TYPE atomizer.tensor_dtype AS ENUM (
    'F32', 'F16', 'BF16', 'F64', 'F8_E4M3', 'F8_E5M2', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F8_E8M0',
    'F6_E2M3', 'F6_E3M2', 'F4', 'C64', 'C128', 'I4', 'U4', 'I2', 'U2',
    'I8', 'I16', 'I32', 'I64', 'U8', 'U16', 'U32', 'U64', 'BOOL',
    'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q8_1', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_K',
    'IQ2_XXS', 'IQ2_XS', 'IQ3_XXS', 'IQ1_S', 'IQ4_NL', 'IQ3_S', 'IQ2_S', 'IQ4_XS', 'IQ1_M',
    'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4', 'Q1_0', 'Q2_0');
COMMENT ON TYPE atomizer.tensor_dtype IS
    'How a tensor''s weights are stored: plain types, and ggml''s block-quantized types.';
GRANT USAGE ON TYPE atomizer.tensor_dtype TO PUBLIC;
