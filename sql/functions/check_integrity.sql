CREATE FUNCTION atomizer.check_integrity(OUT invariant text, OUT object text, OUT problem text)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m record;
BEGIN
    PERFORM atomizer_internal.report_progress('check_integrity', 'verifying', 0, (
        SELECT sum(f.byte_length)::bigint FROM atomizer.model_file f JOIN atomizer.model USING (model_id) WHERE is_complete));
    FOR m IN SELECT model_id, model_name FROM atomizer.model WHERE is_complete ORDER BY 1 LOOP
        BEGIN
            RETURN QUERY SELECT 'files rebuild to their SHA-256', format('model %s, file %s', m.model_id, v.file_name),
                                'the rebuilt file differs'
                         FROM atomizer.verify_model(m.model_id) v WHERE NOT v.is_identical;
        EXCEPTION WHEN data_corrupted THEN
            RETURN QUERY SELECT 'files rebuild to their SHA-256', format('model %s', m.model_id), SQLERRM;
        END;
    END LOOP;

    PERFORM atomizer_internal.report_progress('check_integrity', 'decoding contents', 0, (
        SELECT sum(a.byte_length)::bigint FROM atomizer.atom a WHERE a.kind <> 'weight'));
    RETURN QUERY SELECT 'segments decode to their content', format('%s %s', a.kind, encode(a.content_hash, 'hex')),
                        'segments are missing or damaged'
                 FROM atomizer.atom a
                 WHERE a.kind <> 'weight' AND a.segment_count = ceil(a.byte_length / atomizer.segment_bytes()::numeric)
                   AND atomizer_internal.stored_sha256(a.content_hash, a.byte_length) IS DISTINCT FROM a.content_hash;

    PERFORM atomizer_internal.report_progress('check_integrity', 'comparing rows', 0, NULL);
    RETURN QUERY SELECT 'contents of complete models are stored', format('model %s, tensor %s', t.model_id, t.layer_name),
                        'its content is missing or incomplete'
                 FROM atomizer.tensor_atom t JOIN atomizer.model USING (model_id)
                 LEFT JOIN atomizer.atom a ON a.content_hash = t.content_hash AND a.kind = 'tensor'
                 WHERE is_complete AND a.segment_count IS DISTINCT FROM ceil(t.byte_length / atomizer.segment_bytes()::numeric);

    RETURN QUERY SELECT 'reference counts', format('%s %s', coalesce(a.kind, r.kind), encode(coalesce(a.content_hash, r.content_hash), 'hex')),
                        format('reference_count is %s, references are %s', coalesce(a.reference_count::text, 'missing'), coalesce(r.n, 0))
                 FROM (SELECT x.content_hash, x.kind, x.reference_count FROM atomizer.atom x WHERE x.kind <> 'weight') a
                 FULL JOIN (SELECT t.content_hash, 'tensor'::atomizer.atom_kind AS kind, count(*) AS n
                            FROM atomizer.tensor_atom t GROUP BY 1
                            UNION ALL
                            SELECT f.blob_hash, 'blob', count(*) FROM atomizer.model_file f GROUP BY 1) r
                   ON r.content_hash = a.content_hash AND r.kind = a.kind
                 WHERE a.reference_count IS DISTINCT FROM coalesce(r.n, 0);

    PERFORM atomizer_internal.report_progress('check_integrity', 'counting weights', 0, (
        SELECT sum(t.byte_length)::bigint FROM atomizer.tensor_atom t JOIN atomizer.model USING (model_id)
        WHERE is_complete AND has_weight_atoms));
    BEGIN
        RETURN QUERY SELECT 'reference counts of weights', encode(coalesce(a.content_hash, w.content_hash), 'hex'),
                            format('reference_count is %s, occurrences are %s', coalesce(a.reference_count::text, 'missing'), coalesce(w.n, 0))
                     FROM (SELECT x.content_hash, x.reference_count FROM atomizer.atom x WHERE x.kind = 'weight') a
                     FULL JOIN (SELECT c.content_hash, sum(c.weight_count) AS n
                                FROM atomizer.model x, LATERAL atomizer_internal.model_weight_counts(x.model_id) c
                                WHERE x.is_complete GROUP BY 1) w
                       ON w.content_hash = a.content_hash
                     WHERE a.reference_count IS DISTINCT FROM coalesce(w.n, 0);
    EXCEPTION WHEN data_corrupted THEN
        RETURN QUERY SELECT 'reference counts of weights', 'all weights', format('they cannot be counted: %s', SQLERRM);
    END;

    PERFORM atomizer_internal.report_progress('check_integrity', 'comparing rows', 0, NULL);
    RETURN QUERY SELECT 'weights are their own content', encode(a.content_hash, 'hex'), 'atomic_value has another SHA-256'
                 FROM atomizer.atom a WHERE a.kind = 'weight' AND sha256(a.atomic_value) IS DISTINCT FROM a.content_hash;

    RETURN QUERY SELECT 'job totals', format('ingestion job %s', j.ingestion_job_id),
                        format('%s of %s atoms processed, quota %s, status %s',
                               j.total_atoms_processed, j.total_atoms, coalesce(j.atom_quota::text, 'none'), j.job_status)
                 FROM atomizer.ingestion_job j
                 WHERE j.total_atoms_processed > j.atom_quota OR j.total_atoms_processed > j.total_atoms
                    OR j.job_status = 'Complete' AND j.total_atoms_processed IS DISTINCT FROM j.total_atoms
                    OR j.total_atoms IS DISTINCT FROM (SELECT sum(t.weight_count) FROM atomizer.tensor_atom t
                                                       WHERE t.model_id = j.model_id)
                       AND coalesce(j.total_atoms, 0) <> 0;

    RETURN QUERY SELECT 'no orphans', format('segments of %s', encode(s.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.tensor_segment x) s
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = s.content_hash AND a.kind <> 'weight')
                 UNION ALL
                 SELECT 'no orphans', format('points of %s', encode(e.content_hash, 'hex')), 'no tensor has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.atom_embedding x) e
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = e.content_hash AND a.kind = 'tensor')
                 UNION ALL
                 SELECT 'no orphans', format('decomposition of %s', encode(c.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.svd_component x) c
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = c.content_hash AND a.kind <> 'weight')
                 UNION ALL
                 SELECT 'no orphans', format('measures of %s', encode(c.content_hash, 'hex')), 'no atom has this content'
                 FROM (SELECT DISTINCT x.content_hash FROM atomizer.spectral_measure x) c
                 WHERE NOT EXISTS (SELECT FROM atomizer.atom a WHERE a.content_hash = c.content_hash AND a.kind <> 'weight');

    RETURN QUERY SELECT 'points are at their Hilbert values', format('row %s of %s', e.row_no, encode(e.content_hash, 'hex')),
                        'hilbert_value is not that of spatial_key'
                 FROM atomizer.atom_embedding e WHERE e.hilbert_value IS DISTINCT FROM atomizer.compute_hilbert_value(e.spatial_key);
    PERFORM atomizer_internal.end_progress('check_integrity');
END $$;
COMMENT ON FUNCTION atomizer.check_integrity() IS
    'Checks every invariant by reading the whole store, and returns the violations: no row when all is well. For administrators.';
