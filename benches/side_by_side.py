"""atomizer beside its peers: the same files, the same server, one run. Prints medians and ratios.

Ratios are what counts: the machine may be shared, and every pair runs in turns.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

MODELS, EXPORTS = sys.argv[1:3]
PSQL = [os.environ["PSQL"], "-XqAt", "-v", "ON_ERROR_STOP=1"]
ENV = {**os.environ, "PGOPTIONS": "-c search_path=atomizer,public -c client_min_messages=warning"}
GGUF = f"{MODELS}/smollm2-135m-q4_1.gguf"
F32 = f"{MODELS}/minilm-l6-v2.safetensors"
BF16 = f"{MODELS}/minilm-bf16.safetensors"
ROUNDS = 5


def psql(script):
    """Runs statements in one session and returns what they print, a line each."""
    done = subprocess.run(PSQL, input=script, env=ENV, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def timed(statement, before=""):
    """Milliseconds that one statement takes, measured by psql; `before` runs first, untimed."""
    lines = psql(f"{before}\n\\timing on\n{statement};")
    return float([line for line in lines if line.startswith("Time:")][-1].split()[1])


def row(name, ours, peer_name, peer, unit="ms"):
    ratio = peer / ours
    print(f"{name:<38} {ours:>10.1f} {unit:<3} {peer_name:<24} {peer:>10.1f} {unit:<3} {ratio:>8.2f}x")


def machine():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    print(f"machine: {len(names)} x {names[0]}, {platform.system()} {platform.release()}")
    print(f"peers:   PostgreSQL {psql('SHOW server_version')[0]}, gguf {version('gguf')}")
    print(f"server:  fsync {psql('SHOW fsync')[0]}, shared_buffers {psql('SHOW shared_buffers')[0]}; {ROUNDS} rounds, medians")
    print(f"\n{'':<38} {'atomizer':>14} {'':<24} {'peer':>14} {'ratio':>9}")


def open_and_list():
    from gguf import GGUFReader

    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(timed(f"SELECT count(*) FROM list_tensors(model_path => '{GGUF}')", "SELECT my_tenant_ids();"))
        begun = time.perf_counter()
        tensors = len(GGUFReader(GGUF).tensors)
        peer.append(1000 * (time.perf_counter() - begun))
    listed = int(psql(f"SELECT count(*) FROM list_tensors(model_path => '{GGUF}')")[0])
    assert listed == tensors, (listed, tensors)
    row("open and list, Q4_1 GGUF", statistics.median(ours), "gguf.GGUFReader", statistics.median(peer))


CLEAN = """SELECT drop_model(model_id) FROM model; SELECT collect_garbage();
VACUUM atomizer.tensor_segment; VACUUM atomizer.atom; VACUUM pg_largeobject; CHECKPOINT;"""


def ingest_and_export(name, path, granularity):
    ours, peer, out, peer_out = [], [], [], []
    for _ in range(ROUNDS):
        ours.append(timed(f"CALL ingest_model('bench', model_path => '{path}', granularity => '{granularity}')", CLEAN))
        model = psql("SELECT model_id FROM model")[0]
        out.append(timed(f"SELECT export_model_file({model}, '{EXPORTS}/ours', overwrite => true)"))
        psql(CLEAN)
        peer.append(timed(f"SELECT lo_import('{path}', 4711)"))
        peer_out.append(timed(f"SELECT lo_export(4711, '{EXPORTS}/theirs')"))
        psql("SELECT lo_unlink(4711);")
    with open(path, "rb") as source, open(f"{EXPORTS}/ours", "rb") as copy:
        assert source.read() == copy.read(), "the export differs"
    row(f"ingest {name}, {granularity}", statistics.median(ours), "lo_import", statistics.median(peer))
    row(f"export {name}", statistics.median(out), "lo_export", statistics.median(peer_out))


def stored_size(name, path):
    psql(CLEAN + " TRUNCATE atomizer.tensor_segment;")
    psql(f"CALL ingest_model('bench', model_path => '{path}', granularity => 'tensor');")
    encoded, total = map(int, psql("SELECT sum(length(payload)) FROM tensor_segment; SELECT pg_total_relation_size('tensor_segment');"))
    raw = os.path.getsize(path)
    print(f"{'stored size ' + name:<38} {encoded / raw:>10.4f} of the file encoded, {total / raw:.4f} on disk with index")


def main():
    psql("CREATE EXTENSION IF NOT EXISTS atomizer CASCADE;")
    machine()
    open_and_list()
    for name, path in [("Q4_1 GGUF", GGUF), ("F32 safetensors", F32), ("BF16 safetensors", BF16)]:
        ingest_and_export(name, path, "tensor")
        ingest_and_export(name, path, "auto")
    for name, path in [("F32 safetensors", F32), ("BF16 safetensors", BF16)]:
        stored_size(name, path)


main()
