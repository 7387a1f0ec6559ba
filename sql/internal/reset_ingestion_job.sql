-- reset_ingestion_job() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.reset_ingestion_job(caller oid, job bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF found_row.job_status = 'Complete' OR atomizer_internal.is_held(found_row) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is %s', job, lower(found_row.job_status::text)),
            HINT = format('A running job can be stopped with cancel_ingestion_job(%s), a complete model removed with drop_model(%s).',
                          job, found_row.model_id);
    END IF;
    PERFORM atomizer_internal.forget_contents(found_row.model_id);
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Pending', current_atom_offset = 0, total_atoms_processed = 0, total_atoms = NULL,
        bytes_processed = 0, new_bytes = 0, total_bytes = NULL, chunks_committed = 0, content_no = 0,
        segment_no = 0, lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, cancel_requested = false, error_code = NULL, error_message = NULL, error_detail = NULL,
        error_hint = NULL, error_phase = NULL, error_file = NULL,
        queued_at = NULL, queued_role = NULL, started_at = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer_internal.reset_ingestion_job(oid, bigint) IS 'Implements reset_ingestion_job().';
