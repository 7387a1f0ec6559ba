#!/usr/bin/env python3
"""Writes the golden files beside this script: encoded bytes (`NAME.bytes`) and what the reference
makes of them, as little-endian f32 (`NAME.f32`).

References: ml_dtypes 0.6.0 and numpy 2.4.6 (F16, BF16, F8), gguf 0.19.0 `gguf.quants.dequantize`
(Q4_0, Q4_1, Q5_0, Q5_1, Q8_0). On x86-64 the output is the same on every run:

    python3 -m venv V && V/bin/pip install gguf==0.19.0 ml_dtypes==0.6.0 numpy==2.4.6
    V/bin/python core/tests/goldens/make_goldens.py
"""

import pathlib

import gguf
import ml_dtypes
import numpy as np

HERE = pathlib.Path(__file__).parent
RANDOM_WORDS = 1000
RANDOM_BLOCKS = 20

# f16 patterns on either side of every border: zeros, subnormals, one, the largest, infinities,
# quiet and signalling NaN with payloads.
F16_EDGES = [0x0000, 0x0001, 0x0002, 0x03FF, 0x0400, 0x0401, 0x3BFF, 0x3C00, 0x3C01, 0x7BFE, 0x7BFF,
             0x7C00, 0x7C01, 0x7DFF, 0x7E00, 0x7E01, 0x7FFF]
# The same borders of bf16.
BF16_EDGES = [0x0000, 0x0001, 0x007F, 0x0080, 0x0081, 0x3F7F, 0x3F80, 0x3F81, 0x7F7E, 0x7F7F,
              0x7F80, 0x7F81, 0x7FBF, 0x7FC0, 0x7FC1, 0x7FFF]

# Bytes of a block, and how many f16 stand at its front.
BLOCKS = {"Q4_0": (18, 1), "Q4_1": (20, 2), "Q5_0": (22, 1), "Q5_1": (24, 2), "Q8_0": (34, 1)}


def write(name, encoded, values):
    values = np.ascontiguousarray(values, dtype="<f4")
    (HERE / f"{name}.bytes").write_bytes(encoded.tobytes())
    (HERE / f"{name}.f32").write_bytes(values.tobytes())


def words(rng, edges):
    """Edges of both signs, then random patterns."""
    edges = np.array(edges, dtype="<u2")
    return np.concatenate([edges, edges | 0x8000, rng.integers(0, 1 << 16, RANDOM_WORDS).astype("<u2")])


def blocks(rng, size, scales):
    """Random quants behind random scales and minima, then behind every edge."""
    edges = np.array(F16_EDGES, dtype="<u2")
    edges = np.concatenate([edges, edges | 0x8000])
    out = rng.integers(0, 256, (RANDOM_BLOCKS + len(edges), size), dtype=np.uint8)
    plain = rng.normal(0, 0.05, (RANDOM_BLOCKS, scales)).astype("<f2")
    out[:RANDOM_BLOCKS, : 2 * scales] = plain.view(np.uint8)
    # Each edge as the scale; as the minimum, the edges from the other end.
    front = np.stack([edges, edges[::-1]][:scales], axis=1)
    out[RANDOM_BLOCKS:, : 2 * scales] = front.view(np.uint8)
    return out


def main():
    rng = np.random.default_rng(20261122)
    f16 = words(rng, F16_EDGES)
    write("f16", f16, f16.view("<f2").astype("<f4"))
    bf16 = words(rng, BF16_EDGES)
    write("bf16", bf16, bf16.view(ml_dtypes.bfloat16).astype("<f4"))
    codes = np.arange(256, dtype=np.uint8)
    for name, dtype in [("f8_e4m3", ml_dtypes.float8_e4m3fn), ("f8_e5m2", ml_dtypes.float8_e5m2),
                        ("f8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
                        ("f8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz),
                        ("f8_e8m0", ml_dtypes.float8_e8m0fnu)]:
        write(name, codes, codes.view(dtype).astype("<f4"))
    for name, (size, scales) in BLOCKS.items():
        data = blocks(rng, size, scales)
        with np.errstate(all="ignore"):
            values = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[name])
        write(name.lower(), data, values)


if __name__ == "__main__":
    main()
