-- One plain statement that Postgres inlines, so that EXPLAIN SELECT * FROM atomizer_internal.near_rows_hilbert(…) shows the plan.
-- similar_rows() in C asks who calls, and runs it as the owner.
CREATE FUNCTION atomizer_internal.near_rows_hilbert(tenants bigint[], value bigint, width bigint, within_tensor bigint, candidates bigint,
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT data_type text, OUT byte_length bigint, OUT content_hash bytea)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
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
COMMENT ON FUNCTION atomizer_internal.near_rows_hilbert(bigint[], bigint, bigint, bigint, bigint) IS
    'Candidates of similar_rows() from the btree on Hilbert values: half before the row, half after it.';
