-- The life of an ingestion job. The C functions of the same names, without the underscore or with
-- it, call these as the owner with the caller's name.

CREATE FUNCTION atomizer._lease_duration() RETURNS interval
LANGUAGE sql IMMUTABLE RETURN '10 minutes'::interval;
COMMENT ON FUNCTION atomizer._lease_duration() IS
    'How long a worker that is not known to be dead keeps its job without a sign of life. A plan or fold of a very large model must fit in it.';

CREATE FUNCTION atomizer._is_held(job atomizer.ingestion_job) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT job.job_status = 'Processing' AND job.lease_expires_at > pg_catalog.clock_timestamp()
       -- A backend that idles works on nothing: its call was interrupted between two steps, before it could
       -- give the lease back. A second is enough to tell it from one that takes the steps one by one.
       AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                   WHERE a.pid = job.lease_pid AND a.backend_start = job.lease_backend_start
                     AND (a.state IS DISTINCT FROM 'idle' OR a.state_change > pg_catalog.clock_timestamp() - '1 second'::interval));
END;
COMMENT ON FUNCTION atomizer._is_held(atomizer.ingestion_job) IS 'Whether a living worker holds the job''s lease.';

CREATE FUNCTION atomizer._require_job(role_name name, job bigint) RETURNS atomizer.ingestion_job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job;
BEGIN
    SELECT * INTO found_row FROM atomizer.ingestion_job j
    WHERE j.ingestion_job_id = job AND atomizer._may_act_for(role_name, j.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('ingestion job %s does not exist, or is not yours', job),
            HINT = 'SELECT * FROM atomizer.ingestion_progress shows your jobs.';
    END IF;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION atomizer._require_job(name, bigint) IS 'Locks a job that a role acts for, or raises an error.';

-- The quota a job gets: what was asked for, if the tenant may have it.
CREATE FUNCTION atomizer._allowed_quota(tenant bigint, wanted bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most bigint := (SELECT t.atom_quota FROM atomizer.tenant t WHERE t.tenant_id = tenant);
BEGIN
    IF wanted > most THEN
        RAISE EXCEPTION USING ERRCODE = 'configuration_limit_exceeded',
            MESSAGE = format('a quota of %s atoms is above the tenant''s own of %s', wanted, most),
            HINT = 'An administrator can raise atom_quota in atomizer.tenant.';
    END IF;
    RETURN coalesce(wanted, most);
END $$;
COMMENT ON FUNCTION atomizer._allowed_quota(bigint, bigint) IS
    'The quota of a job: the one wanted, or the tenant''s; an error when it is above the tenant''s.';

CREATE FUNCTION atomizer._create_ingestion_job(
    role_name name, model bigint, model_path text, model_lo oid, model_format text,
    granularity text, atom_chunk_size bigint, atom_quota bigint)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model := atomizer._require_model(role_name, model);
    old_job bigint := (SELECT j.ingestion_job_id FROM atomizer.ingestion_job j WHERE j.model_id = model);
    new_id bigint;
BEGIN
    IF old_job IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" has ingestion job %s already', found_row.model_name, old_job),
            HINT = format('CALL atomize_model_governed(%s) resumes it; drop_model(%s) removes both.', old_job, model);
    ELSIF model_path IS NOT NULL AND model_lo IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'give the model once: as model_path or as model_lo';
    ELSIF atom_chunk_size < 1 OR atom_quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_chunk_size must be positive and atom_quota not negative, but they are %s and %s',
                             atom_chunk_size, coalesce(atom_quota::text, 'unlimited'));
    END IF;
    INSERT INTO atomizer.ingestion_job
        (model_id, tenant_id, model_path, model_lo, model_format, granularity, atom_chunk_size, atom_quota)
    VALUES (model, found_row.tenant_id, _create_ingestion_job.model_path, _create_ingestion_job.model_lo,
            _create_ingestion_job.model_format::atomizer.model_format,
            _create_ingestion_job.granularity::atomizer.atom_granularity, _create_ingestion_job.atom_chunk_size,
            atomizer._allowed_quota(found_row.tenant_id, _create_ingestion_job.atom_quota))
    RETURNING ingestion_job_id INTO new_id;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer._create_ingestion_job(name, bigint, text, oid, text, text, bigint, bigint) IS
    'What create_ingestion_job() does.';

CREATE FUNCTION atomizer._claim_ingestion_job(role_name name, job bigint) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer._require_job(role_name, job);
    token uuid := gen_random_uuid();
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RETURN NULL;
    -- So it is with a backend that asks for its own job.
    ELSIF atomizer._is_held(found_row) AND found_row.lease_pid <> pg_backend_pid() THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('ingestion job %s is being processed by backend %s', job, found_row.lease_pid),
            DETAIL = format('Its last sign of life was %s ago.',
                            date_trunc('second', clock_timestamp() - found_row.last_updated_at)),
            HINT = 'Wait for it, or stop it with cancel_ingestion_job().';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Processing', lease_token = token, lease_pid = pg_backend_pid(),
        lease_expires_at = clock_timestamp() + atomizer._lease_duration(),
        lease_backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()),
        cancel_requested = false, error_code = NULL, error_message = NULL,
        started_at = coalesce(j.started_at, clock_timestamp()), last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN token;
