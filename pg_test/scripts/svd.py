#!/usr/bin/env python3
# Decompositions of a real model agree with numpy, compress_model() resumes after Ctrl-C, a long decomposition is cancelled
# within a second, and an adapter of two models is read by safetensors.
# needs: python minilm-l6-v2.safetensors
import os
import re
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_SVD" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_SVD": "1"})

import json
import subprocess
import time

import numpy as np
import safetensors.numpy
from official import MODELS, array_bits, check, copy_rows, finish, read_model, sql

EXPORTS = os.environ["EXPORTS"]
MINILM = f"{MODELS}/minilm-l6-v2.safetensors"
LIMIT = 1.0  # seconds from Ctrl-C to the end
NOISE = 0.5  # of a busy machine


def check_below(what: str, actual: float, limit: float) -> None:
    check(f"{what}: {actual:.3g}, at most {limit:g}", bool(actual <= limit), True)


def floats(sent: bytes, *shape: int) -> np.ndarray:
    return np.frombuffer(sent, "<f4").reshape(shape).astype(np.float64)


def compare(what: str, matrix: np.ndarray, u: np.ndarray, s: np.ndarray, vt: np.ndarray, best: np.ndarray) -> None:
    """A decomposition against numpy's singular values, and what it must be."""
    rank, matrix = len(s), matrix.astype(np.float64)
    check_below(f"{what}: singular values' greatest difference", np.abs(s / best[:rank] - 1).max(), 1e-4)
    check_below(f"{what}: error over the least possible", np.linalg.norm(matrix - u * s @ vt) / np.linalg.norm(best[rank:]), 1.01)
    check_below(f"{what}: UᵀU - 1", np.abs(u.T @ u - np.eye(rank)).max(), 1e-5)
    check_below(f"{what}: VVᵀ - 1", np.abs(vt @ vt.T - np.eye(rank)).max(), 1e-5)


