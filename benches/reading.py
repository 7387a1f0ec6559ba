"""A tensor of 105 MB, from the store to numpy by psycopg 3's binary protocol, beside safetensors that reads the file, and beside what the
protocol itself takes: a bytea of that size that only has to be sent. Then the largest tensor of a real model.

Ratios are what counts: the machine may be shared, and all ways run in turns. Every result is compared with the file, bit for bit.
"""

import json
import os
import platform
import statistics
import struct
import sys
import time
from importlib.metadata import version

import numpy as np
import psycopg
import safetensors.numpy
from safetensors import safe_open

MODELS = sys.argv[1]
ROUNDS = 9
PIECE = 1 << 20


def write_tensor(path):
    """A safetensors file of one F32 tensor of 105 MB: normal numbers, as weights are."""
    weights = np.random.default_rng(1).standard_normal((6400, 4096), np.float32) * 0.02
    header = json.dumps({"w": {"dtype": "F32", "shape": weights.shape, "data_offsets": [0, weights.nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + weights.tobytes())


def machine(connection):
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    print(f"machine: {len(names)} x {names[0]}, {platform.system()} {platform.release()}")
    server = connection.execute("SHOW server_version").fetchone()[0]
    print(f"peers:   PostgreSQL {server}, psycopg {version('psycopg')} ({psycopg.pq.__impl__}), safetensors {version('safetensors')}; {ROUNDS} rounds, medians")


def one_value(connection, call, tensor, _):
    (sent,) = connection.execute(f"SELECT {call}(%s)", [tensor], binary=True).fetchone()
    return np.frombuffer(sent, "<f4")


def constant(connection, *_):
    (sent,) = connection.execute("SELECT sent FROM constant", binary=True).fetchone()
    return np.frombuffer(sent, "<f4")


def constant_pieces(connection, _, weights):
    """What the protocol takes for pieces that only have to be sent."""
    return copied(connection, "SELECT sent FROM constant_piece ORDER BY i", weights)


def in_server(connection, call, tensor, _):
    connection.execute(f"SELECT octet_length({call}(%s))", [tensor]).fetchone()


def copied(connection, query, weights):
    """Piece by piece to where it belongs, as COPY sends it."""
    out = np.empty(weights, "<f4")
    to, at = memoryview(out).cast("B"), 0
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["bytea"])
        for (sent,) in copy.rows():
            to[at:at + len(sent)] = sent
            at += len(sent)
    return out


def pieces(connection, call, tensor, weights, size=PIECE):
    unit = 4 if "float32" in call else 1
    query = f"SELECT {call}({tensor}, i, {size // unit}) FROM generate_series(0, {weights * 4 // unit - 1}, {size // unit}) i"
    return copied(connection, query, weights)


def measure(connection, path, layer, file_reader):
    model = connection.execute("SELECT coalesce(max(model_id), 0) + 1 FROM model").fetchone()[0]
    connection.execute(f"CALL ingest_model('bench {model}', model_path => '{path}', granularity => 'tensor')")
    tensor, weights, dtype = connection.execute(
        "SELECT tensor_atom_id, weight_count, data_type::text FROM tensor_atom JOIN model USING (model_id) WHERE model_name = %s AND layer_name = %s",
        [f"bench {model}", layer]).fetchone()
    expected = file_reader()
    connection.execute("DROP TABLE IF EXISTS constant")
    connection.execute("CREATE UNLOGGED TABLE constant (sent bytea)")
    connection.execute("ALTER TABLE constant ALTER sent SET STORAGE EXTERNAL")
    connection.execute("INSERT INTO constant VALUES (%b)", [expected.tobytes()])
    connection.execute("DROP TABLE IF EXISTS constant_piece")
    connection.execute("CREATE UNLOGGED TABLE constant_piece (i bigint, sent bytea)")
    connection.execute("ALTER TABLE constant_piece ALTER sent SET STORAGE EXTERNAL")
    connection.execute(
        "INSERT INTO constant_piece SELECT i, substring(sent FROM i::int + 1 FOR %s) FROM constant, generate_series(0, octet_length(sent) - 1, %s) i",
        [PIECE, PIECE])
    raw = dtype == "F32"
    ways = {
        "safetensors, from the file": lambda *_: file_reader(),
        "a stored bytea of that size": constant,
        "stored pieces of 1 MiB, COPY": constant_pieces,
        **({"tensor_bytes, one value": lambda *a: one_value(a[0], "tensor_bytes", *a[1:])} if raw else {}),
        "tensor_float32_bytes, one value": lambda *a: one_value(a[0], "tensor_float32_bytes", *a[1:]),
        "tensor_float32_bytes, COPY of pieces": lambda *a: pieces(a[0], "tensor_float32_bytes", *a[1:]),
        "tensor_float32_bytes, pieces of 256 KiB": lambda *a: pieces(a[0], "tensor_float32_bytes", *a[1:], PIECE // 4),
        "tensor_float32_bytes, pieces of 4 MiB": lambda *a: pieces(a[0], "tensor_float32_bytes", *a[1:], PIECE * 4),
        "tensor_float32_bytes, in the server only": lambda *a: in_server(a[0], "tensor_float32_bytes", *a[1:]),
        "tensor_weights, one value": lambda *a: np.asarray(a[0].execute("SELECT tensor_weights(%s)", [a[1]], binary=True).fetchone()[0], "<f4"),
    }
    if weights > 30_000_000:
        del ways["tensor_weights, one value"]
    times = {way: [] for way in ways}
    for number in range(ROUNDS):
        for way, get in ways.items():
            if way.startswith("tensor_weights") and number >= 3:
                continue
            begun = time.perf_counter()
            got = get(connection, tensor, weights)
            times[way].append(time.perf_counter() - begun)
            assert got is None or np.array_equal(got.reshape(-1).view(np.uint32), expected.reshape(-1).view(np.uint32)), way
            del got
    print(f"\n{os.path.basename(path)}, {layer}: {weights:,} weights of {dtype}, {expected.nbytes / 1e6:.0f} MB as float32")
    peer = statistics.median(times["safetensors, from the file"])
    for way, seconds in times.items():
        print(f"{way:<42} {statistics.median(seconds):>8.3f} s  (least {min(seconds):.3f})  {statistics.median(seconds) / peer:>6.2f} x safetensors")


def main():
    connection = psycopg.connect(options="-c search_path=atomizer,public -c client_min_messages=warning", autocommit=True)
    connection.execute("CREATE EXTENSION IF NOT EXISTS atomizer CASCADE")
    machine(connection)
    path = f"{MODELS}/tensor-105mb.safetensors"
    write_tensor(path)
    measure(connection, path, "w", lambda: safetensors.numpy.load_file(path)["w"])
    os.remove(path)

    def real(name, layer):
        with safe_open(f"{MODELS}/{name}", "np") as file:
            return file.get_tensor(layer).astype("<f4")

    name, layer = "minilm-l6-v2.safetensors", "embeddings.word_embeddings.weight"
    measure(connection, f"{MODELS}/{name}", layer, lambda: real(name, layer))
    name = "minilm-f16.safetensors"
    measure(connection, f"{MODELS}/{name}", layer, lambda: real(name, layer))


main()
