#!/usr/bin/env python3
# The weight atoms of a model are its distinct weights: sha256(float4send(x)) in plain SQL finds each, and its reference_count is what
# numpy counts; twice that after a second ingestion, and exactly that again when one of both is dropped.
# needs: python smollm2-135m-q4_1.gguf tinycoder.gguf fracast-int8.safetensors minilm-bf16.safetensors
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_ORACLE" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_ORACLE": "1"})

import tempfile

import numpy as np
from official import MODELS, check, finish, read_model, sql

SHARING = 256  # weights of a data type for each distinct one, for granularity auto


def count(path: str, granularity: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each data type that should have weight atoms: the bits of its distinct weights, and how often each occurs."""
    by_type: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for dtype, _, weights in read_model(path).values():
        if weights.dtype != np.float32:  # MiniLM's one I64 tensor counts from 0 to 511: no weight comes twice
            assert granularity == "auto" and len(np.unique(weights)) == len(weights)
            continue
        by_type.setdefault(dtype, []).append(np.unique(weights.view(np.uint32), return_counts=True))
    counts = {dtype: add(parts) for dtype, parts in by_type.items()}
    return {dtype: (bits, n) for dtype, (bits, n) in counts.items() if granularity == "weight" or n.sum() >= SHARING * len(bits)}


def add(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Joins counts."""
    if not parts:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    bits, place = np.unique(np.concatenate([bits for bits, _ in parts]), return_inverse=True)
    totals = np.zeros(len(bits), np.int64)
    np.add.at(totals, place, np.concatenate([n for _, n in parts]))
    return bits, totals


def check_atoms(when: str, expected: tuple[np.ndarray, np.ndarray]) -> None:
    """The whole table of weight atoms, found through sha256(float4send(x))."""
    bits, counts = expected
    rows = np.zeros(len(bits), [("columns", ">i2"), ("length1", ">i4"), ("x", ">u4"), ("length2", ">i4"), ("n", ">i8")])
    rows["columns"], rows["length1"], rows["x"], rows["length2"], rows["n"] = 2, 4, bits, 8, counts
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")
        file.flush()
        found = sql("CREATE TEMP TABLE expected (x real, n bigint)", f"\\copy expected FROM '{file.name}' (FORMAT binary)",
                    """SELECT count(*), count(*) FILTER (WHERE a.reference_count = e.n), coalesce(sum(a.reference_count), 0)
                       FROM expected e FULL JOIN (SELECT * FROM atomizer.atom WHERE kind = 'weight' AND reference_count > 0) a
                       ON a.content_hash = sha256(float4send(e.x)) AND a.atomic_value = float4send(e.x)""")
    check(f"{when}: weight atoms, those with numpy's count, sum of counts", [int(n) for n in found[-1]], [len(bits), len(bits), int(counts.sum())])


def ingest(name: str, file: str, granularity: str) -> None:
    sql(f"CALL atomizer.ingest_model('{name}', '{MODELS}/{file}', granularity => '{granularity}')")


FILES = [("smollm2", "smollm2-135m-q4_1.gguf", "auto"), ("tinycoder", "tinycoder.gguf", "weight"), ("fracast", "fracast-int8.safetensors", "weight"),
         ("minilm-bf16", "minilm-bf16.safetensors", "auto")]
known: list[tuple[np.ndarray, np.ndarray]] = []
for name, file, granularity in FILES:
    counts = count(f"{MODELS}/{file}", granularity)
    own = add(list(counts.values()))
    ingest(name, file, granularity)
    flags = sql(f"SELECT DISTINCT data_type FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = '{name}' AND has_weight_atoms ORDER BY 1")
    check(f"{name} ({granularity}): data types with weight atoms", sorted(row[0] for row in flags), sorted(counts))
    check_atoms(f"{name} came", add([*known, own]))
    ingest(f"{name}-again", file, granularity)
    check_atoms(f"{name} came again", add([*known, own, own]))
    sql(f"SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = '{name}'")
    check_atoms(f"{name} went once", add([*known, own]))
    known.append(own)
for name, _, _ in FILES:
    sql(f"SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = '{name}-again'")
    known.pop(0)
    check_atoms(f"{name} went", add(known))
sql("SELECT atomizer.collect_garbage()")
check("atoms left", sql("SELECT count(*) FROM atomizer.atom"), [["0"]])
finish()
