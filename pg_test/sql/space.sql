-- Curves, projection and points: against PostGIS' own functions, and every query against a plain scan.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
SET extra_float_digits = 1;

-- Points are read as PostGIS reads them: with and without z, m, SRID and a box.
CREATE TEMP TABLE p AS SELECT i, (random() - 0.5) * 260 AS x, (random() - 0.5) * 260 AS y, (random() - 0.5) * 260 AS z FROM generate_series(1, 20000) i;
SELECT count(*) AS points,
       count(*) FILTER (WHERE compute_hilbert_value(ST_MakePoint(x, y)) = compute_hilbert_value(ST_MakePoint(x, y, 0))) AS z_is_0,
       count(*) FILTER (WHERE compute_hilbert_value(ST_MakePointM(x, y, 7)) = compute_hilbert_value(ST_MakePoint(x, y, 0))) AS with_m,
       count(*) FILTER (WHERE compute_hilbert_value(ST_MakePoint(x, y, z, 7)) = compute_hilbert_value(ST_MakePoint(x, y, z))) AS with_zm,
       count(*) FILTER (WHERE compute_hilbert_value(ST_SetSRID(ST_MakePoint(x, y, z), 4326)) = compute_hilbert_value(ST_MakePoint(x, y, z))) AS with_srid,
       count(*) FILTER (WHERE compute_hilbert_value(postgis_addbbox(ST_MakePoint(x, y, z))) = compute_hilbert_value(ST_MakePoint(x, y, z))) AS with_box
FROM p;
-- A stored point has a short header; a value just made has a long one.
CREATE TEMP TABLE stored AS SELECT i, ST_MakePoint(x, y, z) AS g FROM p;
SELECT count(*) FILTER (WHERE compute_hilbert_value(g) = compute_hilbert_value(ST_MakePoint(ST_X(g), ST_Y(g), ST_Z(g)))) AS same, min(pg_column_size(g)) FROM stored;
-- The cell of a point, by its definition, is that of the centre we give back: at every precision, in other bounds too.
SELECT count(*), bool_and(abs(ST_X(c) - least(greatest(x, -100), 100)) <= side / 2 AND abs(ST_Y(c) - least(greatest(y, -100), 100)) <= side / 2
                      AND abs(ST_Z(c) - least(greatest(z, -100), 100)) <= side / 2) AS in_its_cell,
       bool_and(compute_hilbert_value(c, bits) = h AND h >= 0 AND h >> (3 * bits) = 0) AS round_trip
FROM (SELECT x, y, z, bits, 200.0::float8 / (1 << bits) * (1 + 1e-9) AS side, h, hilbert_to_point(h, bits) AS c
      FROM p, generate_series(1, 21, 4) bits, compute_hilbert_value(ST_MakePoint(x, y, z), bits) h WHERE i <= 2000) s;
SELECT bool_and(compute_hilbert_value(hilbert_to_point(h, 7, 'BOX3D(0 -5 10,1 5 1000)'), 7, 'BOX3D(0 -5 10,1 5 1000)') = h) AS round_trip,
       count(DISTINCT ST_AsText(hilbert_to_point(h, 7, 'BOX3D(0 -5 10,1 5 1000)'))) AS centres FROM generate_series(0, 2097151, 1000) h;
-- All cells of a small grid: each once, and neighbours along the curve touch.
SELECT bits, count(DISTINCT ST_AsText(c)) AS cells, max(apart) AS greatest_step, min(apart) AS least_step
FROM (SELECT bits, c, round((ST_3DDistance(c, lag(c) OVER (PARTITION BY bits ORDER BY h)) / (200.0 / (1 << bits)))::numeric, 9) AS apart
      FROM generate_series(1, 4) bits, generate_series(0, (1 << (3 * bits)) - 1) h, hilbert_to_point(h, bits) c) s GROUP BY bits ORDER BY bits;
