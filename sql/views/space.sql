-- Points for tools that draw: QGIS and pgAdmin read the view, tile servers call atom_tiles.

CREATE VIEW atomizer.atom_points WITH (security_barrier) AS
SELECT t.tensor_atom_id || CASE WHEN e.row_no < 0 THEN '' ELSE '/' || e.row_no END AS point_id,
       t.tensor_atom_id, t.model_id, m.model_name, t.layer_name, t.layer_idx, t.layer_type, e.row_no,
       ST_Force2D(e.spatial_key)::geometry(Point) AS point_2d, e.spatial_key, e.hilbert_value
FROM atomizer.tensor_atom t
JOIN atomizer.model m USING (model_id)
JOIN atomizer.atom_embedding e USING (content_hash)
WHERE t.valid_from IS NOT NULL AND t.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[]);
COMMENT ON VIEW atomizer.atom_points IS
    'Your tensors, and rows of matrices, as points in the box -100 to 100. QGIS shows point_2d as a layer, with point_id as its key.';
COMMENT ON COLUMN atomizer.atom_points.point_id IS 'Number of the tensor atom, and of the row after a slash: a key.';
COMMENT ON COLUMN atomizer.atom_points.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.atom_points.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.atom_points.model_name IS 'Name of the model.';
COMMENT ON COLUMN atomizer.atom_points.layer_name IS 'Name of the tensor.';
COMMENT ON COLUMN atomizer.atom_points.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.atom_points.layer_type IS 'Kind of layer.';
COMMENT ON COLUMN atomizer.atom_points.row_no IS 'Row of the matrix, or -1 for the tensor as a whole.';
COMMENT ON COLUMN atomizer.atom_points.point_2d IS 'The point seen along z.';
COMMENT ON COLUMN atomizer.atom_points.spatial_key IS 'The point.';
COMMENT ON COLUMN atomizer.atom_points.hilbert_value IS 'Its place on the Hilbert curve.';

-- Where thousands of points would cover each other, one of each cell of 1/256 of the tile stands for
-- them, with their number: at most 65,536 features, however many points there are.
CREATE FUNCTION atomizer._atom_tile(tenants bigint[], tile_z integer, tile_x integer, tile_y integer) RETURNS bytea
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ST_AsMVT(f, 'atoms', 4096, 'geom') FROM (
        SELECT ST_AsMVTGeom(ST_SetSRID(ST_MakePoint(p.x, p.y), 0), ST_MakeBox2D(ST_MakePoint(b.x_low, b.y_low), ST_MakePoint(b.x_low + b.side, b.y_low + b.side)),
                            4096, 0, false) AS geom,
               p.tensor_atom_id, p.model_id, p.layer_name, p.row_no, p.z, p.points
        FROM (SELECT 200.0::float8 / (1::bigint << tile_z) AS side,
                     -100 + tile_x * (200.0::float8 / (1::bigint << tile_z)) AS x_low,
                     100 - (tile_y + 1) * (200.0::float8 / (1::bigint << tile_z)) AS y_low) b,
             LATERAL (SELECT DISTINCT ON (floor((a.x - b.x_low) / b.side * 256), floor((a.y - b.y_low) / b.side * 256))
                             a.tensor_atom_id, a.model_id, a.layer_name, a.row_no, a.x, a.y, a.z,
                             count(*) OVER (PARTITION BY floor((a.x - b.x_low) / b.side * 256), floor((a.y - b.y_low) / b.side * 256)) AS points
                      FROM atomizer._atoms_in_box(tenants, ARRAY[b.x_low, b.y_low, -100], ARRAY[b.x_low + b.side, b.y_low + b.side, 100]) a
                      ORDER BY floor((a.x - b.x_low) / b.side * 256), floor((a.y - b.y_low) / b.side * 256),
                               a.tensor_atom_id, a.row_no) p) f
    WHERE f.geom IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer._atom_tile(bigint[], integer, integer, integer) IS 'What atom_tiles() does.';
