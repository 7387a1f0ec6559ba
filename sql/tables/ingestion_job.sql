CREATE SEQUENCE atomizer.ingestion_job_id_seq;
COMMENT ON SEQUENCE atomizer.ingestion_job_id_seq IS 'Values of ingestion_job.ingestion_job_id.';

CREATE TABLE atomizer.ingestion_job (
    ingestion_job_id      bigint PRIMARY KEY DEFAULT nextval('atomizer.ingestion_job_id_seq'),
    model_id              bigint NOT NULL UNIQUE REFERENCES atomizer.model ON DELETE CASCADE,
    tenant_id             bigint NOT NULL REFERENCES atomizer.tenant,
    job_status            atomizer.job_status NOT NULL DEFAULT 'Pending',
    model_path            text,
    model_lo              oid,
    model_format          atomizer.model_format,
    granularity           atomizer.atom_granularity NOT NULL DEFAULT 'auto',
    atom_chunk_size       bigint NOT NULL CHECK (atom_chunk_size > 0),
    atom_quota            bigint CHECK (atom_quota >= 0),
    current_atom_offset   bigint NOT NULL DEFAULT 0,
    total_atoms_processed bigint NOT NULL DEFAULT 0,
    total_atoms           bigint,
    bytes_processed       bigint NOT NULL DEFAULT 0,
    new_bytes             bigint NOT NULL DEFAULT 0,
    total_bytes           bigint,
    chunks_committed      bigint NOT NULL DEFAULT 0,
    content_no            integer NOT NULL DEFAULT 0,
    segment_no            integer NOT NULL DEFAULT 0,
    lease_token           uuid,
    lease_expires_at      timestamptz,
    lease_pid             integer,
    lease_backend_start   timestamptz,
    cancel_requested      boolean NOT NULL DEFAULT false,
    error_code            text,
    error_message         text,
    created_at            timestamptz NOT NULL DEFAULT now(),
    started_at            timestamptz,
    last_updated_at       timestamptz NOT NULL DEFAULT now(),
    completed_at          timestamptz,
    error_detail          text,
    error_hint            text,
    error_phase           text,
    error_file            text,
    queued_at             timestamptz,
    queued_role           regrole,
    unlink_lo             boolean NOT NULL DEFAULT false,
    safety                text NOT NULL DEFAULT 'warn' CHECK (safety IN ('refuse', 'warn', 'ignore')),
    created_role          regrole,
    CHECK (model_path IS NULL OR model_lo IS NULL),
    CHECK (total_atoms_processed = current_atom_offset),
    CHECK (total_atoms_processed <= atom_quota)
);
COMMENT ON TABLE atomizer.ingestion_job IS 'One governed ingestion of a model, committed chunk by chunk.';
COMMENT ON COLUMN atomizer.ingestion_job.ingestion_job_id IS 'Identifier of the job.';
COMMENT ON COLUMN atomizer.ingestion_job.model_id IS 'The model that is ingested; a model has one job.';
COMMENT ON COLUMN atomizer.ingestion_job.tenant_id IS 'The tenant that owns it.';
COMMENT ON COLUMN atomizer.ingestion_job.job_status IS 'Status of the job.';
COMMENT ON COLUMN atomizer.ingestion_job.model_path IS 'File on the server that the model is read from.';
COMMENT ON COLUMN atomizer.ingestion_job.model_lo IS
    'Large object the model is read from. Without path and large object, the caller passes the bytes.';
COMMENT ON COLUMN atomizer.ingestion_job.model_format IS 'Format the content must have; null takes what it has.';
COMMENT ON COLUMN atomizer.ingestion_job.granularity IS 'Which atoms the ingestion creates.';
COMMENT ON COLUMN atomizer.ingestion_job.atom_chunk_size IS
    'Weights committed at a time. A chunk ends at a segment''s end (256 KiB of tensor bytes), and holds one segment at least.';