-- Morton by its definition: bits interleaved, x first.
SELECT count(*), bool_and(morton_value(ST_MakePoint(x, y, z), 5) = (
    SELECT sum((((cx >> b) & 1) << (3 * b + 2)) + (((cy >> b) & 1) << (3 * b + 1)) + (((cz >> b) & 1) << (3 * b)))
    FROM generate_series(0, 4) b)) AS interleaved
FROM (SELECT x, y, z, least(greatest(floor((x + 100) / 6.25), 0), 31)::int AS cx, least(greatest(floor((y + 100) / 6.25), 0), 31)::int AS cy,
             least(greatest(floor((z + 100) / 6.25), 0), 31)::int AS cz FROM p WHERE i <= 2000) s;
-- Outside of the bounds: the nearest cell. Infinity, too.
SELECT compute_hilbert_value(ST_MakePoint(1e300, -101, 'Infinity')) = compute_hilbert_value(ST_MakePoint(100, -100, 100)) AS clamped;
-- Nothing of nothing.
SELECT compute_hilbert_value(NULL), compute_hilbert_value('POINT EMPTY'), compute_hilbert_value('POINT Z EMPTY'), morton_value('POINT EMPTY'),
       compute_hilbert_value('POINT(1 2)', NULL), hilbert_to_point(NULL), project_to_3d(NULL::real[]), project_to_3d(NULL::bytea);
SELECT count(*) FROM hilbert_ranges(NULL);

-- What can't be done is said.
SELECT test.error(s) FROM unnest(ARRAY[
    $$SELECT compute_hilbert_value('LINESTRING(0 0,1 1)')$$, $$SELECT compute_hilbert_value('POLYGON((0 0,1 1,1 0,0 0))')$$,
    $$SELECT morton_value('MULTIPOINT(1 1)')$$, $$SELECT compute_hilbert_value('GEOMETRYCOLLECTION EMPTY')$$,
    $$SELECT compute_hilbert_value((SELECT ST_MakeLine(ST_MakePoint(i, i % 7)) FROM generate_series(1, 5000) i))$$,
    $$SELECT compute_hilbert_value(ST_MakePoint(0, 'NaN', 0))$$, $$SELECT compute_hilbert_value('POINT(0 0)', 0)$$,
    $$SELECT compute_hilbert_value('POINT(0 0)', 22)$$, $$SELECT compute_hilbert_value('POINT(0 0)', 21, 'BOX3D(0 0 0,1 1 0)')$$,
    $$SELECT compute_hilbert_value('POINT(0 0)', 21, 'BOX3D(1e16 0 0,10000000000000002 1 1)')$$,
    $$SELECT hilbert_to_point(-1)$$, $$SELECT hilbert_to_point(8, 1)$$, $$SELECT hilbert_ranges('BOX3D(0 0 0,1 1 1)', 21, 0)$$,
    $$SELECT project_to_3d(ARRAY[1, 2]::real[])$$, $$SELECT project_to_3d('{}'::real[])$$, $$SELECT project_to_3d(ARRAY[1, NULL, 3]::real[])$$,
    $$SELECT project_to_3d(ARRAY[1, 'NaN', 3]::real[])$$, $$SELECT project_to_3d(ARRAY[1, 2, 3]::real[], 'magic')$$,
    $$SELECT project_to_3d('\x0102030405'::bytea)$$]) s;

-- Ranges cover exactly the cells of a box where they may be as many as they need, and all of them in any case.
SELECT max_ranges, count(*) AS ranges, bool_and(range_start <= range_end AND (before IS NULL OR before + 1 < range_start)) AS apart,
       sum(range_end - range_start + 1) AS cells
FROM (SELECT max_ranges, r.*, lag(range_end) OVER (PARTITION BY max_ranges ORDER BY range_start) AS before
      FROM unnest('{1,8,64,100000}'::int[]) max_ranges, hilbert_ranges('BOX3D(-51 -49 1,49 26 74)', 5, max_ranges) r) s GROUP BY 1 ORDER BY 1;
