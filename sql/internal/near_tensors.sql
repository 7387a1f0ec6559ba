-- One plain statement that Postgres inlines, so that EXPLAIN SELECT * FROM atomizer_internal.near_tensors(…) shows the plan.
-- similar_tensors() in C asks who calls, and runs it as the owner.
CREATE FUNCTION atomizer_internal.near_tensors(tenants bigint[], point float8[], weights bigint, candidates bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, -1::bigint, t.data_type::text, t.byte_length, t.content_hash
    FROM atomizer.tensor_atom t
    WHERE t.spatial_key IS NOT NULL AND t.weight_count = weights AND t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL
    ORDER BY t.spatial_key <<->> ST_MakePoint(point[1], point[2], point[3]) LIMIT candidates;
END;
COMMENT ON FUNCTION atomizer_internal.near_tensors(bigint[], float8[], bigint, bigint) IS 'Candidates of similar_tensors().';