COMMENT ON COLUMN atomizer.ingestion_job.atom_quota IS 'Most weights the job may process; null: unlimited.';
COMMENT ON COLUMN atomizer.ingestion_job.current_atom_offset IS 'Checkpoint: weights in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_job.total_atoms_processed IS 'Weights in committed chunks; never above the quota.';
COMMENT ON COLUMN atomizer.ingestion_job.total_atoms IS 'Weights of the model; null until its header was read.';
COMMENT ON COLUMN atomizer.ingestion_job.bytes_processed IS 'Bytes of the files in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_job.new_bytes IS 'Bytes of contents that were new to the tenant.';
COMMENT ON COLUMN atomizer.ingestion_job.total_bytes IS 'Size of the model''s files; null until they were read.';
COMMENT ON COLUMN atomizer.ingestion_job.chunks_committed IS 'Number of chunks committed.';
COMMENT ON COLUMN atomizer.ingestion_job.content_no IS 'Checkpoint: next of the model''s contents (blobs, then tensors).';
COMMENT ON COLUMN atomizer.ingestion_job.segment_no IS 'Checkpoint: next segment of that content.';
COMMENT ON COLUMN atomizer.ingestion_job.lease_token IS 'The worker that holds this token processes the job.';
COMMENT ON COLUMN atomizer.ingestion_job.lease_expires_at IS 'Latest time at which another worker may take over.';
COMMENT ON COLUMN atomizer.ingestion_job.lease_pid IS 'Backend that works on the job; when it is gone, another may take over at once.';
COMMENT ON COLUMN atomizer.ingestion_job.lease_backend_start IS 'When that backend was started; process ids are reused.';
COMMENT ON COLUMN atomizer.ingestion_job.cancel_requested IS 'The session that works on it stops before its next step.';
COMMENT ON COLUMN atomizer.ingestion_job.error_code IS 'SQLSTATE of the error that stopped the job; null once it runs again.';
COMMENT ON COLUMN atomizer.ingestion_job.error_message IS 'Message of that error.';
COMMENT ON COLUMN atomizer.ingestion_job.created_at IS 'When the job was created.';
COMMENT ON COLUMN atomizer.ingestion_job.started_at IS 'When it was claimed first.';
COMMENT ON COLUMN atomizer.ingestion_job.last_updated_at IS 'When it changed last.';
COMMENT ON COLUMN atomizer.ingestion_job.completed_at IS 'When it became complete.';
COMMENT ON COLUMN atomizer.ingestion_job.error_detail IS 'Detail of that error, if it has one.';
COMMENT ON COLUMN atomizer.ingestion_job.error_hint IS 'Hint of that error: what to do next, if it says so.';
COMMENT ON COLUMN atomizer.ingestion_job.error_phase IS
    'What the job was doing: plan (reading headers), store (storing contents) or finalize (verifying and publishing).';
COMMENT ON COLUMN atomizer.ingestion_job.error_file IS
    'File that the message names, else the job''s path; null where neither is known.';
COMMENT ON COLUMN atomizer.ingestion_job.queued_at IS 'Since when it waits for a background worker; null if it does not.';
COMMENT ON COLUMN atomizer.ingestion_job.queued_role IS 'Role that started it, with whose rights the worker runs it.';
COMMENT ON COLUMN atomizer.ingestion_job.unlink_lo IS
    'Whether the large object is removed when the model is complete and verified.';
COMMENT ON COLUMN atomizer.ingestion_job.safety IS
    'What happens to a model that model_safety_report() does not call safe: refuse, warn (a NOTICE), ignore (it is not examined).';
COMMENT ON COLUMN atomizer.ingestion_job.created_role IS
    'Role that named the source, and must have the right to read it, too, whoever runs the job; null: made by version 0.0.1.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.ingestion_job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.ingestion_job FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.ingestion_job IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.ingestion_job TO PUBLIC;

-- pg_dump keeps its rows and the place of its sequence.
SELECT pg_catalog.pg_extension_config_dump('atomizer.ingestion_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('atomizer.ingestion_job', '');
