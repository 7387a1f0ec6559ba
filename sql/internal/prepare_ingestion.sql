-- The function of the same name in C calls this one as the owner, with the caller.
CREATE FUNCTION atomizer_internal.prepare_ingestion(
    caller oid, model_name text, model_path text, model_lo oid, model_format text, tenant text,
    granularity text, atom_chunk_size bigint, atom_quota bigint, model_type text, provider text, properties jsonb,
    unlink boolean, safety text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner_id bigint := atomizer_internal.tenant_of(caller, tenant);
    known atomizer.model;
    old_job atomizer.ingestion_job;
    job bigint;
BEGIN
    IF unlink AND model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'unlink removes a large object, but model_lo does not say which';
    ELSIF unlink AND EXISTS (SELECT FROM pg_largeobject_metadata l
                             WHERE l.oid = model_lo AND NOT pg_has_role(caller, l.lomowner, 'USAGE')) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of large object %s to unlink it', model_lo),
            HINT = 'Leave unlink out, or have its owner ingest the model.';
    END IF;
    SELECT m.* INTO known FROM atomizer.model m
    WHERE m.model_name = prepare_ingestion.model_name AND m.tenant_id = owner_id AND NOT m.is_complete;
    -- What the user said of the model before is kept, and nothing said now is lost.
    IF known.model_type <> model_type OR known.provider <> provider
       OR known.properties <> '{}' AND known.properties <> prepare_ingestion.properties THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE
                WHEN known.model_type <> model_type THEN
                    format('model "%s" is registered with model_type "%s", not "%s"', model_name, known.model_type, model_type)
                WHEN known.provider <> provider THEN
                    format('model "%s" is registered with provider "%s", not "%s"', model_name, known.provider, provider)
                ELSE format('model "%s" is registered with properties %s, not %s', model_name, known.properties,
                            prepare_ingestion.properties) END,
            HINT = format('Leave it out, or change it first with update_model(%s, …).', known.model_id);
    END IF;
    model_type := coalesce(model_type, known.model_type);
    provider := coalesce(provider, known.provider);
    properties := coalesce(prepare_ingestion.properties, known.properties, '{}');
    SELECT j.* INTO old_job FROM atomizer.ingestion_job j WHERE j.model_id = known.model_id;
    IF old_job.ingestion_job_id IS NOT NULL THEN
        IF old_job.model_path IS NOT DISTINCT FROM model_path AND old_job.model_lo IS NOT DISTINCT FROM model_lo
           -- A wrong format must not stick to a job that has not read the file yet.
           AND (old_job.total_atoms IS NOT NULL
                OR old_job.model_format::text IS NOT DISTINCT FROM model_format AND old_job.granularity::text = granularity) THEN
            RAISE NOTICE 'resuming ingestion job %', old_job.ingestion_job_id;
            IF atom_quota IS NOT NULL THEN
                PERFORM atomizer_internal.set_atom_quota(caller, old_job.ingestion_job_id, atom_quota);
            END IF;
            job := old_job.ingestion_job_id;
            -- Claiming it will fail; until then nothing is changed under the one that runs it.
            IF atomizer_internal.is_held(old_job) AND old_job.lease_pid <> pg_backend_pid() THEN
                RETURN job;
            END IF;
        ELSE
            RAISE NOTICE 'starting model "%" over: its source or settings differ', model_name;
            PERFORM atomizer_internal.drop_model(caller, known.model_id);
            known := NULL;
        END IF;
    END IF;
    IF known.model_id IS NULL THEN
        known.model_id := atomizer_internal.register_model(caller, model_name, tenant, model_type, provider, properties);
    ELSE
        UPDATE atomizer.model m SET model_type = prepare_ingestion.model_type, provider = prepare_ingestion.provider,
            properties = prepare_ingestion.properties
        WHERE m.model_id = known.model_id
          AND (m.model_type, m.provider, m.properties) IS DISTINCT FROM
              (prepare_ingestion.model_type, prepare_ingestion.provider, prepare_ingestion.properties);
    END IF;
    job := coalesce(job, atomizer_internal.create_ingestion_job(caller, known.model_id, model_path, model_lo, model_format,
                                                        granularity, atom_chunk_size, atom_quota, safety));
    -- The caller names the source: its rights on it count from now on.
    UPDATE atomizer.ingestion_job j SET unlink_lo = unlink, safety = prepare_ingestion.safety, created_role = caller
    WHERE j.ingestion_job_id = job
      AND (j.unlink_lo, j.safety, j.created_role) IS DISTINCT FROM (unlink, prepare_ingestion.safety, caller::regrole);
    RETURN job;
END $$;
COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(
    oid, text, text, oid, text, text, text, bigint, bigint, text, text, jsonb, boolean, text) IS
    'Finds the job of the tenant''s incomplete model with this name and source, or creates one, for a registered model too.';
COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(
    text, text, oid, text, text, text, bigint, bigint, text, text, jsonb, boolean, text) IS
    'Finds or creates the job that ingest_model() runs.';
GRANT EXECUTE ON FUNCTION atomizer_internal.prepare_ingestion(
    text, text, oid, text, text, text, bigint, bigint, text, text, jsonb, boolean, text) TO PUBLIC;
