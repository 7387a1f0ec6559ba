"""Rank-64 decomposition of 2048 × 2048 beside scikit-learn and numpy: the same matrices, one run, both
of the machine's cores. Prints medians and ratios.

usage: python benches/svd.py EXAMPLE, where EXAMPLE is the built benches/programs/svd.rs. Needs numpy,
scikit-learn and threadpoolctl. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, where set, should be unset for it:
they slow numpy down.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import sklearn
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_info

EXAMPLE = sys.argv[1]
N, RANK, ROUNDS = 2048, 64, 5
# Ours is quick enough to be run more often in a round. The medians of a row are of the same minutes.
RUNS = 5


def spectrum(values, random):
    """A matrix with these singular values."""
    u = np.linalg.qr(random.standard_normal((N, N)))[0]
    v = np.linalg.qr(random.standard_normal((N, N)))[0]
    return ((u * values) @ v.T).astype(np.float32)


def seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def ours(path, rank, runs):
    # OpenBLAS' threads go on asking for work for a tenth of a second after a product, on a core that ours needs.
    time.sleep(0.5)
    lines = subprocess.run([EXAMPLE, path, str(N), str(N), str(rank), str(runs)], check=True, capture_output=True, text=True)
    numbers = [float(line) for line in lines.stdout.split()]
    return numbers[:runs], numbers[runs:]


def main():
    print(f"numpy {np.__version__}, scikit-learn {sklearn.__version__}")
    for library in threadpool_info():
        print(f"{library['internal_api']} {library.get('version')}, kernel {library.get('architecture')}, {library['num_threads']} threads")
    random = np.random.default_rng(6)
    j = np.arange(1, N + 1)
    matrices = {
        "noise": random.standard_normal((N, N), dtype=np.float32),
        "j^-0.5": spectrum(j**-0.5, random),
        "j^-1": spectrum(1.0 / j, random),
        "exp(-j/50)": spectrum(np.exp(-j / 50), random),
    }
    matrix = matrices["noise"]
    whole, values = [], []
    print(f"\n{'':<12} {'ours ms':>8} {'per s':>6} {'sklearn ms':>11} {'ratio':>6} {'numpy s':>8} {'ratio':>6} {'A·A GFLOP/s':>12} {'error/best':>11} {'sklearn':>8}")
    for name, matrix in matrices.items():
        best = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
        best = np.sqrt((best[RANK:] ** 2).sum() / (best**2).sum())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "matrix")
            matrix.tofile(path)
            mine, theirs, full, products = [], [], [], []
            for _ in range(ROUNDS):
                products.append(seconds(lambda: matrix @ matrix))
                theirs.append(seconds(lambda: randomized_svd(matrix, RANK, random_state=0)))
                runs, error = ours(path, RANK, RUNS)
                mine += runs
                full.append(seconds(lambda: np.linalg.svd(matrix, full_matrices=False)))
            whole += ours(path, "all", 1)[0]
            values += ours(path, 0, 1)[0]
        u, s, vt = randomized_svd(matrix, RANK, random_state=0)
        peer_error = np.linalg.norm(matrix - (u * s) @ vt) / np.linalg.norm(matrix)
        mine, theirs, full, product = map(statistics.median, (mine, theirs, full, products))
        print(f"{name:<12} {1000 * mine:>8.1f} {1 / mine:>6.1f} {1000 * theirs:>11.1f} {theirs / mine:>5.1f}x {full:>8.2f} {full / mine:>5.0f}x "
              f"{2 * N**3 / product / 1e9:>12.0f} {error[0] / best:>11.5f} {peer_error / best:>8.5f}")
    print(f"\nours, whole decomposition: {statistics.median(whole):.2f} s; all singular values: {statistics.median(values):.2f} s")


main()
