-- One plain statement that Postgres inlines, so that EXPLAIN SELECT * FROM atomizer_internal.nearest_rows(…) shows the plan.
-- nearest_atoms() in C asks who calls, and runs it as the owner.
-- The inner order is by distance alone: up to PostgreSQL 15 the index gives no other. Which of several at
-- the same distance come last is then not determined.
CREATE FUNCTION atomizer_internal.nearest_rows(tenants bigint[], point float8[], k bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8, OUT distance float8)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
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
COMMENT ON FUNCTION atomizer_internal.nearest_rows(bigint[], float8[], bigint) IS 'Implements nearest_atoms() for rows.';
