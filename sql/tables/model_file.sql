CREATE TABLE atomizer.model_file (
    model_id     bigint NOT NULL REFERENCES atomizer.model ON DELETE CASCADE,
    file_no      integer NOT NULL CHECK (file_no >= 0),
    file_name    text NOT NULL,
    byte_length  bigint NOT NULL CHECK (byte_length >= 0),
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    blob_hash    bytea NOT NULL CHECK (length(blob_hash) = 32),
    role         text NOT NULL DEFAULT 'weights' CHECK (role IN ('weights', 'companion')),
    PRIMARY KEY (model_id, file_no)
);
COMMENT ON TABLE atomizer.model_file IS 'The files of a model, in order.';
COMMENT ON COLUMN atomizer.model_file.model_id IS 'The model.';
COMMENT ON COLUMN atomizer.model_file.file_no IS 'Index of the file among the model''s files, from 0.';
COMMENT ON COLUMN atomizer.model_file.file_name IS 'Name, from the model''s folder on.';
COMMENT ON COLUMN atomizer.model_file.byte_length IS 'Size in bytes.';
COMMENT ON COLUMN atomizer.model_file.sha256 IS 'SHA-256 of the whole file.';
COMMENT ON COLUMN atomizer.model_file.blob_hash IS
    'Atom (kind blob) that holds the bytes outside of tensors: header, padding, trailer, concatenated.';
COMMENT ON COLUMN atomizer.model_file.role IS
    'weights: it holds weights or says where they are; companion: it stood beside them in the model''s folder.';

-- A tenant sees the files of its own models.
ALTER TABLE atomizer.model_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.model_file FOR SELECT
    USING (model_id IN (SELECT m.model_id FROM atomizer.model m));
COMMENT ON POLICY own_rows ON atomizer.model_file IS 'Files of models the caller sees.';
GRANT SELECT ON atomizer.model_file TO PUBLIC;

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.model_file', '');
