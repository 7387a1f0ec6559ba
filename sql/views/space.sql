-- Points for tools that draw: QGIS and pgAdmin read the view, tile servers call atom_tiles.

CREATE VIEW atomizer.atom_points WITH (security_barrier) AS
SELECT t.tensor_atom_id || CASE WHEN e.row_no < 0 THEN '' ELSE '/' || e.row_no END AS point_id,
       t.tensor_atom_id, t.model_id, m.model_name, t.layer_name, t.layer_idx, t.layer_type, e.row_no,
       ST_Force2D(e.spatial_key)::geometry(Point) AS point_2d, e.spatial_key, e.hilbert_value
FROM atomizer.tensor_atom t
JOIN atomizer.model m USING (model_id)
JOIN atomizer.atom_embedding e USING (content_hash, data_type, row_width)
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

-- Points of one cell of 1/128 of the tile, which would cover each other, become one feature: their
-- centre and number, and one of them. So a tile has at most 16,641 features, however many points there are.
CREATE FUNCTION atomizer._atom_tile(tenants bigint[], tile_z integer, tile_x integer, tile_y integer) RETURNS bytea
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ST_AsMVT(f, 'atoms', 4096, 'geom') FROM (
        SELECT ST_AsMVTGeom(ST_MakePoint(c.x, c.y), c.tile, 4096, 0, false) AS geom,
               c.atom[1] AS tensor_atom_id, t.model_id, t.layer_name, c.atom[2] AS row_no, c.z, c.points
        FROM (SELECT ST_MakeBox2D(ST_MakePoint(b.x, b.y), ST_MakePoint(b.x + b.side, b.y + b.side)) AS tile,
                     min(ARRAY[a.tensor_atom_id, a.row_no]) AS atom, count(*) AS points,
                     avg(a.x) AS x, avg(a.y) AS y, avg(a.z) AS z
              FROM (SELECT s.side, -100 + tile_x * s.side AS x, 100 - (tile_y + 1) * s.side AS y
                    FROM (SELECT 200 / (1::bigint << tile_z)::float8 AS side) s) b,
                   LATERAL atomizer._atoms_in_box(tenants, ARRAY[b.x, b.y, -100], ARRAY[b.x + b.side, b.y + b.side, 100]) a
              GROUP BY floor((a.x - b.x) / b.side * 128), floor((a.y - b.y) / b.side * 128), b.x, b.y, b.side) c
        JOIN atomizer.tensor_atom t ON t.tensor_atom_id = c.atom[1]) f
    WHERE f.geom IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer._atom_tile(bigint[], integer, integer, integer) IS 'What atom_tiles() does.';