SELECT count(*) AS cells_by_hand FROM generate_series(0, 32767) h, hilbert_to_point(h, 5) c
WHERE floor((ST_X(c) + 100) / 6.25) BETWEEN floor((-51 + 100) / 6.25) AND floor((49 + 100) / 6.25)
  AND floor((ST_Y(c) + 100) / 6.25) BETWEEN floor((-49 + 100) / 6.25) AND floor((26 + 100) / 6.25)
  AND floor((ST_Z(c) + 100) / 6.25) BETWEEN floor((1 + 100) / 6.25) AND floor((74 + 100) / 6.25);
-- Points found through ranges and those of a scan.
CREATE TEMP TABLE boxes AS
    SELECT i AS box_no, x, y, z, s, ST_3DMakeBox(ST_MakePoint(x, y, z), ST_MakePoint(x + s, y + s, z + s)) AS b
    FROM p, LATERAL (SELECT abs(x) AS s) l WHERE i <= 50;
SELECT count(*) AS boxes, bool_and(by_scan = by_ranges) AS same, sum(by_scan) > 1000 AS many
FROM (SELECT (SELECT count(*) FROM p q WHERE q.x BETWEEN b.x AND b.x + s AND q.y BETWEEN b.y AND b.y + s AND q.z BETWEEN b.z AND b.z + s) AS by_scan,
             (SELECT count(*) FROM p q JOIN hilbert_ranges(b.b, 21, 20) r ON compute_hilbert_value(ST_MakePoint(q.x, q.y, q.z)) BETWEEN range_start AND range_end
              WHERE q.x BETWEEN b.x AND b.x + s AND q.y BETWEEN b.y AND b.y + s AND q.z BETWEEN b.z AND b.z + s) AS by_ranges FROM boxes b) s;

-- What we build is what PostGIS builds, to the byte.
SELECT count(*), bool_and(g::bytea = ST_MakePoint(ST_X(g), ST_Y(g), ST_Z(g))::bytea) AS same_bytes, bool_and(ST_IsValid(g) AND ST_NDims(g) = 3 AND ST_SRID(g) = 0) AS valid
FROM (SELECT hilbert_to_point(h) AS g FROM generate_series(0, 9000000000000000000, 9000000000000000) h) s;
SELECT ST_MemSize(hilbert_to_point(1)) = ST_MemSize(ST_MakePoint(1, 2, 3)) AS same_size, hilbert_to_point(0, 1) = ST_MakePoint(-50, -50, -50) AS equal;
-- Projection: the same from both forms, of the direction alone, inside of the box, another with another seed.
SELECT project_to_3d(v) = project_to_3d(test.f32(VARIADIC v)) AS same_bytea,
       ST_3DDistance(project_to_3d(v), project_to_3d(ARRAY(SELECT 3 * w FROM unnest(v) w)::real[])) < 1e-4 AS by_direction,
       ST_X(project_to_3d(v)) BETWEEN -100 AND 100 AS inside, project_to_3d(v) = project_to_3d(v, seed => 43) AS same_seed,
       project_to_3d(v, 'trilateration') = project_to_3d(test.f32(VARIADIC v), 'trilateration') AS same_trilateration
FROM (SELECT array_agg(sin(i)::real ORDER BY i) AS v FROM generate_series(1, 100) i) s;
SELECT ST_AsText(project_to_3d(ARRAY[0, 0, 0, 0]::real[])) AS zero, ST_AsText(project_to_3d(array_agg(i::real ORDER BY i)), 9) AS pinned, count(*) FROM generate_series(1, 1536) i;
-- Trilateration keeps the distances from the landmarks' plane: of e.g. the zero vector, at distance 1 of each.
SELECT round(ST_3DDistance(project_to_3d(ARRAY[0, 0, 0, 0, 0]::real[], 'trilateration'), ST_MakePoint(1, 0, 0))::numeric, 9) AS one;

