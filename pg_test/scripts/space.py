#!/usr/bin/env python3
# A real model in space: distinct Hilbert values, the same rows from every index on a million rows, plans, recall of similar rows.
# needs: python smollm2-135m-q4_1.gguf
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_SPACE" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_SPACE": "1"})

import gguf
import numpy as np
from official import MODELS, check, finish, sql

GGUF = f"{MODELS}/smollm2-135m-q4_1.gguf"
TENSOR = "token_embd.weight"
TOKENS, WIDTH, QUERIES, K = 49152, 576, 200, 10


def one(statement: str) -> str:
    return sql(statement)[0][0]


def check_at_least(what: str, actual: float, least: float) -> None:
    check(f"{what}: {actual:.4f} is at least {least}", actual >= least, True)


def spatialize() -> tuple[str, str]:
    """Ingests and places the model; returns it and its embedding."""
    sql(f"CALL atomizer.ingest_model('smollm2', '{GGUF}', granularity => 'tensor')")
    model = one("SELECT model_id FROM atomizer.model")
    sql(f"CALL atomizer.spatialize_model({model})", f"CALL atomizer.spatialize_model({model}, 'row')")
    tensors, distinct, placed = sql("SELECT count(*), count(DISTINCT content_hash), count(spatial_key) FROM atomizer.tensor_atom")[0]
    check("tensors placed", placed, tensors)
    check("points of tensors", one("SELECT count(*) FROM atomizer.atom_embedding WHERE row_no = -1"), distinct)
    rows = one("SELECT sum(r) FROM (SELECT DISTINCT content_hash, weight_count / shape[2] AS r FROM atomizer.tensor_atom WHERE cardinality(shape) = 2) s")
    check("points of rows", one("SELECT count(*) FROM atomizer.atom_embedding WHERE row_no >= 0"), rows)
    return model, one(f"SELECT tensor_atom_id FROM atomizer.tensor_atom WHERE layer_name = '{TENSOR}'")


def distinct_values(tensor: str) -> None:
    points, values = map(int, sql(f"""SELECT count(DISTINCT e.spatial_key::bytea), count(DISTINCT e.hilbert_value)
        FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width) WHERE tensor_atom_id = {tensor} AND row_no >= 0""")[0])
    check_at_least(f"{points} distinct points of {TOKENS} tokens have {values} Hilbert values; their share", values / points, 0.99)


def recall(tensor: str) -> None:
    """Recall of similar_rows is the share of true neighbours among the candidates nearest in space: measured for every
    number of candidates at once from the stored points, and through SQL for one of them."""
    reader = gguf.GGUFReader(GGUF)
    stored = next(t for t in reader.tensors if t.name == TENSOR)
    rows = gguf.quants.dequantize(stored.data, stored.tensor_type).reshape(TOKENS, WIDTH).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths == 0, 1, lengths)
    points = np.array([[float(c) for c in row] for row in sql(f"""SELECT ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
        FROM atomizer.atom_embedding e JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width) WHERE tensor_atom_id = {tensor} AND row_no >= 0 ORDER BY row_no""")])
    check("points of tokens", points.shape, (TOKENS, 3))

    queries = np.random.default_rng(5).choice(np.flatnonzero(lengths[:, 0] > 0), QUERIES, replace=False)
    ranks = []
    for query in queries:
        cosine = unit @ unit[query]
        cosine[query] = -2
        true = np.argpartition(-cosine, K)[:K]
        apart = np.linalg.norm(points - points[query], axis=1)
        ranks.append([int((apart < apart[row]).sum()) for row in true])
    ranks = np.array(ranks)
    for candidates in [100, 1000, 5000, 10000, 20000, 30000, 40000, TOKENS]:
        print(f"        recall@{K} with {candidates:>6} candidates of {TOKENS}: {(ranks < candidates).mean():.3f}")
    enough = int(np.sort(ranks.ravel())[int(np.ceil(0.95 * ranks.size)) - 1]) + 1
    print(f"        recall@{K} of 0.95 takes {enough} candidates, {enough / TOKENS:.0%} of the rows")

    for strategy, candidates in [("RTree", 10000), ("RTree", TOKENS), ("Hilbert3D", TOKENS * 2)]:
        hits, expected, exact = 0, 0, True
        for query, rank in list(zip(queries, ranks, strict=True))[:20]:
            cosine = unit @ unit[query]
            cosine[query] = -2
            # Some tokens have equal rows: of those at the same distance any is a true neighbour.
            farthest = np.partition(1 - cosine, K - 1)[K - 1] + 1e-9
            found = [(int(row), float(distance)) for row, distance in sql(f"""SELECT row_no, distance FROM atomizer.similar_rows(
                {tensor}, {query}, {K}, {candidates}, strategy => '{strategy}', within_tensor => {tensor})""")]
            hits += sum(1 - cosine[row] <= farthest for row, _ in found)
            expected += int((rank < candidates).sum())
            exact &= len(found) == K and all(abs(1 - cosine[row] - distance) < 1e-6 for row, distance in found)
        check(f"{strategy}, {candidates} candidates: distances are those of numpy", exact, True)
        check(f"{strategy}, {candidates} candidates: true neighbours found of {20 * K}", int(hits), expected)


