-- A test holds the list against the engine's table.
CREATE TYPE atomizer.layer_type AS ENUM (
    'Embedding', 'PositionEmbedding', 'TimeEmbedding', 'Attention', 'CrossAttention', 'FeedForward',
    'Dense', 'Convolution', 'Normalization', 'BatchNorm', 'Recurrent', 'StateSpace', 'Router',
    'Expert', 'Adapter', 'RotaryEmbedding', 'Pooling', 'Output', 'UNetDown', 'UNetMid', 'UNetUp',
    'VAE', 'TextEncoder', 'Unknown');
COMMENT ON TYPE atomizer.layer_type IS 'Kind of layer, from the tensor''s name.';
GRANT USAGE ON TYPE atomizer.layer_type TO PUBLIC;
