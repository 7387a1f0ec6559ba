"""Writes the golden files of testdata/quant: encoded bytes (`NAME.bytes`) and what the reference
makes of them, as little-endian f32 (`NAME.f32`); and weights (`quantize.f32`) with what the reference
quantizes them to (`quantize.NAME`). Also the hashes of the IQ types' points (`iq_grids.sha256`).

References: ml_dtypes 0.6.0 and numpy 2.4.6 (F16, BF16, F8), gguf 0.19.0 (`gguf.quants.dequantize` for all
block types but these, `gguf.quants.quantize`), libgguf 0.2.2, which has ggml's functions (Q1_0; quantizing to
what gguf-py does not). libgguf is built without fused multiply-add; of these weights it makes the same bytes as
`ggml_quantize_chunk` of the ggml 0.13.1 inside pywhispercpp 1.5.1. No package decodes Q8_1 and Q8_K, which are
never stored in files: their expected values are written out here, from the layouts in ggml's `ggml-common.h`.
libgguf also quantizes the weights behind half of the blocks.
On x86-64 with glibc the output is the same on every run:

    python3 -m venv V && V/bin/pip install gguf==0.19.0 libgguf==0.2.2 ml_dtypes==0.6.0 numpy==2.4.6
    V/bin/python testdata/generate/quant.py
"""

import hashlib
import pathlib

import gguf
import libgguf
import ml_dtypes
import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent / "quant"
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

# The scales of the other block types: where they stand in a block, and how they are stored. IQ1_M has
# its f16 in the highest nibbles of four words.
SCALES = {"Q2_K": ("f2", 80, 82), "Q3_K": ("f2", 108), "Q4_K": ("f2", 0, 2), "Q5_K": ("f2", 0, 2),
          "Q6_K": ("f2", 208), "Q8_K": ("f4", 0), "Q8_1": ("f2", 0), "IQ1_S": ("f2", 0), "IQ1_M": ("nibbles", 48),
          "IQ2_XXS": ("f2", 0), "IQ2_XS": ("f2", 0), "IQ2_S": ("f2", 0), "IQ3_XXS": ("f2", 0), "IQ3_S": ("f2", 0),
          "IQ4_NL": ("f2", 0), "IQ4_XS": ("f2", 0), "TQ1_0": ("f2", 52), "TQ2_0": ("f2", 64), "MXFP4": ("u1", 0),
          "NVFP4": ("u1", 0, 1, 2, 3), "Q1_0": ("f2", 0)}
# gguf-py says 40 bytes, ggml's struct has 36.
BLOCK_BYTES = {"Q8_1": 36}
# Few, because a block of 256 weights decodes to a kilobyte: zeros, the least and the greatest subnormal,
# one, the greatest number, infinity, NaN.
FEW_F16_EDGES = [0x0000, 0x8000, 0x8001, 0x03FF, 0x3C00, 0x7BFF, 0x7C00, 0x7E00]
F32_EDGES = [0x00000000, 0x80000000, 0x80000001, 0x007FFFFF, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
# E8M0 and E4M3: zero, the two subnormals of half an E8M0, both subnormal E4M3 ends, one, the greatest, NaN,
# and codes with the highest bit.
U8_EDGES = [0x00, 0x01, 0x02, 0x07, 0x08, 0x38, 0x7E, 0x7F, 0x80, 0xFE, 0xFF]
FEW_BLOCKS = 3


def write(name, encoded, values):
    values = np.ascontiguousarray(values, dtype="<f4")
    (FOLDER / f"{name}.bytes").write_bytes(encoded.tobytes())
    (FOLDER / f"{name}.f32").write_bytes(values.tobytes())


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


def set_scale(block, kind, at, bits):
    """Writes a scale's bits into a block."""
    if kind == "nibbles":
        for word in range(4):
            block[at + 2 * word + 1] = (block[at + 2 * word + 1] & 0x0F) | (bits >> (4 * word) & 15) << 4
    else:
        stored = np.array([bits], dtype=f"<u{kind[1]}").view(np.uint8)
        block[at : at + len(stored)] = stored


def other_blocks(rng, name):
    """Blocks that libgguf makes of random weights, where it can; random blocks with plain scales; random
    blocks with every edge as a scale, and as the second scale the edges from the other end."""
    number = gguf.GGMLQuantizationType[name]
    weights, size = gguf.GGML_QUANT_SIZES[number]
    size = BLOCK_BYTES.get(name, size)
    kind, *places = SCALES[name]
    edges = {"f2": FEW_F16_EDGES, "nibbles": FEW_F16_EDGES, "f4": F32_EDGES, "u1": U8_EDGES}[kind]
    made = np.zeros((0, size), dtype=np.uint8)
    if libgguf.row_size(number, weights):
        values = rng.normal(0, 0.05, FEW_BLOCKS * weights).astype("<f4")
        importance = rng.uniform(0.5, 2, weights).astype("<f4")
        raw = libgguf.quantize_rows_raw(number, values, FEW_BLOCKS, weights, importance)
        made = np.frombuffer(raw, dtype=np.uint8).reshape(FEW_BLOCKS, size)
    out = rng.integers(0, 256, (FEW_BLOCKS + len(edges), size), dtype=np.uint8)
    for i, block in enumerate(out):
        for at in places:
            if i >= FEW_BLOCKS:
                edge = i - FEW_BLOCKS if at == places[0] else len(edges) - 1 - (i - FEW_BLOCKS)
                bits = edges[edge]
            elif kind == "u1":
                bits = int(rng.integers(100, 120))
            else:
                dtype = "<f4" if kind == "f4" else "<f2"
                bits = int(rng.normal(0, 0.05, 1).astype(dtype).view(f"<u{dtype[2]}")[0])
            set_scale(block, kind, at, bits)
    return np.concatenate([made, out])


def decoded(name, data):
    """What the reference makes of blocks."""
    if name == "Q8_1":
        return data[:, :2].copy().view("<f2").astype("<f4") * data[:, 4:].view(np.int8).astype("<f4")
    if name == "Q8_K":
        return data[:, :4].copy().view("<f4") * data[:, 4:260].view(np.int8).astype("<f4")
    number = gguf.GGMLQuantizationType[name]
    if name == "Q1_0":
        weights = gguf.GGML_QUANT_SIZES[number][0]
        raw = libgguf.dequantize_rows_raw(number, np.ascontiguousarray(data), len(data), weights)
        return np.frombuffer(raw, dtype="<f4")
    return gguf.quants.dequantize(data, number)


# Types that gguf-py quantizes to, and those that only ggml does.
QUANTIZED = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]
QUANTIZED_BY_GGML = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


