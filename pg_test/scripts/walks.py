#!/usr/bin/env python3
# Newcomers' walks from Python: through psycopg 2, psycopg 3 and SQLAlchemy, a platform engineer, a researcher (with pandas), a DBA and
# someone from the SQL Server system do what the walks in sql/ do in psql.
# needs: python tinycoder.gguf silero-vad-16k.safetensors minilm-bf16.safetensors
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_WALKS" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_WALKS": "1"})

import hashlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pandas as pd
import psycopg
import psycopg2
import sqlalchemy
from official import MODELS, check, finish, read_model

EXPORTS = os.environ["EXPORTS"]
TINY, SILERO, MINILM = (f"{MODELS}/{name}" for name in ("tinycoder.gguf", "silero-vad-16k.safetensors", "minilm-bf16.safetensors"))


class Psycopg2:
    """A connection as the documentation of psycopg 2 makes one; the server is that of libpq's variables."""

    def __init__(self, autocommit: bool = True) -> None:
        self.connection = psycopg2.connect("")
        self.connection.autocommit = autocommit

    def run(self, statement: str, **values: object) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values)
            return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in cursor.fetchall()] if cursor.description else []

    def notices(self) -> str:
        return "".join(self.connection.notices)

    def close(self) -> None:
        self.connection.close()


class Psycopg3:
    """The same with psycopg 3, which sends values beside the statement, with types."""

    def __init__(self, autocommit: bool = True) -> None:
        self.connection = psycopg.connect("", autocommit=autocommit)
        self.heard = []
        self.connection.add_notice_handler(lambda notice: self.heard.append(notice.message_primary))

    def run(self, statement: str, **values: object) -> list[tuple]:
        cursor = self.connection.execute(re.sub(r":(\w+)", r"%(\1)s", statement), values)
        return cursor.fetchall() if cursor.description else []

    def notices(self) -> str:
        return "\n".join(self.heard)

    def close(self) -> None:
        self.connection.close()


