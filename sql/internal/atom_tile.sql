-- Points of one cell of 1/128 of the tile, which would cover each other, become one feature: their
-- centre and number, and one of them. So a tile has at most 16,641 features, however many points there are.
CREATE FUNCTION atomizer_internal.atom_tile(tenants bigint[], tile_z integer, tile_x integer, tile_y integer) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ST_AsMVT(f, 'atoms', 4096, 'geom') FROM (
        SELECT ST_AsMVTGeom(ST_MakePoint(c.x, c.y), c.tile, 4096, 0, false) AS geom,
               c.atom[1] AS tensor_atom_id, t.model_id, t.layer_name, c.atom[2] AS row_no, c.z, c.points
        FROM (SELECT ST_MakeBox2D(ST_MakePoint(b.x, b.y), ST_MakePoint(b.x + b.side, b.y + b.side)) AS tile,
                     min(ARRAY[a.tensor_atom_id, a.row_no]) AS atom, count(*) AS points,
                     avg(a.x) AS x, avg(a.y) AS y, avg(a.z) AS z
              FROM (SELECT s.side, -100 + tile_x * s.side AS x, 100 - (tile_y + 1) * s.side AS y
                    FROM (SELECT 200 / (1::bigint << tile_z)::float8 AS side) s) b,
                   LATERAL atomizer_internal.atoms_in_box(tenants, ARRAY[b.x, b.y, -100], ARRAY[b.x + b.side, b.y + b.side, 100]) a
              GROUP BY floor((a.x - b.x) / b.side * 128), floor((a.y - b.y) / b.side * 128), b.x, b.y, b.side) c
        JOIN atomizer.tensor_atom t ON t.tensor_atom_id = c.atom[1]) f
    WHERE f.geom IS NOT NULL;
END;
COMMENT ON FUNCTION atomizer_internal.atom_tile(bigint[], integer, integer, integer) IS 'Implements atom_tiles().';
