-- Distinct contents, and the packed pieces of the large ones. Every key contains content_hash, and
-- no foreign key leads here: these are the tables one would distribute.

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
    'What it is. Part of the key: a tensor of four bytes may look like a weight.';
COMMENT ON COLUMN atomizer.atom.byte_length IS 'Size of the content in bytes.';
COMMENT ON COLUMN atomizer.atom.reference_count IS
    'Tensors or files that refer to it; for a weight, its occurrences in all complete models ingested at weight granularity.';
COMMENT ON COLUMN atomizer.atom.segment_count IS
    'Segments stored; an ingestion in progress has fewer than byte_length needs.';
COMMENT ON COLUMN atomizer.atom.atomic_value IS 'A weight''s content; null for kinds kept in tensor_segment.';
COMMENT ON COLUMN atomizer.atom.modality IS 'Always model.';
COMMENT ON COLUMN atomizer.atom.created_at IS 'When it was first seen.';

CREATE TABLE atomizer.tensor_segment (
    content_hash  bytea NOT NULL,
    segment_no    integer NOT NULL,
    part_no       integer NOT NULL,
    payload       bytea NOT NULL,
    PRIMARY KEY (content_hash, segment_no, part_no)
);
-- A row is never moved out of line: it is cut to fit its page.
ALTER TABLE atomizer.tensor_segment ALTER payload SET STORAGE PLAIN, ALTER content_hash SET STORAGE PLAIN;
COMMENT ON TABLE atomizer.tensor_segment IS
    'Contents in losslessly encoded segments of 256 KiB, each cut into rows that fill a page.';
COMMENT ON COLUMN atomizer.tensor_segment.content_hash IS 'The content.';
COMMENT ON COLUMN atomizer.tensor_segment.segment_no IS 'Place of the segment in the content, from 0.';
COMMENT ON COLUMN atomizer.tensor_segment.part_no IS 'Place of the row in the encoded segment, from 0.';
COMMENT ON COLUMN atomizer.tensor_segment.payload IS 'Encoded bytes.';