-- A model of a matrix, a vector, a convolution, integers, a type without decoder, and rows that have no place.
SELECT test.safetensors(
    '{"m":{"dtype":"F32","shape":[4,16],"data_offsets":[0,256]},"v":{"dtype":"F32","shape":[16],"data_offsets":[256,320]},"conv":{"dtype":"F32","shape":[2,2,3],"data_offsets":[320,368]},"i":{"dtype":"I64","shape":[1,16],"data_offsets":[368,496]},"t":{"dtype":"F4","shape":[2,16],"data_offsets":[496,512]},"d":{"dtype":"F64","shape":[2,1,16],"data_offsets":[512,768]}}',
    (SELECT string_agg(test.f32(CASE WHEN n = 35 THEN 'NaN' WHEN n BETWEEN 48 AND 63 THEN 0 ELSE sin(n * n) END::real), '' ORDER BY n) FROM generate_series(0, 91) n)
    || (SELECT string_agg(test.le(n, 8), '' ORDER BY n) FROM generate_series(1, 16) n) || decode(repeat('12', 16), 'hex')
    || (SELECT string_agg(test.le(4607182418800017408 + (n * n % 7)::bigint * 281474976710656, 8), '' ORDER BY n) FROM generate_series(1, 32) n)) AS odd,
    test.safetensors('{"again":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}', (SELECT string_agg(test.f32(sin(n * n)::real), '' ORDER BY n) FROM generate_series(64, 79) n)) AS twin \gset
CALL ingest_model('odd', model_bytes => :'odd');
\set VERBOSITY terse
SELECT model_id AS m FROM model WHERE model_name = 'odd' \gset
SELECT test.error($$SELECT nearest_atoms((SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = 'm'))$$);
DO $$ DECLARE n text[] := '{}'; s record; t int := 0; BEGIN WHILE t IS NOT NULL LOOP SELECT * INTO s FROM atomizer_internal.spatialize_step((SELECT model_id FROM atomizer.model), 'tensor', t); n := n || s.notices; t := s.next_tensor; END LOOP; RAISE WARNING '%', n; END $$;
DO $$ DECLARE n text[] := '{}'; s record; t int := 0; BEGIN WHILE t IS NOT NULL LOOP SELECT * INTO s FROM atomizer_internal.spatialize_step((SELECT model_id FROM atomizer.model), 'row', t); n := n || s.notices; t := s.next_tensor; END LOOP; RAISE WARNING '%', n; END $$;
SET client_min_messages = warning;
SELECT layer_name, array_agg(row_no ORDER BY row_no) AS placed, bool_and(e.hilbert_value = compute_hilbert_value(e.spatial_key)) AS hilbert,
       bool_and((spatial_bucket_x, spatial_bucket_y, spatial_bucket_z) = (floor(ST_X(e.spatial_key)), floor(ST_Y(e.spatial_key)), floor(ST_Z(e.spatial_key)))) AS buckets,
       bool_and(row_no < 0 OR data_type <> 'F32' OR e.spatial_key = project_to_3d(tensor_weights(tensor_atom_id, row_no * shape[cardinality(shape)], shape[cardinality(shape)]))) AS projected,
       bool_and(row_no >= 0 OR t.spatial_key = e.spatial_key AND t.hilbert_value = e.hilbert_value) AS on_tensor_atom
