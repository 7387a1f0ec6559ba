CREATE SEQUENCE atomizer.model_id_seq;
COMMENT ON SEQUENCE atomizer.model_id_seq IS 'Values of model.model_id.';

CREATE TABLE atomizer.model (
    model_id         bigint PRIMARY KEY DEFAULT nextval('atomizer.model_id_seq'),
    tenant_id        bigint NOT NULL REFERENCES atomizer.tenant,
    model_name       text NOT NULL CHECK (model_name <> ''),
    model_type       text,
    provider         text,
    properties       jsonb NOT NULL DEFAULT '{}',
    model_format     atomizer.model_format,
    architecture     text,
    parameter_count  bigint,
    metadata         jsonb,
    is_complete      boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    completed_at     timestamptz,
    safety_verdict   text CHECK (safety_verdict IN ('safe', 'suspicious', 'dangerous')),
    UNIQUE (tenant_id, model_name)
);
COMMENT ON TABLE atomizer.model IS 'One registered model; its content is in tensor_atom and model_file.';
COMMENT ON COLUMN atomizer.model.model_id IS 'Identifier of the model.';
COMMENT ON COLUMN atomizer.model.tenant_id IS 'The tenant that owns it.';
COMMENT ON COLUMN atomizer.model.model_name IS 'Name, unique for the tenant.';
COMMENT ON COLUMN atomizer.model.model_type IS 'What kind of model it is, in the user''s words (LLM, encoder, …).';
COMMENT ON COLUMN atomizer.model.provider IS 'Where it comes from, in the user''s words.';
COMMENT ON COLUMN atomizer.model.properties IS 'The user''s own notes on the model.';
COMMENT ON COLUMN atomizer.model.model_format IS 'Format of its files, detected when ingestion starts.';
COMMENT ON COLUMN atomizer.model.architecture IS 'llama, bert, …, from metadata or tensor names.';
COMMENT ON COLUMN atomizer.model.parameter_count IS 'Number of weights over all tensors.';
COMMENT ON COLUMN atomizer.model.metadata IS
    'Key-value pairs of the files'' headers; long arrays are summarized (model_metadata(model => …, full_arrays => true) gives them whole).';
COMMENT ON COLUMN atomizer.model.is_complete IS
    'True when every byte is stored and every file was verified to rebuild to its SHA-256.';
COMMENT ON COLUMN atomizer.model.created_at IS 'When the model was registered.';
COMMENT ON COLUMN atomizer.model.completed_at IS 'When its ingestion became complete.';
COMMENT ON COLUMN atomizer.model.safety_verdict IS
    'Worst verdict of model_safety_report() when it was ingested; null where that was not asked for.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.model ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.model FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.model IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.model TO PUBLIC;

-- pg_dump keeps its rows and the place of its sequence.
SELECT pg_catalog.pg_extension_config_dump('atomizer.model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('atomizer.model', '');
