#!/usr/bin/env python3
"""Dequantization beside its peers: the same random blocks, one core each, in turns; medians and ratios.
Times are of the processor, not of the clock on the wall, so that a shared machine treats all alike.

usage: dequantize.py DEQUANTIZE [CANDLE]

DEQUANTIZE is the engine's example (cargo build --release -p atomizer-core --example time_dequantize), CANDLE the
program of benches/candle, which is built apart (cargo build --release in there). For every type that gguf
knows, the engine's weights are first compared with gguf's, bit for bit."""

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

OURS = sys.argv[1]
CANDLE = sys.argv[2] if len(sys.argv) > 2 else None
# 16 MiB of weights, far beyond the cache of one core.
WEIGHTS = 1 << 22
PASSES = 31
GGUF_PASSES = 5
TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ1_S", "IQ1_M",
         "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0"]
# Where the f16 scales of a block stand, so that the blocks hold finite weights of a usual size.
SCALES = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q4_1": [0, 2], "Q5_1": [0, 2],
          "TQ1_0": [52], "TQ2_0": [64], "F16": [], "BF16": [], "MXFP4": [], "NVFP4": [], "IQ1_M": []}


def blocks(rng, name):
    weights, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    data = rng.integers(0, 256, (WEIGHTS // weights, size), dtype=np.uint8)
    for at in SCALES.get(name, [0]):
        scales = rng.normal(0, 0.05, len(data)).astype("<f2")
        data[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data


def same(ours, theirs):
    """The same bits, or NaN in both."""
    return bool(((ours.view(np.uint32) == theirs.view(np.uint32)) | (np.isnan(ours) & np.isnan(theirs))).all())


def run(program, *arguments):
    """What a program prints: a name, and times in nanoseconds; nothing when it has not the type."""
    done = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: statistics.median(map(int, line[1:])) for line in lines}


def gguf_time(data, number):
    """Nanoseconds of a pass, and the weights. gguf works in groups of 16 rows: rows of a usual length."""
    weights, size = GGML_QUANT_SIZES[number]
    rows = data.reshape(-1, 4096 // weights * size)
    times = []
    with np.errstate(all="ignore"):
        for _ in range(GGUF_PASSES):
            begun = time.thread_time_ns()
            values = quants.dequantize(rows.view(np.float16) if number == GGMLQuantizationType.F16 else rows, number)
            times.append(time.thread_time_ns() - begun)
    return statistics.median(times), values.ravel()


def machine():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    print(f"machine: {len(names)} x {names[0]}, {platform.system()} {platform.release()}, one core used")
    print(f"peers:   gguf {version('gguf')}, numpy {version('numpy')}; {WEIGHTS} weights, medians of {PASSES} passes ({GGUF_PASSES} of gguf's)")
    print("GB/s of f32 written; whole: into a place for all weights, as gguf does; pieces: 256 KB at a time into the")
    print("same place, as the engine goes through tensors; fill and copy: of as many bytes as the whole\n")
    print(f"{'':<8}{'whole':>7}{'pieces':>8}{'fill':>7}{'copy':>7}{'whole of fill':>15}{'gguf':>8}{'whole':>8}{'pieces':>8}{'candle whole':>15}{'pieces':>8}")


def main():
    rng = np.random.default_rng(3)
    machine()
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "blocks", Path(folder) / "weights"
        for name in TYPES:
            data = blocks(rng, name)
            file.write_bytes(data.tobytes())
            ours = run(OURS, name, file, PASSES, out)
            candle = run(CANDLE, name, file, PASSES) if CANDLE else {}
            values = np.fromfile(out, dtype="<f4")
            speed = {what: 4 * WEIGHTS / nanoseconds for what, nanoseconds in ours.items()}
            line = f"{name:<8}{speed['whole']:>7.1f}{speed['pieces']:>8.1f}{speed['fill']:>7.1f}{speed['copy']:>7.1f}{ours['fill'] / ours['whole']:>15.0%}"
            try:
                nanoseconds, theirs = gguf_time(data, GGMLQuantizationType[name])
                assert same(values, theirs), f"{name}: the weights differ from gguf's"
                line += f"{4 * WEIGHTS / nanoseconds:>8.2f}{nanoseconds / ours['whole']:>7.1f}x{nanoseconds / ours['pieces']:>7.1f}x"
            except NotImplementedError:
                line += f"{'-':>8}{'-':>8}{'-':>8}"
            if candle:
                line += f"{candle['whole'] / ours['whole']:>14.2f}x{candle['pieces'] / ours['pieces']:>7.2f}x"
            print(line, flush=True)


main()