FROM tensor_atom t JOIN atom_embedding e USING (content_hash, data_type, row_width) GROUP BY tensor_atom_id, layer_name ORDER BY tensor_no;
-- The second time nothing is left to do; another model with the same contents gets the points that are there.
SELECT count(*) AS points FROM atom_embedding \gset
CALL spatialize_model(:m);
CALL spatialize_model(:m, 'row');
CALL ingest_model('twin', model_bytes => :'twin');
SELECT model_id AS twin FROM model WHERE model_name = 'twin' \gset
CALL spatialize_model(:twin);
SELECT count(*) = :points AS nothing_new FROM atom_embedding;
SELECT a.spatial_key = b.spatial_key AS same_point FROM tensor_atom a, tensor_atom b WHERE a.layer_name = 'v' AND b.layer_name = 'again';
SELECT index_name FROM build_spatial_indexes();
SELECT count(*) FROM build_spatial_indexes();
SELECT index_name FROM rebuild_spatial_indexes();
SELECT layer_name, row_no, round(distance::numeric, 6) AS distance FROM nearest_atoms((SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = 'v'), 1);
SELECT layer_name, row_no FROM nearest_atoms('POINT Z (0 0 0)'::geometry, 1, 'row');
SELECT count(*) FROM nearest_atoms('POINT EMPTY'::geometry);
SELECT layer_name, row_no, distance FROM similar_tensors((SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = 'v'));
SELECT d.layer_name, d.row_no, d.distance > 0 AS apart FROM tensor_atom t, similar_rows(t.tensor_atom_id, 0, metric => 'euclidean') d WHERE t.layer_name = 'm' ORDER BY d.distance;
SELECT r.row_no, round(r.distance::numeric, 6) = round((SELECT sqrt(sum((a - b) ^ 2)) FROM unnest(tensor_weights_float8(t.tensor_atom_id, 0, 16), tensor_weights_float8(t.tensor_atom_id, r.row_no * 16, 16)) u(a, b))::numeric, 6) AS exact
FROM tensor_atom t, similar_rows(t.tensor_atom_id, 0, metric => 'euclidean', within_tensor => t.tensor_atom_id) r WHERE t.layer_name = 'm' ORDER BY 1;
SELECT strategy, count(*), bool_and(distance BETWEEN 0 AND 2) FROM unnest('{RTree,Hilbert3D}'::spatial_index_strategy[]) strategy, tensor_atom t, similar_rows(t.tensor_atom_id, 1, strategy => strategy) WHERE t.layer_name = 'd' GROUP BY 1 ORDER BY 1;
SELECT strategy, count(*), count(*) FILTER (WHERE row_no < 0) AS tensors FROM unnest('{RTree,Hilbert3D}'::spatial_index_strategy[]) strategy, atoms_in_box('BOX3D(-100 -100 -100,100 100 100)', strategy) GROUP BY 1 ORDER BY 1;
SELECT test.error(s) FROM unnest(ARRAY[
    $$CALL spatialize_model(99)$$, $$SELECT * FROM atomizer_internal.spatialize_step(1, 'layer', 0)$$, $$SELECT atoms_in_box('BOX3D(0 0 0,1 1 1)', 'KDTree')$$,
    $$SELECT nearest_atoms('LINESTRING(0 0,1 1)'::geometry)$$, $$SELECT nearest_atoms(ST_MakePoint(0, 0, 'NaN'))$$, $$SELECT nearest_atoms(ST_MakePoint('-Infinity', 0, 0))$$, $$SELECT nearest_atoms(ST_MakePoint(0, 1e200, 0))$$, $$SELECT nearest_atoms('POINT(0 0)'::geometry, 0)$$,
    $$SELECT similar_rows(1, 0, metric => 'taxi')$$, $$SELECT similar_rows(tensor_atom_id, 0) FROM atomizer.tensor_atom WHERE layer_name = 'v'$$,
    $$SELECT similar_rows(tensor_atom_id, 2) FROM atomizer.tensor_atom WHERE layer_name = 'm'$$,
    $$SELECT similar_rows(tensor_atom_id, 4) FROM atomizer.tensor_atom WHERE layer_name = 'm'$$,
    $$SELECT similar_tensors(tensor_atom_id) FROM atomizer.tensor_atom WHERE layer_name = 't'$$,
    $$SELECT atom_tiles(0, 0, 1)$$, $$SELECT atom_tiles(22, 0, 0)$$, $$SELECT atom_tiles(-1, 0, 0)$$]) s;

