-- One plain statement that Postgres inlines, so that EXPLAIN SELECT * FROM atomizer_internal.nearest_tensors(…) shows the plan.
-- nearest_atoms() in C asks who calls, and runs it as the owner.
CREATE FUNCTION atomizer_internal.nearest_tensors(tenants bigint[], point float8[], k bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8, OUT distance float8)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
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
COMMENT ON FUNCTION atomizer_internal.nearest_tensors(bigint[], float8[], bigint) IS 'Implements nearest_atoms() for tensors.';
