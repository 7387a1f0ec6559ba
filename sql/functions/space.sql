-- What lies near a point or in a box, and the indexes that find it. The public functions are in C:
-- they ask who calls, then call these as the owner. Each of these is one plain statement that Postgres
-- inlines, so that EXPLAIN SELECT * FROM atomizer._atoms_in_box(…) shows the plan.

CREATE FUNCTION atomizer._place_of(tensor bigint, row_no bigint, OUT x float8, OUT y float8, OUT z float8)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
    FROM atomizer.tensor_atom t JOIN atomizer.atom_embedding e USING (content_hash, data_type, row_width)
    WHERE t.tensor_atom_id = tensor AND e.row_no = _place_of.row_no;
END;
COMMENT ON FUNCTION atomizer._place_of(bigint, bigint) IS 'The point of a tensor, or of one of its rows.';

-- The index compares boxes that are rounded outward to single precision: the coordinates decide. As one
-- function, for Postgres would take six comparisons that it has no statistics on to leave hardly a row.
CREATE FUNCTION atomizer._atoms_in_box(tenants bigint[], low float8[], high float8[],
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
    FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
    WHERE e.spatial_key &&& ST_MakeLine(ST_MakePoint(low[1], low[2], low[3]), ST_MakePoint(high[1], high[2], high[3]))
      AND atomizer._is_in_box(e.spatial_key, low[1], low[2], low[3], high[1], high[2], high[3])
      AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer._atoms_in_box(bigint[], float8[], float8[]) IS
    'What atoms_in_box() does through the GiST index.';

-- OFFSET 0 keeps the range scan inside the loop over the ranges, however few rows Postgres expects.
CREATE FUNCTION atomizer._atoms_in_box_hilbert(tenants bigint[], low float8[], high float8[],
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
    FROM atomizer.hilbert_ranges(ST_3DMakeBox(ST_MakePoint(low[1], low[2], low[3]), ST_MakePoint(high[1], high[2], high[3]))) r,
         LATERAL (SELECT a.content_hash, a.data_type, a.row_width, a.row_no, a.spatial_key FROM atomizer.atom_embedding a
                  WHERE a.hilbert_value BETWEEN r.range_start AND r.range_end
                    AND atomizer._is_in_box(a.spatial_key, low[1], low[2], low[3], high[1], high[2], high[3]) OFFSET 0) e
    JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
    WHERE t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer._atoms_in_box_hilbert(bigint[], float8[], float8[]) IS
    'What atoms_in_box() does through the btree on Hilbert values.';

-- The inner order is by distance alone: up to PostgreSQL 15 the index gives no other. Which of several at
-- the same distance come last is then not determined.
CREATE FUNCTION atomizer._nearest_rows(tenants bigint[], point float8[], k bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8, OUT distance float8)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.* FROM (
        SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no,
               ST_X(e.spatial_key) AS x, ST_Y(e.spatial_key) AS y, ST_Z(e.spatial_key) AS z,
               e.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) AS distance
        FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
        WHERE e.row_no >= 0 AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
        ORDER BY e.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) LIMIT k) n
    ORDER BY n.distance, n.tensor_atom_id, n.row_no;
END;
COMMENT ON FUNCTION atomizer._nearest_rows(bigint[], float8[], bigint) IS 'What nearest_atoms() does for rows.';

CREATE FUNCTION atomizer._nearest_tensors(tenants bigint[], point float8[], k bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8, OUT distance float8)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.* FROM (
        SELECT t.tensor_atom_id, t.model_id, t.layer_name, -1::bigint AS row_no,
               ST_X(t.spatial_key) AS x, ST_Y(t.spatial_key) AS y, ST_Z(t.spatial_key) AS z,
               t.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) AS distance
        FROM atomizer.tensor_atom t
        WHERE t.spatial_key IS NOT NULL AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
        ORDER BY t.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) LIMIT k) n
    ORDER BY n.distance, n.tensor_atom_id;
END;
COMMENT ON FUNCTION atomizer._nearest_tensors(bigint[], float8[], bigint) IS 'What nearest_atoms() does for tensors.';