class SQLAlchemy:
    """The same with SQLAlchemy: its own names of values, its own way to autocommit."""

    def __init__(self, autocommit: bool = True) -> None:
        self.engine = sqlalchemy.create_engine("postgresql+psycopg://", poolclass=sqlalchemy.NullPool)
        self.connection = self.engine.connect()
        if autocommit:
            self.connection = self.connection.execution_options(isolation_level="AUTOCOMMIT")
        self.heard = []
        self.connection.connection.driver_connection.add_notice_handler(lambda notice: self.heard.append(notice.message_primary))

    def run(self, statement: str, **values: object) -> list[tuple]:
        result = self.connection.execute(sqlalchemy.text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []

    def notices(self) -> str:
        return "\n".join(self.heard)

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


Driver = Psycopg2 | Psycopg3 | SQLAlchemy


def error(db: Driver, statement: str, **values: object) -> tuple[str, str]:
    """SQLSTATE and hint of the error that a statement ends with, as the driver's exception has them."""
    try:
        db.run(statement, **values)
    except (psycopg.Error, psycopg2.Error, sqlalchemy.exc.DBAPIError) as raised:
        original = getattr(raised, "orig", raised)
        return getattr(original, "sqlstate", None) or original.pgcode, original.diag.message_hint or ""
    return "00000", ""


def one(db: Driver, statement: str, **values: object) -> object:
    return db.run(statement, **values)[0][0]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def clean_up(db: Driver) -> None:
    db.run("SELECT drop_model(model_id) FROM model")
    db.run("SELECT * FROM collect_garbage()")
    check("the store is whole", db.run("SELECT * FROM check_integrity()"), [])
    check("and empty", db.run("SELECT (SELECT count(*) FROM atom), (SELECT count(*) FROM tensor_segment)"), [(0, 0)])


def platform(db: Driver, connect: Callable[..., Driver]) -> None:
    """Files in, from the server and from the client; what is stored; files out."""
    count = one(db, "SELECT count(*) FROM list_tensors(model_path => :path)", path=TINY)
    db.run("CALL ingest_model(:name, model_path => :path)", name="tiny", path=TINY)
    check("tensors listed are those stored", one(db, "SELECT count(*) FROM tensor_atom"), count)
    check("a notice says so", "is complete and verified" in db.notices(), True)
    silero = Path(SILERO).read_bytes()
    db.run("CALL ingest_model(:name, model_bytes => :data)", name="vad", data=silero)
    db.run("CALL ingest_model(:name, model_bytes => :data)", name="vad again", data=silero)
    check("the same content is stored once", one(db, "SELECT new_bytes FROM ingestion_job JOIN model USING (model_id) WHERE model_name = :name", name="vad again"), 0)
    check("models", db.run("SELECT model_name, is_complete FROM model ORDER BY 1"), [("tiny", True), ("vad", True), ("vad again", True)])
    vad = one(db, "SELECT model_id FROM model WHERE model_name = :name", name="vad")
    # In two statements: lo_get() sees what was there when its own began.
    large_object = one(db, "SELECT export_model_file(:id)", id=vad)
    check("a file comes to the client", sha256(one(db, "SELECT lo_get(:lo)", lo=large_object)), sha256(silero))
    check("and its large object goes", one(db, "SELECT lo_unlink(:lo)", lo=large_object), 1)
    tiny = one(db, "SELECT model_id FROM model WHERE model_name = :name", name="tiny")
    out = Path(EXPORTS, f"walk-{type(db).__name__}.gguf")
    db.run("SELECT export_model_file(:id, :path, overwrite => true)", id=tiny, path=str(out))
    check("a file comes to the server's disk", one(db, "SELECT encode(sha256(pg_read_binary_file(:path)), 'hex')", path=str(out)), sha256(Path(TINY).read_bytes()))
    check("what the server verifies, by its name", db.run("SELECT file_name, is_identical FROM verify_model(:name)", name="tiny"), [("tinycoder.gguf", True)])
    folder = f"{EXPORTS}/walk-{type(db).__name__}"
    check("all files of a model", [(name, bytes(sha).hex()) for name, sha in db.run("SELECT file_name, sha256 FROM export_model(:name, :folder)", name="tiny", folder=folder)],
          [("tinycoder.gguf", sha256(Path(TINY).read_bytes()))])
    pieces = db.run("SELECT bytes FROM read_model_file(:name) ORDER BY piece_no", name="vad")
    check("a file as rows", sha256(b"".join(bytes(piece) for (piece,) in pieces)), sha256(silero))
    check("a name that is taken", error(db, "CALL ingest_model(:name, model_path => :path)", name="tiny", path=TINY)[0], "23505")
    check("a file that is not there", error(db, "SELECT * FROM list_tensors(model_path => :path)", path="/nowhere/x.gguf")[0], "58P01")
    # A tenant's role: its own models only, from its own connection.
    db.run("SELECT create_tenant(:tenant), add_tenant_member(:tenant, :role)", tenant="walkers", role="test_walker")
    member = connect()
    member.run("SET ROLE test_walker")
    member.run("CALL ingest_model(:name, model_bytes => :data)", name="mine", data=silero)
    check("what the tenant sees", member.run("SELECT model_name FROM model"), [("mine",)])
    check("what it may not drop", error(member, "SELECT drop_model(:id)", id=vad)[0], "42704")
    check("what it may not read", error(member, "SELECT * FROM list_tensors(model_path => :path)", path=TINY)[0], "42501")
    member.close()


def researcher(db: Driver, connect: Callable[..., Driver]) -> None:
    """Weights as numpy arrays and data frames, equal to what the official readers give."""
    del connect
    for name, path in (("minilm", MINILM), ("tiny", TINY)):
        db.run("CALL ingest_model(:name, model_path => :path)", name=name, path=path)
    official = read_model(MINILM)
    layer = "encoder.layer.0.attention.self.query.weight"
    tensor, shape = db.run("SELECT tensor_atom_id, shape FROM tensor_atom WHERE layer_name = :layer", layer=layer)[0]
    weights = np.array(one(db, "SELECT tensor_weights(:id)", id=tensor), np.float32).reshape(shape)
    check("weights by numpy", np.array_equal(weights, official[layer][2].reshape(official[layer][1]).astype(np.float32)), True)
    raw = np.frombuffer(one(db, "SELECT tensor_float32_bytes(:model, :layer)", model="minilm", layer=layer), "<f4")
    check("as bytes, by names", np.array_equal(raw.reshape(shape), weights), True)
    row = np.array(one(db, "SELECT tensor_weights(:id, :start, :count)", id=tensor, start=384, count=384), np.float32)
    check("a row of them", np.array_equal(row, weights[1]), True)
    blocks = one(db, "SELECT quantize(tensor_weights(:id, 0, :count), 'Q8_0')", id=tensor, count=384)
    expected = gguf.quants.dequantize(np.frombuffer(blocks, np.uint8), gguf.GGMLQuantizationType.Q8_0)
    check("blocks of a smaller type, as gguf reads them", np.array_equal(expected, np.frombuffer(one(db, "SELECT dequantize_bytes(:data, 'Q8_0')", data=blocks), "<f4")), True)
    mean, minimum = db.run("SELECT mean, min FROM tensor_stats(:id)", id=tensor)[0]
    check("statistics", (abs(mean - weights.mean(dtype=np.float64)) < 1e-9, minimum), (True, float(weights.min())))
    sigma = np.array([s for (s,) in db.run("SELECT sigma FROM svd_spectrum(:id)", id=tensor)])
    check("the spectrum is numpy's", np.allclose(sigma, np.linalg.svd(weights.astype(np.float64), compute_uv=False), rtol=1e-4), True)
    # pandas reads through SQLAlchemy.
    if isinstance(db, SQLAlchemy):
        frame = pd.read_sql(sqlalchemy.text("SELECT layer_name, layer_type, s.* FROM tensor_atom, tensor_stats(tensor_atom_id) s ORDER BY 1"), db.connection)
        check("a data frame of statistics", (len(frame), int(frame["nan_count"].sum())), (one(db, "SELECT count(*) FROM tensor_atom"), 0))
        by_type = frame.groupby("layer_type")["weight_count"].sum()
        check("grouped", int(by_type.sum()), one(db, "SELECT CAST(sum(weight_count) AS bigint) FROM tensor_atom"))
    # What is near to a row is the row, and its neighbours' distances rise.
    tiny = one(db, "SELECT model_id FROM model WHERE model_name = :name", name="tiny")
    db.run("CALL spatialize_model(:id, granularity => :rows)", id=tiny, rows="row")
    tokens = one(db, "SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = :layer", layer="token_embd.weight")
    near = db.run("SELECT row_no, distance FROM similar_rows(:id, :row, k => :k, within_tensor => :id)", id=tokens, row=100, k=5)
    check("rows like a row", (len(near), [d for _, d in near]), (5, sorted(d for _, d in near)))


def dba(db: Driver, connect: Callable[..., Driver]) -> None:
    """Transactions, quotas, a cancel in the middle, and what others see of it."""
    # Drivers begin a transaction by themselves, unless they are told not to.
    transaction = connect(autocommit=False)
    state, hint = error(transaction, "CALL ingest_model(:name, model_path => :path)", name="x", path=TINY)
    check("CALL in a driver's transaction", (state, "autocommit" in hint), ("25001", True))
    transaction.close()
    check("nothing came of it", one(db, "SELECT count(*) FROM model"), 0)
    state, hint = error(db, "CALL ingest_model(:name, model_path => :path, atom_chunk_size => :chunk, atom_quota => :quota)",
                        name="vad", path=SILERO, chunk=70000, quota=200000)
    check("a quota", (state, "set_atom_quota" in hint), ("53400", True))
    job, percent, code = db.run("SELECT ingestion_job_id, percent, error_code FROM ingestion_progress")[0]
    check("the job says so", (0 < percent < 100, code), (True, "53400"))
    db.run("SELECT set_atom_quota(:job, :quota)", job=job, quota=10**9)
    db.run("CALL atomize_model_governed(:job)", job=job)
    check("and goes on", db.run("SELECT CAST(job_status AS text), CAST(percent AS integer), error_code FROM ingestion_progress"), [("Complete", 100, None)])

    # Another session watches a job, and cancels it in the middle.
    pid, seen = one(db, "SELECT pg_backend_pid()"), []

    def watch() -> None:
        watcher = connect()
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            seen.extend(watcher.run("SELECT chunks_committed FROM ingestion_progress WHERE model_name = :name AND chunks_committed >= 3", name="minilm"))
            time.sleep(0.005)
        watcher.run("SELECT pg_cancel_backend(:pid)", pid=pid)
        watcher.close()

    thread = threading.Thread(target=watch)
    thread.start()
    state, _ = error(db, "CALL ingest_model(:name, model_path => :path, atom_chunk_size => :chunk)", name="minilm", path=MINILM, chunk=100000)
    thread.join()
    check("a job that is cancelled by another session", (state, len(seen)), ("57014", 1))
    kept = one(db, "SELECT chunks_committed FROM ingestion_progress WHERE model_name = :name", name="minilm")
    check("keeps its chunks", kept >= 3, True)
    db.run("CALL ingest_model(:name, model_path => :path, atom_chunk_size => :chunk)", name="minilm", path=MINILM, chunk=100000)
    check("the same call resumes it", "resuming ingestion job" in db.notices(), True)
    check("to its end", one(db, "SELECT bool_and(is_identical) FROM model, verify_model(model_id)"), True)
    # In the background: the call returns at once, and the view says how far it is.
    job = one(db, "SELECT start_ingestion(:name, model_path => :path)", name="tiny", path=TINY)
    deadline = time.monotonic() + 30
    while one(db, "SELECT CAST(job_status AS text) FROM ingestion_job WHERE ingestion_job_id = :job", job=job) != "Complete" and time.monotonic() < deadline:
        time.sleep(0.01)
    check("a job in the background", db.run("SELECT is_complete FROM model WHERE model_name = :name", name="tiny"), [(True,)])
    check("nothing is left to do", db.run("SELECT * FROM progress"), [])
    check("garbage of a dropped model", one(db, "SELECT drop_model(model_id) FROM model WHERE model_name = :name", name="vad") > 0, True)
    check("is removed", one(db, "SELECT segments_removed FROM collect_garbage()") > 0, True)


def sqlserver(db: Driver, connect: Callable[..., Driver]) -> None:
    """What the CLR functions and procedures did, as docs/migrating.md says."""
    del connect
    tiny = Path(TINY).read_bytes()
    model = one(db, "SELECT register_model(:name, model_type => :type, provider => :provider)", name="TinyCoder", type="LLM", provider="LocalFile")
    job = one(db, "SELECT create_ingestion_job(:model, atom_chunk_size => :chunk, granularity => :weights)", model=model, chunk=200000, weights="weight")
    db.run("CALL atomize_model_governed(:job, :data, :format)", job=job, data=tiny, format="GGUF")
    check("the job", db.run("SELECT CAST(job_status AS text), total_atoms_processed = total_atoms FROM ingestion_job"), [("Complete", True)])
    check("a wrong format is refused", error(db, "SELECT * FROM list_tensors(:data, :format)", data=tiny, format="ONNX")[0][:2], "22")
    first = db.run("SELECT layer_name, weight_data FROM extract_model_weights(:data, :format) ORDER BY layer_name LIMIT 1", data=tiny, format="GGUF")[0]
    check("raw bytes stand in the file", tiny.find(first[1]) > 0, True)
    chunk = db.run("SELECT layer_name, position_x, position_y FROM stream_atomic_weights_chunked(:data, :format, :start, :size)", data=tiny, format="GGUF", start=10, size=100)
    check("a chunk of weights", (len(chunk), chunk[0][1]), (100, 10))
    value, count = db.run("SELECT atomic_value, reference_count FROM atom WHERE kind = 'weight' ORDER BY reference_count DESC LIMIT 1")[0]
    check("the commonest weight is counted", count, int(sum((w.view("<u4") == int.from_bytes(value, "big")).sum() for _, _, w in read_model(TINY).values())))
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    u, s, vt = db.run("SELECT u, s, vt FROM svd_decompose(CAST(:matrix AS bytea), 3, 4, 2)", matrix=matrix.tobytes())[0]
    again = np.frombuffer(one(db, "SELECT reconstruct_from_svd(CAST(:u AS bytea), CAST(:s AS bytea), CAST(:vt AS bytea), 3, 4)", u=u, s=s, vt=vt), "<f4")
    check("a matrix of rank 2, decomposed and put together", np.allclose(again.reshape(3, 4), matrix, atol=1e-4), True)
    tensor = one(db, "SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = :layer", layer="output.weight")
    for score in (0.25, 0.5):
        db.run("UPDATE tensor_atom SET importance_score = :score WHERE tensor_atom_id = :id", score=score, id=tensor)
    check("versions", db.run("SELECT importance_score FROM tensor_atom_history WHERE tensor_atom_id = :id ORDER BY valid_to", id=tensor), [(None,), (0.25,)])
    db.run("TRUNCATE tensor_atom_history")


def main() -> None:
    setup = Psycopg3()
    setup.run("ALTER DATABASE " + os.environ["PGDATABASE"] + " SET search_path = atomizer, public")
    setup.run("DROP ROLE IF EXISTS test_walker")
    setup.run("CREATE ROLE test_walker")
    setup.close()
    for connect in (Psycopg2, Psycopg3, SQLAlchemy):
        for walk in (platform, researcher, dba, sqlserver):
            print(f"--- {walk.__name__}, {connect.__name__}")
            began = time.monotonic()
            db = connect()
            walk(db, connect)
            clean_up(db)
            db.run("TRUNCATE tenant CASCADE")
            db.close()
            print(f"{time.monotonic() - began:.2f} s")
    teardown = Psycopg3()
    teardown.run("DROP ROLE test_walker")
    teardown.close()
    finish()


if __name__ == "__main__":
    main()
