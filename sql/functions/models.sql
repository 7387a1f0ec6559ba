-- Registering and dropping models. The C functions of the same names, without the underscore, call
-- these as the owner with the caller's name.

CREATE FUNCTION atomizer._register_model(
    role_name name, model_name text, tenant text, model_type text, provider text, properties jsonb)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    IF model_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a model needs a name';
    ELSIF length(model_name) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
            MESSAGE = format('the name of a model has %s characters (at most 500)', length(model_name));
    END IF;
    INSERT INTO atomizer.model (tenant_id, model_name, model_type, provider, properties)
    VALUES (atomizer._tenant_of(role_name, tenant), _register_model.model_name, _register_model.model_type,
            _register_model.provider, _register_model.properties)
    ON CONFLICT ON CONSTRAINT model_tenant_id_model_name_key DO NOTHING
    RETURNING model_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('model "%s" exists already', model_name),
            HINT = 'Choose another name, or remove the old model with drop_model().';
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer._register_model(name, text, text, text, text, jsonb) IS 'What register_model() does.';

CREATE FUNCTION atomizer._require_model(role_name name, model bigint) RETURNS atomizer.model
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model;
BEGIN
    SELECT * INTO found_row FROM atomizer.model m
    WHERE m.model_id = model AND atomizer._may_act_for(role_name, m.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('model %s does not exist, or is not yours', model),
            HINT = 'SELECT * FROM atomizer.model shows your models.';
    END IF;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION atomizer._require_model(name, bigint) IS 'Locks a model that a role acts for, or raises an error.';

-- Takes back what the plan of an ingestion wrote. Keys are sorted, as when they were counted, so that
-- concurrent plans and drops lock rows in one order.
CREATE FUNCTION atomizer._forget_contents(model bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tensors bigint;
BEGIN
    PERFORM FROM atomizer.atom a
    WHERE a.kind <> 'weight' AND a.content_hash IN (
        SELECT t.content_hash FROM atomizer.tensor_atom t WHERE t.model_id = model
        UNION SELECT f.blob_hash FROM atomizer.model_file f WHERE f.model_id = model)
    ORDER BY a.content_hash, a.kind FOR UPDATE;
    UPDATE atomizer.atom a SET reference_count = a.reference_count - n.times
    FROM (SELECT t.content_hash, 'tensor'::atomizer.atom_kind AS kind, count(*) AS times
          FROM atomizer.tensor_atom t WHERE t.model_id = model GROUP BY 1
          UNION ALL
          SELECT f.blob_hash, 'blob', count(*) FROM atomizer.model_file f WHERE f.model_id = model GROUP BY 1) n
    WHERE a.content_hash = n.content_hash AND a.kind = n.kind;
    DELETE FROM atomizer.tensor_atom t WHERE t.model_id = model;
    GET DIAGNOSTICS tensors = ROW_COUNT;
    DELETE FROM atomizer.model_file f WHERE f.model_id = model;
    RETURN tensors;
END $$;
COMMENT ON FUNCTION atomizer._forget_contents(bigint) IS
    'Deletes a model''s tensor atoms and files, and takes back their references; returns the number of tensors.';

CREATE FUNCTION atomizer._drop_model(role_name name, model bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model;
    tensors bigint;
BEGIN
    -- The job first: a step of its ingestion locks it first, too.
    PERFORM FROM atomizer.ingestion_job j WHERE j.model_id = model FOR UPDATE;
    found_row := atomizer._require_model(role_name, model);
    IF EXISTS (SELECT FROM atomizer.ingestion_job j WHERE j.model_id = model AND atomizer._is_held(j)) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('model "%s" is being ingested', found_row.model_name),
            HINT = 'Stop its job with cancel_ingestion_job() first.';
    END IF;
    IF found_row.is_complete THEN
        PERFORM atomizer._unfold_model(model);
    END IF;
    tensors := atomizer._forget_contents(model);
    DELETE FROM atomizer.model m WHERE m.model_id = model;
    RETURN tensors;
END $$;
COMMENT ON FUNCTION atomizer._drop_model(name, bigint) IS 'What drop_model() does.';
