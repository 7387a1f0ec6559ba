-- One plain statement that Postgres inlines, so that EXPLAIN SELECT * FROM atomizer_internal.atoms_in_box_hilbert(…) shows the plan.
-- atoms_in_box() in C asks who calls, and runs it as the owner.
-- OFFSET 0 keeps the range scan inside the loop over the ranges, and MATERIALIZED that loop out of one over the tensors, however
-- few rows Postgres expects of tables that were never analysed.
CREATE FUNCTION atomizer_internal.atoms_in_box_hilbert(tenants bigint[], low float8[], high float8[],
    OUT tensor_atom_id bigint, OUT model_id bigint, OUT layer_name text, OUT row_no bigint,
    OUT x float8, OUT y float8, OUT z float8)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH e AS MATERIALIZED (
        SELECT a.* FROM
            atomizer.hilbert_ranges(ST_3DMakeBox(ST_MakePoint(low[1], low[2], low[3]), ST_MakePoint(high[1], high[2], high[3]))) r,
            LATERAL (SELECT a.content_hash, a.data_type, a.row_width, a.row_no, a.spatial_key FROM atomizer.atom_embedding a
                     WHERE a.hilbert_value >= r.range_start AND a.hilbert_value <= r.range_end
                       AND atomizer_internal.is_in_box(a.spatial_key, low[1], low[2], low[3], high[1], high[2], high[3]) OFFSET 0) a)
    SELECT t.tensor_atom_id, t.model_id, t.layer_name, e.row_no, ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
    FROM e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width)
    WHERE t.tenant_id = ANY (tenants) AND t.valid_from IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer_internal.atoms_in_box_hilbert(bigint[], float8[], float8[]) IS
    'Implements atoms_in_box() with the btree on Hilbert values.';