def weights_to_quantize(rng):
    """Rows of 256 finite weights."""
    base = rng.normal(0, 0.05, 256)
    rows = [base, rng.normal(0, 1, 256), np.zeros(256), -np.zeros(256), np.full(256, 0.3), np.full(256, -7.0),
            # Halves, where rounding is decided; steps; one outlier of either sign; all positive.
            rng.integers(-15, 16, 256) / 2, np.arange(256) - 128.0, np.where(np.arange(256) % 32 == 5, 3.0, base),
            np.where(np.arange(256) % 32 == 9, -3.0, base), np.abs(base) + 1,
            # Scales beyond f16, subnormal f16 scales, scales whose reciprocal is infinite, subnormal weights.
            base * 1e7, base * 1e-6, base * 1e-37, base * 2e-38, base * 1e-42,
            # Near powers of two, where a logarithm may round up.
            np.float32(2.0) ** rng.integers(-20, 20, 256), np.nextafter(np.float32(2.0) ** 19, np.float32(0)) * np.sign(base)]
    signs, sixteens = rng.choice([-1, 1], 256), np.arange(256) // 16
    rows += [rng.standard_t(2, 256), signs, -np.abs(base) - 1, rng.integers(-1, 2, 256) / 8,
             # Groups of 16 with scales of their own, groups of zeros, groups of one number, groups on both sides of
             # what ggml takes for zero.
             base * 10.0 ** rng.uniform(-3, 3, 16)[sixteens], base * (sixteens % 3 > 0), np.sin(sixteens),
             base * 10.0 ** (sixteens - 20.0),
             # Sums that overflow, from the third power of a weight to the weight itself.
             base * 1e13, base * 1e14, base * 1e20, base * 1e39, np.full(256, np.finfo("<f4").max) * signs]
    # Rows of which a ggml that fuses products with sums makes other blocks: Q4_K, Q5_K and Q6_K; Q3_K; IQ4_NL and
    # IQ4_XS; Q2_K.
    rows += [np.random.default_rng(seed).normal(0, 0.05, 256) for seed in (5503, 10863, 1095, 7754)]
    # Rows of which one try less makes other blocks: the fifth round of Q3_K, the last and the first scale of IQ4_NL
    # and IQ4_XS. And one with weights half-way between two values of these.
    rows += [np.random.default_rng(seed).integers(-127, 128, 256) for seed in (128, 4, 12, 71)]
    return np.stack(rows).astype("<f4")


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
    for name in SCALES:
        data = other_blocks(rng, name)
        with np.errstate(all="ignore"):
            write(name.lower(), data, decoded(name, data))
    with open(FOLDER / "iq_grids.sha256", "w") as out:
        for name in ["IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]:
            traits = gguf.quants._type_traits[gguf.GGMLQuantizationType[name]]
            print(name, hashlib.sha256(traits.grid.astype(np.int8).tobytes()).hexdigest(), file=out)
    weights = weights_to_quantize(rng)
    (FOLDER / "quantize.f32").write_bytes(weights.tobytes())
    for name in QUANTIZED:
        with np.errstate(all="ignore"):
            encoded = gguf.quants.quantize(weights, gguf.GGMLQuantizationType[name])
        (FOLDER / f"quantize.{name.lower()}").write_bytes(encoded.tobytes())
    for name in QUANTIZED_BY_GGML:
        encoded = libgguf.quantize_rows_raw(gguf.GGMLQuantizationType[name], weights, *weights.shape)
        (FOLDER / f"quantize.{name.lower()}").write_bytes(encoded)


def q2_0():
    """Q2_0, which gguf 0.19.0 and libgguf 0.2.2 do not have: its values are written out here, from ggml's
    `dequantize_row_q2_0`."""
    rng = np.random.default_rng(42)
    data = rng.integers(0, 256, (RANDOM_BLOCKS + len(FEW_F16_EDGES), 18), dtype=np.uint8)
    scales = np.concatenate([rng.normal(0, 0.05, RANDOM_BLOCKS).astype("<f2").view("<u2"), np.array(FEW_F16_EDGES, "<u2")])
    data[:, :2] = scales.view(np.uint8).reshape(-1, 2)
    codes = data[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    with np.errstate(invalid="ignore"):
        values = scales.view("<f2").astype("<f4")[:, None] * (codes.reshape(len(data), 64).astype("<f4") - 1)
    write("q2_0", data, values)


if __name__ == "__main__":
    main()
    q2_0()
