CREATE SEQUENCE atomizer.tensor_atom_id_seq;
COMMENT ON SEQUENCE atomizer.tensor_atom_id_seq IS 'Values of tensor_atom.tensor_atom_id.';

CREATE TABLE atomizer.tensor_atom (
    tensor_atom_id           bigint PRIMARY KEY DEFAULT nextval('atomizer.tensor_atom_id_seq'),
    model_id                 bigint NOT NULL REFERENCES atomizer.model ON DELETE CASCADE,
    tenant_id                bigint NOT NULL,
    tensor_no                integer NOT NULL,
    layer_name               text NOT NULL,
    layer_idx                integer,
    layer_type               atomizer.layer_type NOT NULL,
    shape                    bigint[] NOT NULL,
    row_count                bigint GENERATED ALWAYS AS (coalesce(shape[1], 1)) STORED,
    row_width                bigint GENERATED ALWAYS AS (coalesce(shape[cardinality(shape)], 1)) STORED,
    data_type                atomizer.tensor_dtype NOT NULL,
    quantization_type        atomizer.quantization_type,
    quantization_scale       double precision,
    quantization_zero_point  integer,
    weight_count             bigint NOT NULL,
    byte_length              bigint NOT NULL,
    content_hash             bytea NOT NULL CHECK (length(content_hash) = 32),
    file_no                  integer NOT NULL,
    file_offset              bigint,
    has_weight_atoms         boolean NOT NULL DEFAULT false,
    sparsity                 double precision,
    importance_score         double precision,
    last_accessed_at         timestamptz,
    spatial_key              geometry(PointZ),
    hilbert_value            bigint,
    created_at               timestamptz NOT NULL DEFAULT now(),
    valid_from               timestamptz,
    valid_to                 timestamptz NOT NULL DEFAULT 'infinity',
    UNIQUE (model_id, tensor_no),
    UNIQUE (model_id, layer_name)
) WITH (parallel_workers = 4);  -- a small table, but a function of a row reads a tensor
CREATE INDEX tensor_atom_content_hash_idx ON atomizer.tensor_atom (content_hash);
COMMENT ON TABLE atomizer.tensor_atom IS 'One named tensor of one model; its bytes are the atom that content_hash names.';
COMMENT ON COLUMN atomizer.tensor_atom.tensor_atom_id IS 'Identifier of the tensor atom.';
COMMENT ON COLUMN atomizer.tensor_atom.model_id IS 'The model.';
COMMENT ON COLUMN atomizer.tensor_atom.tenant_id IS 'The tenant that owns the model.';
COMMENT ON COLUMN atomizer.tensor_atom.tensor_no IS 'Index of the tensor in the model''s files, from 0.';
COMMENT ON COLUMN atomizer.tensor_atom.layer_name IS 'Name in the file.';
COMMENT ON COLUMN atomizer.tensor_atom.layer_idx IS 'Number of the layer, where the name has one.';
COMMENT ON COLUMN atomizer.tensor_atom.layer_type IS 'Kind of layer, from the name.';
COMMENT ON COLUMN atomizer.tensor_atom.shape IS
    'Logical order, outermost axis first (a GGUF''s dimensions are reversed); empty for a scalar.';
COMMENT ON COLUMN atomizer.tensor_atom.row_count IS 'First extent; 1 for a scalar. With content and data type it names a decomposition in svd_component.';
COMMENT ON COLUMN atomizer.tensor_atom.row_width IS 'Last extent; 1 for a scalar. With content and data type it names the points in atom_embedding.';
COMMENT ON COLUMN atomizer.tensor_atom.data_type IS 'How the weights are stored.';
COMMENT ON COLUMN atomizer.tensor_atom.quantization_type IS 'Block quantization, or null for a plain type.';
COMMENT ON COLUMN atomizer.tensor_atom.quantization_scale IS
    'Scale of a tensor quantized as a whole; null where blocks carry their own.';
COMMENT ON COLUMN atomizer.tensor_atom.quantization_zero_point IS
    'Zero point of a tensor quantized as a whole; null where blocks carry their own.';
COMMENT ON COLUMN atomizer.tensor_atom.weight_count IS 'Number of weights: the product of the shape.';
COMMENT ON COLUMN atomizer.tensor_atom.byte_length IS 'Size of the tensor''s bytes.';
COMMENT ON COLUMN atomizer.tensor_atom.content_hash IS 'SHA-256 of the tensor''s bytes: its atom.';
COMMENT ON COLUMN atomizer.tensor_atom.file_no IS 'File of the model that holds the tensor.';
COMMENT ON COLUMN atomizer.tensor_atom.file_offset IS
    'First byte in that file; null where the bytes do not stand in it as they are (compressed, strided, shared) and are computed from it.';
COMMENT ON COLUMN atomizer.tensor_atom.has_weight_atoms IS 'True when every weight of it is counted in atom.';
COMMENT ON COLUMN atomizer.tensor_atom.sparsity IS 'Share of weights that are zero; null where they cannot be decoded.';
COMMENT ON COLUMN atomizer.tensor_atom.importance_score IS 'For pruning tools: nothing here writes it.';
COMMENT ON COLUMN atomizer.tensor_atom.last_accessed_at IS 'For cache warming tools: nothing here writes it.';
COMMENT ON COLUMN atomizer.tensor_atom.spatial_key IS 'The tensor as a point in 3D; null until spatialize_model places it.';
COMMENT ON COLUMN atomizer.tensor_atom.hilbert_value IS 'Index of that point along the Hilbert curve.';
COMMENT ON COLUMN atomizer.tensor_atom.created_at IS 'When the tensor was first listed.';
COMMENT ON COLUMN atomizer.tensor_atom.valid_from IS 'When the row became current; null until the model is complete.';
COMMENT ON COLUMN atomizer.tensor_atom.valid_to IS 'When the row was replaced; infinity for current rows, a time in tensor_atom_history.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.tensor_atom ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.tensor_atom FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.tensor_atom IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.tensor_atom TO PUBLIC;

-- pg_dump keeps its rows and the place of its sequence.
SELECT pg_catalog.pg_extension_config_dump('atomizer.tensor_atom_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('atomizer.tensor_atom', '');
