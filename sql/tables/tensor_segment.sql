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
COMMENT ON COLUMN atomizer.tensor_segment.segment_no IS 'Index of the segment in the content, from 0.';
COMMENT ON COLUMN atomizer.tensor_segment.part_no IS 'Index of the row in the encoded segment, from 0.';
COMMENT ON COLUMN atomizer.tensor_segment.payload IS 'Encoded bytes.';

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.tensor_segment', '');