def cosines(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the greatest angle between two subspaces."""
    return np.linalg.svd(a.T @ b, compute_uv=False).min()


class Running:
    """A statement in a session of its own."""

    def __init__(self, statement: str) -> None:
        self.name = f"svd {time.monotonic_ns()}"
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "VERBOSITY=sqlstate", "-c", statement],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"PGAPPNAME": self.name})

    def cancel(self) -> tuple[float, str]:
        """Seconds until it ends, and the last line it says."""
        begun = time.monotonic()
        sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '{self.name}'")
        said = self.process.communicate(timeout=60)[1]
        return time.monotonic() - begun, (said.strip().split("\n") or [""])[-1]


def wait_for(condition: str) -> None:
    for _ in range(1200):
        if sql(f"SELECT {condition}") == [["t"]]:
            return
        time.sleep(0.05)
    sys.exit(f"waited in vain for {condition}")


def numpy_agrees() -> None:
    tensors = {name: (shape, weights) for name, (_, shape, weights) in read_model(MINILM).items()}
    for name, rank in [("embeddings.word_embeddings.weight", 32), ("encoder.layer.3.intermediate.dense.weight", 64), ("encoder.layer.5.attention.self.query.weight", 100)]:
        shape, weights = tensors[name]
        matrix = weights.reshape(shape)
        left, best, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
        tensor = sql(f"SELECT tensor_atom_id FROM atomizer.tensor_atom WHERE layer_name = '{name}'")[0][0]
        rows = f"{shape[0]}, {shape[1]}, {rank}"

        offset = f"(SELECT file_offset FROM atomizer.tensor_atom WHERE tensor_atom_id = {tensor}), {matrix.nbytes}"
        query = f"SELECT u, s, vt, explained_variance, relative_error FROM atomizer.svd_decompose(pg_read_binary_file('{MINILM}', {offset}), {rows})"
        u, s, vt, explained, error = next(copy_rows(query))
        u, s, vt = floats(u, shape[0], rank), floats(s, rank), floats(vt, rank, shape[1])
        compare(f"{name}, rank {rank}", matrix, u, s, vt, best)
        check_below(f"{name}: 1 - cosine between the left subspaces of rank 8", 1 - cosines(left[:, :8], u[:, :8]), 1e-3)
        check_below(f"{name}: 1 - cosine between the right subspaces of rank 8", 1 - cosines(right[:8].T, vt[:8].T), 1e-3)
        explained, error = (np.frombuffer(sent, ">f8")[0] for sent in (explained, error))
        wide = matrix.astype(np.float64)  # numpy's sums of 11 million float32 are off by 1e-4
        true = np.linalg.norm(wide - u * s @ vt) / np.linalg.norm(wide)
        check_below(f"{name}: relative_error is off by", abs(error - true), 1e-5)
        check_below(f"{name}: explained_variance is off by", abs(1 - explained - true**2), 1e-5)

        sigma = np.array(sql(f"SELECT sigma, cumulative_energy FROM atomizer.svd_spectrum({tensor})"), float)
        check_below(f"{name}: spectrum's greatest difference", np.abs(sigma[:, 0] / best - 1).max(), 1e-6)
        check_below(f"{name}: energies' greatest difference", np.abs(sigma[:, 1] - np.cumsum(best**2) / np.sum(best**2)).max(), 1e-9)
        row = sql(f"SELECT spectral_norm, frobenius_norm, stable_rank, effective_rank FROM atomizer.tensor_spectral_measures({tensor})")[0]
        shares = best / best.sum()
        true = [best[0], np.linalg.norm(best), np.sum(best**2) / best[0] ** 2, np.exp(-np.sum(shares * np.log(shares)))]
        check_below(f"{name}: measures' greatest difference", np.abs(np.array(row, float) / true - 1).max(), 1e-6)
        row = sql(f"SELECT alpha, alpha_weighted, log_norm, log_spectral_norm, log_alpha_norm, rank_loss FROM atomizer.tensor_spectral_measures({tensor})")[0]
        alpha, *found, lost = np.array(row, float)
        # As WeightWatcher computes them; core/tests/engine/svd.rs has figures of its own making.
        true = [alpha * np.log10(best[0] ** 2), np.log10(np.sum(best**2)), np.log10(best[0] ** 2), np.log10(np.sum((best**2) ** alpha))]
        check_below(f"{name}: logarithms' greatest difference", np.abs(np.array(found) / true - 1).max(), 1e-6)
        check(f"{name}: rank loss", int(lost), len(best) - np.linalg.matrix_rank(matrix.astype(np.float64)))


def model_is_compressed() -> None:
    model = sql("SELECT model_id FROM atomizer.model WHERE model_name = 'minilm'")[0][0]
    wanted = int(sql("SELECT count(DISTINCT content_hash) FROM atomizer.tensor_atom WHERE layer_name LIKE 'encoder%.weight' AND cardinality(shape) = 2"
                     " OR layer_name ~ 'word_emb|position_emb|^pooler.*weight'")[0][0])
    call = f"CALL atomizer.compress_model({model}, rank => 48, min_parameters => 10000)"
    kept = 0
    for least in (1, 4):
        running = Running(call)
        wait_for(f"(SELECT count(*) FROM atomizer.svd_component) >= {kept + least}")
        seconds, said = running.cancel()
        check_below("compress_model: seconds until Ctrl-C has effect", seconds, LIMIT + NOISE)
        check("compress_model: interrupted", said, "ERROR:  57014")
        now = int(sql("SELECT count(*) FROM atomizer.svd_component")[0][0])
        check("compress_model: what was done is kept, and not all is done", kept + least <= now < wanted, True)
        kept = now
    rows = "SELECT content_hash, xmin FROM atomizer.svd_component ORDER BY 1"
    before = sql(rows)
    sql(call)
    after = sql(rows)
    check("compress_model: called again it completes", len(after), wanted)
    check("compress_model: and does nothing twice", [row for row in after if row in before], before)

    worst = 0.0
    tensors = read_model(MINILM)
    for name, weights, u, s, vt, ratio, _ in copy_rows(
            "SELECT layer_name, atomizer.reconstruct_tensor(tensor_atom_id), u_matrix, s_vector, vt_matrix, compression_ratio, byte_length"
            " FROM atomizer.tensor_atom JOIN atomizer.svd_component USING (content_hash, data_type, row_count)"):
        _, shape, matrix = tensors[name.decode()]
        u, s, vt = floats(u, -1, 48), floats(s, 48), floats(vt, 48, -1)
        again = array_bits(weights, 4).astype("<u4").view("<f4").astype(np.float64)
        worst = max(worst, np.linalg.norm(again - (u * s @ vt).ravel()) / np.linalg.norm(matrix))
        taken = 4 * (u.size + s.size + vt.size)
        if abs(np.frombuffer(ratio, ">f8")[0] - matrix.nbytes / taken) > 1e-9 or u.shape[0] != shape[0]:
            check(f"{name.decode()}: ratio and rows", (ratio, u.shape), matrix.nbytes / taken)
    check_below("reconstruct_tensor: greatest difference from u * s @ vt", worst, 1e-5)


def model_is_measured() -> None:
    model = sql("SELECT model_id FROM atomizer.model WHERE model_name = 'minilm'")[0][0]
    call = f"CALL atomizer.analyze_model({model})"
    running = Running(call)
    wait_for("(SELECT count(*) FROM atomizer.spectral_measure) > 0")
    seconds, said = running.cancel()
    check_below("analyze_model: seconds until Ctrl-C has effect", seconds, LIMIT + NOISE)
    check("analyze_model: interrupted", said, "ERROR:  57014")
    kept = int(sql("SELECT count(*) FROM atomizer.spectral_measure")[0][0])
    begun = time.monotonic()
    process = subprocess.run(["psql", "-X", "-q", "-c", call], capture_output=True, text=True, check=True)
    said, seconds = process.stderr.strip().split("\n"), time.monotonic() - begun
    print(f"        {len(said) - 1} lines of progress in {seconds:.1f} s, {kept} measures were kept")
    form = r"NOTICE:  measuring: \d+ % of 22\.\d million weights, [\d.]+ (thousand|million) weights/s(, (\d+ min )?\d+ s to go)?"
    check("analyze_model: lines of progress", [line for line in said[:-1] if not re.fullmatch(form, line)], [])
    if seconds > 4:
        check("analyze_model: says how far it is", len(said) > 1, True)
    wanted = int(sql(f"SELECT count(*) FROM atomizer.tensor_atom WHERE model_id = {model} AND cardinality(shape) = 2 AND layer_name <> 'embeddings.position_ids'")[0][0])
    check("analyze_model: its end", said[-1], f"NOTICE:  model {model}: {wanted} matrices measured; layer_spectrum and model_spectrum show them")
    begun = time.monotonic()
    check("model_spectrum: matrices", sql(f"SELECT layers FROM atomizer.model_spectrum WHERE model_id = {model}"), [[str(wanted)]])
    check_below("model_spectrum: seconds after analyze_model", time.monotonic() - begun, 0.5)


def large_one() -> None:
    """8192 x 4096 works and ends within a second of Ctrl-C, whether the matrix is read, decomposed or measured."""
    rows, columns, rank = 8192, 4096, 80
    random = np.random.default_rng(8192)
    u = np.linalg.qr(random.standard_normal((rows, rank), dtype=np.float32))[0]
    v = np.linalg.qr(random.standard_normal((columns, rank), dtype=np.float32))[0]
    values = (100 / np.arange(1, rank + 1)).astype(np.float32)
    path = f"{EXPORTS}/large.safetensors"
    safetensors.numpy.save_file({"w": (u * values) @ v.T}, path)
    os.chmod(path, 0o644)
    try:
        sql(f"CALL atomizer.ingest_model('large', '{path}', granularity => 'tensor')")
    finally:
        os.remove(path)
    tensor, model = sql("SELECT tensor_atom_id, model_id FROM atomizer.tensor_atom WHERE layer_name = 'w' AND weight_count = 33554432")[0]
    phases = {"compress_model": "decomposing", "analyze_model": "measuring"}
    for what, statement in {"compress_model": f"CALL atomizer.compress_model({model})", "analyze_model": f"CALL atomizer.analyze_model({model})", "svd_spectrum": f"SELECT atomizer.svd_spectrum({tensor})",
                            "to an energy": f"CALL atomizer.compress_model({model}, target_energy => 0.999)",
                            "exact": f"CALL atomizer.compress_model({model}, rank => 2000)"}.items():
        for delay in (0.5, 2):
            running = Running(statement)
            time.sleep(delay)
            shown = sql(f"SELECT what, model, phase, unit, total FROM atomizer.progress WHERE pid = (SELECT pid FROM pg_stat_activity WHERE application_name = '{running.name}')")
            if running.process.poll() is None:
                if what in phases and delay == 2:
                    check(f"8192 x 4096, {what}: others see it", shown, [[what, "large", phases[what], "weights", str(rows * columns)]])
                seconds, said = running.cancel()
                check_below(f"8192 x 4096, {what} after {delay} s: seconds until Ctrl-C has effect", seconds, LIMIT + NOISE)
                check(f"8192 x 4096, {what} after {delay} s: interrupted", said, "ERROR:  57014")
            else:
                check(f"8192 x 4096, {what} ended by itself before {delay} s", (running.process.returncode, delay > 0.5), (0, True))
    begun = time.monotonic()
    sql(f"CALL atomizer.compress_model({model})")
    print(f"        rank 64 of 8192 x 4096, read and stored, took {time.monotonic() - begun:.1f} s")
    query = f"SELECT s_vector, explained_variance FROM atomizer.svd_component JOIN atomizer.tensor_atom USING (content_hash, data_type, row_count) WHERE tensor_atom_id = {tensor}"
    s, explained = next(copy_rows(query))
    check_below("8192 x 4096: singular values' greatest difference", np.abs(floats(s, 64) / values[:64] - 1).max(), 1e-4)
    check_below("8192 x 4096: explained_variance is off by", abs(np.frombuffer(explained, ">f8")[0] - np.sum(values[:64] ** 2) / np.sum(values**2)), 1e-5)


def adapter_is_read() -> None:
    tensors = {name: weights.reshape(shape) for name, (_, shape, weights) in read_model(MINILM).items()}
    random = np.random.default_rng(4)
    changed = ["encoder.layer.0.attention.self.query.weight", "encoder.layer.2.output.dense.weight"]
    tuned = dict(tensors)
    for name in changed:
        rows, columns = tensors[name].shape
        tuned[name] = tensors[name] + (random.standard_normal((rows, 4)) @ random.standard_normal((4, columns)) * 0.01).astype(np.float32)
    tuned["encoder.layer.0.output.dense.bias"] = tensors["encoder.layer.0.output.dense.bias"] + np.float32(1)
    path, directory = f"{EXPORTS}/tuned.safetensors", f"{EXPORTS}/adapter"
    safetensors.numpy.save_file(tuned, path)
    os.chmod(path, 0o644)
    sql(f"CALL atomizer.ingest_model('tuned', '{path}', granularity => 'tensor')")
    os.remove(path)
    # The server makes and owns what it writes.
    sql(f"COPY (SELECT 1) TO PROGRAM 'mkdir -p {directory}'")
    try:
        call = ("SELECT modules, equal_tensors, other_tensors, adapter_model IS NULL FROM atomizer.extract_lora_model("
                "(SELECT model_id FROM atomizer.model WHERE model_name = 'minilm'), (SELECT model_id FROM atomizer.model WHERE model_name = 'tuned'), 8, '{}', {})")
        check("adapter: modules, equal and other tensors", sql(call.format(directory, "false")), [["2", str(len(tensors) - 3), "1", "t"]])
        check("adapter: written again only if asked", sql(call.format(directory, "true"))[0][0], "2")
        adapter = safetensors.numpy.load_file(f"{directory}/adapter_model.safetensors")
        with open(f"{directory}/adapter_config.json") as file:
            config = json.load(file)
        check("adapter: files", sorted(os.listdir(directory)), ["adapter_config.json", "adapter_model.safetensors"])
    finally:
        sql(f"COPY (SELECT 1) TO PROGRAM 'rm -rf {directory}'")
    modules = [name.removesuffix(".weight") for name in changed]
    check("adapter: config", (config["peft_type"], config["r"], config["lora_alpha"], config["target_modules"], config["base_model_name_or_path"]),
          ("LORA", 8, 8, "|".join(map(re.escape, modules)), "minilm"))
    check("adapter: tensors", sorted(adapter), sorted(f"base_model.model.{module}.lora_{x}.weight" for module in modules for x in "AB"))
    for name, module in zip(changed, modules, strict=True):
        a, b = (adapter[f"base_model.model.{module}.lora_{x}.weight"].astype(np.float64) for x in "AB")
        difference = tuned[name].astype(np.float64) - tensors[name]
        check(f"{module}: shapes", (a.shape, b.shape), ((8, difference.shape[1]), (difference.shape[0], 8)))
        check_below(f"{module}: B·A is off the difference by", np.linalg.norm(difference - b @ a) / np.linalg.norm(difference), 1e-5)


sql(f"CALL atomizer.ingest_model('minilm', '{MINILM}', granularity => 'tensor')")
numpy_agrees()
model_is_compressed()
model_is_measured()
adapter_is_read()
large_one()
check("check_integrity() finds nothing", sql("SELECT * FROM atomizer.check_integrity()"), [])
finish()
