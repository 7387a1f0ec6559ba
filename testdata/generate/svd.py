"""Prints the numbers that core/tests/engine/svd.rs pins: numpy's singular values and powerlaw's fits.

usage: python testdata/generate/svd.py FOLDER_OF_MODELS; needs numpy, powerlaw==1.5 (2.0 takes no exponent above 3
unless told to, which layers do have), safetensors and weightwatcher==0.7.7, whose own functions give what it reports.
"""

import contextlib
import io
import sys

import numpy as np
import powerlaw
import weightwatcher
from safetensors.numpy import load_file
from weightwatcher.RMT_Util import calc_rank_loss


def fit(name, s):
    with contextlib.redirect_stdout(io.StringIO()):  # its progress
        law = powerlaw.Fit(s**2)
    print(f"{name}: alpha {law.alpha!r}, xmin {law.xmin!r}, D {law.power_law.D!r}, sigma {law.sigma!r}, tail {len(law.data)}")


class Layer:
    """What WeightWatcher's functions want of a layer."""

    layer_id = plot_id = 0

    def __init__(self, name, n, evals):
        self.name, self.N, self.evals = name, n, evals

    def add_column(self, column, value):
        setattr(self, column, value)


i = np.arange(400)
fit("falling", 40.0 / (1.0 + i) ** 0.7 + 0.3 * np.sin(i) ** 2)
fit("two slopes", np.where(i < 120, 900.0 / (i + 1.0), 7.5 - i / 64.0) * (1.0 + 0.1 * np.cos(3.0 * i)))
fit("ties", np.floor(60.0 / (1.0 + i) ** 0.5) + 1.0)

tensors = load_file(f"{sys.argv[1]}/minilm-l6-v2.safetensors")
for name in ["encoder.layer.0.attention.self.query.weight", "encoder.layer.3.intermediate.dense.weight"]:
    s = np.linalg.svd(tensors[name].astype(np.float64), compute_uv=False)
    print(name, tensors[name].shape, [float(s[j]) for j in (0, 1, 9, 63, 200, 383)])
    fit(name, s)
    shares = s / s.sum()
    print("effective rank", np.exp(-(shares * np.log(shares)).sum()), "stable rank", (s**2).sum() / s[0] ** 2)
    layer = Layer(name, max(tensors[name].shape), np.sort(s**2))
    with contextlib.redirect_stdout(io.StringIO()):
        watcher = weightwatcher.WeightWatcher()
        layer.alpha = watcher.fit_powerlaw(layer.evals, plot=False)[0]
        watcher.apply_norm_metrics(layer)
    names = ["alpha_weighted", "log_norm", "log_spectral_norm", "log_alpha_norm"]
    print({each: float(getattr(layer, each)) for each in names}, "rank loss", calc_rank_loss(s, layer.N))
    u, _, vt = np.linalg.svd(tensors[name].astype(np.float64), full_matrices=False)
    sign = np.sign(u[np.abs(u[:, 0]).argmax(), 0])
    print("u0", (sign * u[:3, 0]).tolist(), "vt0", (sign * vt[0, :3]).tolist())
