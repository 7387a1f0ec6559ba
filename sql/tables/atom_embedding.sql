-- Computed once for each distinct content that is read in the same way: the same bytes may be weights of
-- another type, or rows of another length.

CREATE TABLE atomizer.atom_embedding (
    content_hash     bytea NOT NULL,
    data_type        atomizer.tensor_dtype NOT NULL,
    row_width        bigint NOT NULL,
    row_no           bigint NOT NULL DEFAULT -1,
    spatial_key      geometry(PointZ) NOT NULL,
    hilbert_value    bigint NOT NULL,
    spatial_bucket_x integer NOT NULL,
    spatial_bucket_y integer NOT NULL,
    spatial_bucket_z integer NOT NULL,
    PRIMARY KEY (content_hash, data_type, row_width, row_no)
);
COMMENT ON TABLE atomizer.atom_embedding IS 'Tensors, and rows of matrices, as points in the box -100 to 100: spatialize_model fills it.';
COMMENT ON COLUMN atomizer.atom_embedding.content_hash IS 'The tensor''s content.';
COMMENT ON COLUMN atomizer.atom_embedding.data_type IS 'Data type that its weights are read as.';
COMMENT ON COLUMN atomizer.atom_embedding.row_width IS 'Weights of a row.';
COMMENT ON COLUMN atomizer.atom_embedding.row_no IS 'Row of the matrix, or -1 for the tensor as a whole.';
COMMENT ON COLUMN atomizer.atom_embedding.spatial_key IS 'The point.';
COMMENT ON COLUMN atomizer.atom_embedding.hilbert_value IS 'Index along the Hilbert curve: compute_hilbert_value(spatial_key).';
COMMENT ON COLUMN atomizer.atom_embedding.spatial_bucket_x IS 'x, rounded down to an integer.';
COMMENT ON COLUMN atomizer.atom_embedding.spatial_bucket_y IS 'y, rounded down to an integer.';
COMMENT ON COLUMN atomizer.atom_embedding.spatial_bucket_z IS 'z, rounded down to an integer.';

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.atom_embedding', '');