CREATE FUNCTION atomizer._near_rows(tenants bigint[], point float8[], width bigint, within_tensor bigint, candidates bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, t.data_type::text, t.byte_length, t.content_hash
    FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
    WHERE e.row_no >= 0 AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
      AND t.row_width = width AND (within_tensor IS NULL OR t.tensor_atom_id = within_tensor)
    ORDER BY e.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) LIMIT candidates;
END;
COMMENT ON FUNCTION atomizer._near_rows(bigint[], float8[], bigint, bigint, bigint) IS
    'Candidates of similar_rows() from the GiST index.';

CREATE FUNCTION atomizer._near_rows_hilbert(tenants bigint[], value bigint, width bigint, within_tensor bigint, candidates bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    (SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, t.data_type::text, t.byte_length, t.content_hash
     FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
     WHERE e.hilbert_value >= value AND e.row_no >= 0 AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
       AND t.row_width = width AND (within_tensor IS NULL OR t.tensor_atom_id = within_tensor)
     ORDER BY e.hilbert_value LIMIT candidates - candidates / 2)
    UNION ALL
    (SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, t.data_type::text, t.byte_length, t.content_hash
     FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
     WHERE e.hilbert_value < value AND e.row_no >= 0 AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
       AND t.row_width = width AND (within_tensor IS NULL OR t.tensor_atom_id = within_tensor)
     ORDER BY e.hilbert_value DESC LIMIT candidates / 2);
END;
COMMENT ON FUNCTION atomizer._near_rows_hilbert(bigint[], bigint, bigint, bigint, bigint) IS
    'Candidates of similar_rows() from the btree on Hilbert values: half before the row, half after it.';

CREATE FUNCTION atomizer._near_tensors(tenants bigint[], point float8[], weights bigint, candidates bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, -1::bigint, t.data_type::text, t.byte_length, t.content_hash
    FROM atomizer.tensor_atom t
    WHERE t.spatial_key IS NOT NULL AND t.weight_count = weights AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
    ORDER BY t.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) LIMIT candidates;
END;
COMMENT ON FUNCTION atomizer._near_tensors(bigint[], float8[], bigint, bigint) IS 'Candidates of similar_tensors().';

CREATE FUNCTION atomizer.build_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    postgis  name;
    begun    timestamptz;
    on_what  text;
BEGIN
    SELECT n.nspname INTO STRICT postgis FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'postgis';
    FOR index_name, on_what IN VALUES
        ('atom_embedding_spatial_key_idx', format('atom_embedding USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)),
        ('atom_embedding_hilbert_value_idx', 'atom_embedding (hilbert_value)'),
        ('tensor_atom_spatial_key_idx', format('tensor_atom USING gist (spatial_key %I.gist_geometry_ops_nd)', postgis)) LOOP
        CONTINUE WHEN to_regclass('atomizer.' || index_name) IS NOT NULL;
        begun := clock_timestamp();
        EXECUTE format('CREATE INDEX %I ON atomizer.%s', index_name, on_what);
        build_time := clock_timestamp() - begun;
        index_size := pg_size_pretty(pg_relation_size(to_regclass('atomizer.' || index_name)));
        RETURN NEXT;
    END LOOP;
    ANALYZE atomizer.atom_embedding, atomizer.tensor_atom;
END $$;
COMMENT ON FUNCTION atomizer.build_spatial_indexes() IS
    'Makes those of the spatial indexes that are missing, and returns what it made: after the first load, and after a restore, which does not bring them back. For administrators.';

CREATE FUNCTION atomizer.rebuild_spatial_indexes(OUT index_name text, OUT index_size text, OUT build_time interval)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DROP INDEX IF EXISTS atomizer.atom_embedding_spatial_key_idx, atomizer.atom_embedding_hilbert_value_idx,
        atomizer.tensor_atom_spatial_key_idx;
    RETURN QUERY SELECT * FROM atomizer.build_spatial_indexes();
END $$;
COMMENT ON FUNCTION atomizer.rebuild_spatial_indexes() IS
    'Drops the spatial indexes and makes them anew. For administrators.';