-- Tools: every point in the view; on tile 0/0/0 and on the four below it all of them.
SELECT count(*), count(DISTINCT point_id), bool_and(ST_X(point_2d) = ST_X(spatial_key)) FROM atom_points;
SELECT f_geometry_column, type, coord_dimension FROM geometry_columns WHERE f_table_name = 'atom_points' ORDER BY 1;
SELECT length(atom_tiles(0, 0, 0)) > 100 AS whole, sum(length(atom_tiles(1, x, y))) > 100 AS quarters FROM generate_series(0, 1) x, generate_series(0, 1) y;

-- Another tenant finds nothing of this, and may not look beneath.
SET client_min_messages = error;
CREATE ROLE test_space_stranger;
SELECT create_tenant('space_other') > 0 AS made;
SELECT add_tenant_member('space_other', 'test_space_stranger');
SET client_min_messages = warning;
SET ROLE test_space_stranger;
SELECT (SELECT count(*) FROM atom_points) AS points, (SELECT count(*) FROM nearest_atoms('POINT(0 0)'::geometry)) AS nearest, (SELECT count(*) FROM nearest_atoms('POINT(0 0)'::geometry, 10, 'row')) AS rows,
       (SELECT count(*) FROM atoms_in_box('BOX3D(-100 -100 -100,100 100 100)')) AS in_box, (SELECT count(*) FROM atoms_in_box('BOX3D(-100 -100 -100,100 100 100)', 'Hilbert3D')) AS in_ranges,
       length(atom_tiles(0, 0, 0)) AS tile;
SELECT test.error(s) FROM unnest(ARRAY[
    $$SELECT atomizer.similar_rows(1, 0)$$, $$SELECT atomizer.nearest_atoms(1)$$, $$SELECT atomizer.similar_tensors(1)$$, $$SELECT * FROM atomizer_internal.spatialize_step(1, 'tensor', 0)$$,
    $$SELECT * FROM atomizer.atom_embedding$$, $$SELECT * FROM atomizer_internal.nearest_rows('{1}', '{0,0,0}', 1)$$, $$SELECT * FROM atomizer_internal.atoms_in_box('{1}', '{0,0,0}', '{1,1,1}')$$,
    $$SELECT atomizer_internal.atom_tile('{1}', 0, 0, 0)$$, $$SELECT atomizer.build_spatial_indexes()$$, $$SELECT atomizer.rebuild_spatial_indexes()$$]) s;
RESET ROLE;
DROP ROLE test_space_stranger;

-- Nothing is wrong; garbage takes the points along; a wrong value is found.
SELECT * FROM check_integrity();
BEGIN;
UPDATE atom_embedding SET hilbert_value = hilbert_value + 1 WHERE row_no = 1;
INSERT INTO atom_embedding VALUES (sha256('x'), 'F32', 20, 0, ST_MakePoint(0, 0, 0), compute_hilbert_value(ST_MakePoint(0, 0, 0)), 0, 0, 0);
SELECT invariant, regexp_replace(object, '[0-9a-f]{64}', 'HASH') AS object, problem FROM check_integrity() ORDER BY 1, 2;
ROLLBACK;
SELECT count(drop_model(model_id)) FROM model;
SELECT atoms_removed > 0 AS removed FROM collect_garbage();
SELECT count(*) FROM atom_embedding;
-- Where nothing has a point, it says how points come.
SET client_min_messages = notice;
SELECT count(*) FROM nearest_atoms('POINT(0 0)');
SELECT count(*) FROM nearest_atoms('POINT(0 0)', granularity => 'row');
DROP INDEX atom_embedding_spatial_key_idx, atom_embedding_hilbert_value_idx, tensor_atom_spatial_key_idx;