def million(tensor: str) -> None:
    """Boxes and neighbours through each index and without, on a million rows more."""
    sql(f"""INSERT INTO atomizer.atom_embedding
        SELECT t.content_hash, t.data_type, t.row_width, {TOKENS} + i, p, atomizer.compute_hilbert_value(p), floor(ST_X(p)), floor(ST_Y(p)), floor(ST_Z(p))
        FROM atomizer.tensor_atom t, (SELECT setseed(0.5)) s, generate_series(1, 1000000) i,
             LATERAL (SELECT CASE WHEN i % 4 = 0 THEN ST_MakePoint((random() - 0.5) * 20, (random() - 0.5) * 20, (random() - 0.5) * 20)
                                  ELSE ST_MakePoint((random() - 0.5) * 200, (random() - 0.5) * 200, (random() - 0.5) * 200) END AS p OFFSET 0) l
        WHERE t.tensor_atom_id = {tensor}""", "SELECT atomizer.rebuild_spatial_indexes()")
    digest = "count(*), md5(string_agg(row_no::text || '/' || tensor_atom_id, ',' ORDER BY tensor_atom_id, row_no))"
    boxes = [(0, 0, 0, 1), (-5, -5, -5, 3), (10, -40, 25, 20), (-100, -100, -100, 30), (60, 60, 60, 40), (-50, -50, -50, 100), (-100, -100, -100, 200), (3, 3, 3, 0)]
    for x, y, z, side in boxes:
        box = f"'BOX3D({x} {y} {z},{x + side} {y + side} {z + side})'"
        scan = sql("SET enable_indexscan = off", "SET enable_bitmapscan = off", "SET enable_nestloop = off", f"""SELECT {digest} FROM atomizer.atom_embedding e
            JOIN atomizer.tensor_atom t USING (content_hash, data_type, row_width) WHERE ST_X(e.spatial_key) BETWEEN {x} AND {x + side}
            AND ST_Y(e.spatial_key) BETWEEN {y} AND {y + side} AND ST_Z(e.spatial_key) BETWEEN {z} AND {z + side}""")
        for strategy in ["RTree", "Hilbert3D"]:
            found = sql(f"SELECT {digest} FROM atomizer.atoms_in_box({box}, '{strategy}')")
            check(f"{strategy}, box of {side} at ({x}, {y}, {z}): rows as in a scan", found, scan)
    for point in ["0 0 0", "55.5 -20 3", "-99 99 99"]:
        scan = sql("SET enable_indexscan = off", f"""SELECT round(ST_3DDistance(spatial_key, 'POINT Z ({point})')::numeric, 9)
            FROM atomizer.atom_embedding WHERE row_no >= 0 ORDER BY 1 LIMIT 50""")
        found = sql(f"SELECT round(distance::numeric, 9) FROM atomizer.nearest_atoms('POINT Z ({point})'::geometry, 50, 'row')")
        check(f"distances of the 50 nearest to ({point}) are those of a scan", found == scan and len(found) == 50, True)

    corners = "atomizer.my_tenant_ids(), '{10,-40,25}', '{14,-36,29}'"
    for function, index in [(f"atomizer_internal.atoms_in_box({corners})", "atom_embedding_spatial_key_idx"),
                            (f"atomizer_internal.atoms_in_box_hilbert({corners})", "atom_embedding_hilbert_value_idx"),
                            ("atomizer_internal.nearest_rows(atomizer.my_tenant_ids(), '{1,2,3}', 10)", "Index Scan using atom_embedding_spatial_key_idx"),
                            ("atomizer_internal.near_rows(atomizer.my_tenant_ids(), '{1,2,3}', 576, NULL, 1000)", "Index Scan using atom_embedding_spatial_key_idx"),
                            ("atomizer_internal.near_rows_hilbert(atomizer.my_tenant_ids(), 4611686018427387904, 576, NULL, 1000)", "Scan Backward using atom_embedding_hilbert_value_idx")]:
        plan = " ".join(row[0] for row in sql(f"EXPLAIN (COSTS OFF) SELECT * FROM {function}"))
        check(f"EXPLAIN of {function.split('(')[0]} names {index}", index in plan, True)


def remove(model: str) -> None:
    sql(f"SELECT atomizer.drop_model({model})", "SELECT atomizer.collect_garbage()")
    check("points after collect_garbage()", one("SELECT count(*) FROM atomizer.atom_embedding"), "0")


def resume(model: str) -> None:
    """A run that is cut off leaves whole steps; the next one goes on behind them, and none is placed twice."""
    before = one("SELECT md5(string_agg(hilbert_value::text, ',' ORDER BY content_hash, data_type, row_width, row_no)) FROM atomizer.atom_embedding")
    sql("DELETE FROM atomizer.atom_embedding WHERE row_no >= 100")
    sql(f"CALL atomizer.spatialize_model({model}, 'row')")
    check("points after resuming", one("SELECT md5(string_agg(hilbert_value::text, ',' ORDER BY content_hash, data_type, row_width, row_no)) FROM atomizer.atom_embedding"), before)


model, tensor = spatialize()
distinct_values(tensor)
resume(model)
recall(tensor)
million(tensor)
remove(model)
finish()
