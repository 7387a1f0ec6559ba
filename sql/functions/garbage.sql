-- Removing what nothing refers to any more.

CREATE FUNCTION atomizer.collect_garbage(OUT atoms_removed bigint, OUT segments_removed bigint, OUT bytes_removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dead bytea[];
BEGIN
    -- First lock, then look again and delete: a plan that adds a reference meanwhile either came
    -- before the lock, and the second look sees it, or waits and finds the atom gone.
    CREATE TEMP TABLE IF NOT EXISTS atomizer_garbage (content_hash bytea, kind atomizer.atom_kind) ON COMMIT DROP;
    TRUNCATE pg_temp.atomizer_garbage;
    INSERT INTO pg_temp.atomizer_garbage
    SELECT l.content_hash, l.kind FROM (
        SELECT a.content_hash, a.kind FROM atomizer.atom a WHERE a.reference_count = 0
        ORDER BY a.content_hash, a.kind FOR UPDATE SKIP LOCKED) l;
    DELETE FROM atomizer.atom a USING pg_temp.atomizer_garbage g
    WHERE a.content_hash = g.content_hash AND a.kind = g.kind AND a.reference_count = 0;
    GET DIAGNOSTICS atoms_removed = ROW_COUNT;
    -- A blob may have the same bytes as a tensor: they go with the last of both.
    SELECT array_agg(DISTINCT g.content_hash) INTO dead FROM pg_temp.atomizer_garbage g
    WHERE g.kind <> 'weight' AND NOT EXISTS (
        SELECT FROM atomizer.atom a WHERE a.content_hash = g.content_hash AND a.kind <> 'weight');
    WITH gone AS (
        DELETE FROM atomizer.tensor_segment s WHERE s.content_hash = ANY (dead) RETURNING length(s.payload) AS bytes)
    SELECT count(*), coalesce(sum(bytes), 0) INTO segments_removed, bytes_removed FROM gone;
    DELETE FROM atomizer.atom_embedding e WHERE e.content_hash = ANY (dead);
    DELETE FROM atomizer.svd_component c WHERE c.content_hash = ANY (dead);
END $$;
COMMENT ON FUNCTION atomizer.collect_garbage() IS
    'Deletes atoms that nothing refers to, with their segments; returns how many atoms, rows of segments and bytes. VACUUM gives the space back. For administrators.';
