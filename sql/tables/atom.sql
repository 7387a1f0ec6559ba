-- Every key of atom, tensor_segment, atom_embedding and svd_component contains content_hash, and no foreign
-- key leads to them: these are the tables one would distribute. They have no policy and no grant: a hash must
-- not tell one tenant what another one holds.

CREATE TABLE atomizer.atom (
    content_hash     bytea NOT NULL CHECK (length(content_hash) = 32),
    kind             atomizer.atom_kind NOT NULL,
    byte_length      bigint NOT NULL,
    reference_count  bigint NOT NULL CHECK (reference_count >= 0),
    segment_count    integer NOT NULL DEFAULT 0,
    atomic_value     bytea,
    modality         text NOT NULL DEFAULT 'model',
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (content_hash, kind)
) WITH (fillfactor = 90);  -- room for the next reference_count on the same page
COMMENT ON TABLE atomizer.atom IS
    'One distinct content, keyed by SHA-256. A tensor''s content is its raw bytes; a weight''s is float4send(value).';
COMMENT ON COLUMN atomizer.atom.content_hash IS 'SHA-256 of the content.';
COMMENT ON COLUMN atomizer.atom.kind IS
    'Kind of content. Part of the key: a tensor of four bytes may look like a weight.';
COMMENT ON COLUMN atomizer.atom.byte_length IS 'Size of the content in bytes.';
COMMENT ON COLUMN atomizer.atom.reference_count IS
    'Tensors or files that refer to it; for a weight, its occurrences in all complete models that have weight atoms of its data type.';
COMMENT ON COLUMN atomizer.atom.segment_count IS
    'Segments stored; an ingestion in progress has fewer than byte_length needs.';
COMMENT ON COLUMN atomizer.atom.atomic_value IS 'A weight''s content; null for kinds kept in tensor_segment.';
COMMENT ON COLUMN atomizer.atom.modality IS 'Always model.';
COMMENT ON COLUMN atomizer.atom.created_at IS 'When it was first seen.';

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.atom', '');