END $$;
COMMENT ON FUNCTION atomizer._claim_ingestion_job(name, bigint) IS
    'Gives the lease on a job to this backend, or raises an error if a living one holds it; null for a complete job.';

CREATE FUNCTION atomizer._release_ingestion_job(
    role_name name, job bigint, token uuid, status text, code text, message text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Complete it becomes by the fold alone, which verifies it.
    IF status IS NULL OR status NOT IN ('Pending', 'Failed', 'Cancelled') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('work on a job cannot end as %s', status);
    END IF;
    -- Without the lease there is nothing to release: another worker may be at it by now.
    UPDATE atomizer.ingestion_job j
    SET job_status = status::atomizer.job_status, error_code = code, error_message = message,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL,
        cancel_requested = false, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job AND j.lease_token = token AND atomizer._may_act_for(role_name, j.tenant_id);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer._release_ingestion_job(name, bigint, uuid, text, text, text) IS
    'Ends work on a job before it is complete, and keeps the reason.';

CREATE FUNCTION atomizer._cancel_ingestion_job(role_name name, job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer._require_job(role_name, job);
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer._is_held(found_row) THEN
        UPDATE atomizer.ingestion_job j SET cancel_requested = true WHERE j.ingestion_job_id = job;
        RETURN 'stops before its next chunk';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Cancelled', lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN 'cancelled';
END $$;
COMMENT ON FUNCTION atomizer._cancel_ingestion_job(name, bigint) IS 'What cancel_ingestion_job() does.';

CREATE FUNCTION atomizer._reset_ingestion_job(role_name name, job bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer._require_job(role_name, job);
BEGIN
    IF found_row.job_status = 'Complete' OR atomizer._is_held(found_row) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is %s', job, lower(found_row.job_status::text)),
            HINT = format('A running job can be stopped with cancel_ingestion_job(%s), a complete model removed with drop_model(%s).',
                          job, found_row.model_id);
    END IF;
    PERFORM atomizer._forget_contents(found_row.model_id);
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Pending', current_atom_offset = 0, total_atoms_processed = 0, total_atoms = NULL,
        bytes_processed = 0, new_bytes = 0, total_bytes = NULL, chunks_committed = 0, content_no = 0,
        segment_no = 0, lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, cancel_requested = false, error_code = NULL, error_message = NULL,
        started_at = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer._reset_ingestion_job(name, bigint) IS 'What reset_ingestion_job() does.';

CREATE FUNCTION atomizer._set_atom_quota(role_name name, job bigint, quota bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer._require_job(role_name, job);
BEGIN
    IF quota < found_row.total_atoms_processed THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a quota of %s is below the %s atoms that ingestion job %s has processed',
                             quota, found_row.total_atoms_processed, job);
    END IF;
    UPDATE atomizer.ingestion_job j SET atom_quota = atomizer._allowed_quota(j.tenant_id, quota)
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer._set_atom_quota(name, bigint, bigint) IS 'What set_atom_quota() does.';

CREATE FUNCTION atomizer._prepare_ingestion(
    role_name name, model_name text, model_path text, model_lo oid, model_format text, tenant text,
    granularity text, atom_chunk_size bigint, atom_quota bigint)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row record;
    model bigint;
BEGIN
    SELECT m.model_id, j.ingestion_job_id,
           j.model_path IS NOT DISTINCT FROM _prepare_ingestion.model_path
           AND j.model_lo IS NOT DISTINCT FROM _prepare_ingestion.model_lo
           -- A wrong format must not stick to a job that has not read the file yet.
           AND (j.total_atoms IS NOT NULL
                OR j.model_format::text IS NOT DISTINCT FROM _prepare_ingestion.model_format
                   AND j.granularity::text = _prepare_ingestion.granularity) AS is_same
    INTO found_row
    FROM atomizer.model m JOIN atomizer.ingestion_job j ON j.model_id = m.model_id
    WHERE m.model_name = _prepare_ingestion.model_name AND NOT m.is_complete
      AND m.tenant_id = atomizer._tenant_of(role_name, tenant);
    IF found_row.is_same THEN
        RAISE NOTICE 'resuming ingestion job %', found_row.ingestion_job_id;
        IF atom_quota IS NOT NULL THEN
            PERFORM atomizer._set_atom_quota(role_name, found_row.ingestion_job_id, atom_quota);
        END IF;
        RETURN found_row.ingestion_job_id;
    ELSIF found_row.model_id IS NOT NULL THEN
        RAISE NOTICE 'beginning model "%" anew, from another source or in another way', model_name;
        PERFORM atomizer._drop_model(role_name, found_row.model_id);
    END IF;
    model := atomizer._register_model(role_name, model_name, tenant, NULL, NULL, '{}');
    RETURN atomizer._create_ingestion_job(role_name, model, model_path, model_lo, model_format, granularity,
                                          atom_chunk_size, atom_quota);
END $$;
COMMENT ON FUNCTION atomizer._prepare_ingestion(name, text, text, oid, text, text, text, bigint, bigint) IS
    'The job ingest_model() works on: the one of the tenant''s incomplete model of that name and source, or a new one.';
