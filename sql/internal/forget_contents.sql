-- Takes back what the plan of an ingestion wrote. Keys are sorted, as when they were counted, so that
-- concurrent plans and drops lock rows in one order. Joins as in owner::run: linear whatever the statistics say.
CREATE FUNCTION atomizer_internal.forget_contents(model bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    hashes  bytea[] := ARRAY(
        SELECT t.content_hash FROM atomizer.tensor_atom t WHERE t.model_id = model
        UNION SELECT f.blob_hash FROM atomizer.model_file f WHERE f.model_id = model);
    tensors bigint;
BEGIN
    PERFORM FROM atomizer.atom a
    WHERE a.kind <> 'weight' AND a.content_hash = ANY (hashes)
    ORDER BY a.content_hash, a.kind FOR UPDATE;
    UPDATE atomizer.atom a SET reference_count = a.reference_count - n.times
    FROM (SELECT t.content_hash, 'tensor'::atomizer.atom_kind AS kind, count(*) AS times
          FROM atomizer.tensor_atom t WHERE t.model_id = model GROUP BY 1
          UNION ALL
          SELECT f.blob_hash, 'blob', count(*) FROM atomizer.model_file f WHERE f.model_id = model GROUP BY 1) n
    WHERE a.content_hash = ANY (hashes) AND (a.content_hash, a.kind) = (n.content_hash, n.kind);
    DELETE FROM atomizer.tensor_atom t WHERE t.model_id = model;
    GET DIAGNOSTICS tensors = ROW_COUNT;
    DELETE FROM atomizer.model_file f WHERE f.model_id = model;
    RETURN tensors;
END $$;
COMMENT ON FUNCTION atomizer_internal.forget_contents(bigint) IS
    'Deletes a model''s tensor atoms and files, and subtracts their references; returns the number of tensors.';
