CREATE FUNCTION atomizer.collect_garbage(OUT atoms_removed bigint, OUT segments_removed bigint, OUT bytes_removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    places tid[];
    dead   bytea[];
    n      bigint;
    m      bigint;
    total  bigint := (SELECT count(*) FROM atomizer.atom a WHERE a.reference_count = 0);
BEGIN
    PERFORM atomizer_internal.check_writable('collect_garbage()');
    -- An older snapshot would not see a reference that was made since, and delete what it needs.
    IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_transaction_state',
            MESSAGE = pg_catalog.format('collect_garbage() cannot run at isolation level %s', pg_catalog.current_setting('transaction_isolation')),
            HINT = 'Call it at READ COMMITTED: SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED.';
    END IF;
    atoms_removed := 0;
    segments_removed := 0;
    bytes_removed := 0;
    -- In slices, which are held in memory: a temporary table could be one of the caller's, with a trigger.
    LOOP
        PERFORM atomizer_internal.report_progress('collect_garbage', 'deleting', atoms_removed, total, 'atoms');
        -- First lock, then look again and delete: a plan that adds a reference meanwhile either came
        -- before the lock, and the second look sees it, or waits and finds the atom gone.
        SELECT array_agg(l.place) INTO places FROM (
            SELECT a.ctid AS place FROM atomizer.atom a WHERE a.reference_count = 0
            ORDER BY a.content_hash, a.kind LIMIT 500000 FOR UPDATE SKIP LOCKED) l;
        EXIT WHEN places IS NULL;
        WITH gone AS (
            DELETE FROM atomizer.atom a WHERE a.ctid = ANY (places) AND a.reference_count = 0
            RETURNING a.content_hash, a.kind)
        SELECT count(*), array_agg(DISTINCT g.content_hash) FILTER (WHERE g.kind <> 'weight') INTO n, dead FROM gone g;
        EXIT WHEN n = 0;
        atoms_removed := atoms_removed + n;
        PERFORM atomizer_internal.report_progress('collect_garbage', 'deleting', atoms_removed, total, 'atoms');
        -- A blob may have the same bytes as a tensor: they go with the last of both.
        dead := ARRAY(
            SELECT d FROM unnest(dead) AS d
            EXCEPT SELECT a.content_hash FROM atomizer.atom a WHERE a.content_hash = ANY (dead) AND a.kind <> 'weight');
        WITH gone AS (
            DELETE FROM atomizer.tensor_segment s WHERE s.content_hash = ANY (dead) RETURNING s.part_no, length(s.payload) AS bytes)
        SELECT count(*) FILTER (WHERE part_no = 0), coalesce(sum(bytes), 0) INTO n, m FROM gone;
        segments_removed := segments_removed + n;
        bytes_removed := bytes_removed + m;
        DELETE FROM atomizer.atom_embedding e WHERE e.content_hash = ANY (dead);
        DELETE FROM atomizer.svd_component c WHERE c.content_hash = ANY (dead);
        DELETE FROM atomizer.spectral_measure c WHERE c.content_hash = ANY (dead);
    END LOOP;
    PERFORM atomizer_internal.end_progress('collect_garbage');
END $$;
COMMENT ON FUNCTION atomizer.collect_garbage() IS
    'Deletes contents that no model refers to, with their points, decompositions and measures, and returns the number of atoms, segments and bytes removed. VACUUM then makes the space usable for new rows; files shrink by VACUUM FULL. For administrators.';
