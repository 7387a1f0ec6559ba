-- Every enumerated type. Names of data types are ggml's and safetensors' own; a test holds these
-- lists against the engine's tables.

CREATE TYPE atomizer.model_format AS ENUM (
    'GGUF', 'SafeTensors', 'ONNX', 'PyTorch', 'TensorFlow', 'StableDiffusion', 'NumPy');
COMMENT ON TYPE atomizer.model_format IS
    'File format of a model, told from its content. StableDiffusion may be asked for: its files are SafeTensors or PyTorch, and its architectures are in model.architecture.';

CREATE TYPE atomizer.tensor_dtype AS ENUM (
    'F32', 'F16', 'BF16', 'F64', 'F8_E4M3', 'F8_E5M2', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F8_E8M0',
    'F6_E2M3', 'F6_E3M2', 'F4', 'C64', 'C128', 'I4', 'U4', 'I2', 'U2',
    'I8', 'I16', 'I32', 'I64', 'U8', 'U16', 'U32', 'U64', 'BOOL',
    'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q8_1', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_K',
    'IQ2_XXS', 'IQ2_XS', 'IQ3_XXS', 'IQ1_S', 'IQ4_NL', 'IQ3_S', 'IQ2_S', 'IQ4_XS', 'IQ1_M',
    'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4', 'Q1_0');
COMMENT ON TYPE atomizer.tensor_dtype IS
    'How a tensor''s weights are stored: plain types, and ggml''s block-quantized types.';

CREATE TYPE atomizer.quantization_type AS ENUM (
    'F32', 'F16', 'BF16',
    'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q8_1', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_K',
    'IQ2_XXS', 'IQ2_XS', 'IQ3_XXS', 'IQ1_S', 'IQ4_NL', 'IQ3_S', 'IQ2_S', 'IQ4_XS', 'IQ1_M',
    'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4', 'Q1_0');
COMMENT ON TYPE atomizer.quantization_type IS
    'Block quantization of a tensor. A tensor of a plain type has none (null).';

CREATE TYPE atomizer.layer_type AS ENUM (
    'Embedding', 'PositionEmbedding', 'TimeEmbedding', 'Attention', 'CrossAttention', 'FeedForward',
    'Dense', 'Convolution', 'Normalization', 'BatchNorm', 'Recurrent', 'StateSpace', 'Router',
    'Expert', 'Adapter', 'RotaryEmbedding', 'Pooling', 'Output', 'UNetDown', 'UNetMid', 'UNetUp',
    'VAE', 'TextEncoder', 'Unknown');
COMMENT ON TYPE atomizer.layer_type IS 'The kind of layer that a tensor''s name tells.';

CREATE TYPE atomizer.job_status AS ENUM ('Pending', 'Processing', 'Complete', 'Failed', 'Cancelled');
COMMENT ON TYPE atomizer.job_status IS 'Where an ingestion job stands.';

CREATE TYPE atomizer.atom_kind AS ENUM ('tensor', 'blob', 'weight');
COMMENT ON TYPE atomizer.atom_kind IS
    'What an atom holds: a tensor''s bytes, a file''s other bytes, or one weight.';

CREATE TYPE atomizer.atom_granularity AS ENUM ('auto', 'weight', 'tensor');
COMMENT ON TYPE atomizer.atom_granularity IS
    'Which atoms an ingestion makes: tensors only, weights too, or weights of those data types that share each value at least 256 times (auto).';

CREATE TYPE atomizer.pruning_strategy AS ENUM (
    'MagnitudeBased', 'GradientBased', 'ImportanceBased', 'ActivationBased', 'Lottery', 'SNIP', 'Random');
COMMENT ON TYPE atomizer.pruning_strategy IS 'Reserved for pruning, which is not built yet.';

CREATE TYPE atomizer.spatial_index_strategy AS ENUM (
    'RTree', 'Hilbert3D', 'Morton2D', 'Morton3D', 'KDTree', 'BallTree', 'Grid');
COMMENT ON TYPE atomizer.spatial_index_strategy IS 'Index of a spatial query: RTree (GiST on the geometry) or Hilbert3D (btree on the Hilbert value); the others are reserved.';
