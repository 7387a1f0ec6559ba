-- Computed once for each distinct content that is read in the same way: the same bytes may be weights of
-- another type, or rows of another length.

CREATE TABLE atomizer.svd_component (
    content_hash        bytea NOT NULL,
    data_type           atomizer.tensor_dtype NOT NULL,
    row_count           bigint NOT NULL,
    rank                integer NOT NULL CHECK (rank > 0),
    u_matrix            bytea NOT NULL,
    s_vector            bytea NOT NULL,
    vt_matrix           bytea NOT NULL,
    compression_ratio   double precision NOT NULL,
    explained_variance  double precision NOT NULL,
    relative_error      double precision NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (content_hash, data_type, row_count, rank)
);
-- Floats don't compress: neither time nor a detour for it.
ALTER TABLE atomizer.svd_component ALTER u_matrix SET STORAGE EXTERNAL, ALTER vt_matrix SET STORAGE EXTERNAL;
COMMENT ON TABLE atomizer.svd_component IS
    'Truncated singular value decompositions of tensors, by compress_model(): the tensor, its first axis by all others, is nearly u * diag(s) * vt. Numbers are little-endian 32-bit floats, row by row.';
COMMENT ON COLUMN atomizer.svd_component.content_hash IS 'The tensor''s content.';
COMMENT ON COLUMN atomizer.svd_component.data_type IS 'Data type that its weights are read as.';
COMMENT ON COLUMN atomizer.svd_component.row_count IS 'Rows of the matrix: the tensor''s first extent.';
COMMENT ON COLUMN atomizer.svd_component.rank IS 'Number of singular values kept: the rank requested, or all there are.';
COMMENT ON COLUMN atomizer.svd_component.u_matrix IS 'Left singular vectors, rows x rank.';
COMMENT ON COLUMN atomizer.svd_component.s_vector IS 'Singular values, largest first.';
COMMENT ON COLUMN atomizer.svd_component.vt_matrix IS 'Right singular vectors, transposed: rank x columns.';
COMMENT ON COLUMN atomizer.svd_component.compression_ratio IS
    'Bytes of the tensor in its data type, divided by those of the three components.';
COMMENT ON COLUMN atomizer.svd_component.explained_variance IS 'Share of the squared norm that is kept.';
COMMENT ON COLUMN atomizer.svd_component.relative_error IS 'Frobenius norm of the difference, relative to that of the tensor.';
COMMENT ON COLUMN atomizer.svd_component.created_at IS 'When it was computed.';

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.svd_component', '');
