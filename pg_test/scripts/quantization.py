#!/usr/bin/env python3
# Every block type of ggml through SQL, against gguf-py bit for bit: dequantize and quantize, and a GGUF file with a tensor of each
# type, ingested, streamed, read back, summed up and counted.
# needs: python
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_ORACLE" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_ORACLE": "1"})

import math
from pathlib import Path

import gguf
import numpy as np
from official import array_bits, check, copy_rows, finish, sql

EXPORTS = Path(os.environ["EXPORTS"])
GOLDENS = Path(os.environ["ATOMIZER_ROOT"]) / "testdata/quant"
COLUMNS = 256  # a whole number of blocks of every type


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """The same bits; of NaN, whose payload numpy changes on its way, only that it is one."""
    found, expected = found.view(np.uint32), expected.view(np.uint32)
    def nan(bits):
        return (bits & 0x7FFFFFFF) > 0x7F800000
    return len(found) == len(expected) and bool(((found == expected) | (nan(found) & nan(expected))).all())


def sql_bytes(expression: str) -> bytes:
    return next(copy_rows(f"SELECT {expression}"))[0]


def dequantized(kind: str, blocks: bytes) -> np.ndarray:
    return np.frombuffer(sql_bytes(f"atomizer.dequantize_bytes('\\x{blocks.hex()}', '{kind}')"), "<f4")


def goldens() -> None:
    """All that gguf-py decodes, and what it does not but ggml does."""
    types = [row[0] for row in sql("SELECT name FROM atomizer.quantization_types() WHERE dequantize AND name <> 'F32'")]
    for kind in types:
        blocks = (GOLDENS / f"{kind.lower()}.bytes").read_bytes()
        expected = np.frombuffer((GOLDENS / f"{kind.lower()}.f32").read_bytes(), "<f4")
        check(f"dequantize {kind}", same(dequantized(kind, blocks), expected), True)
        array = array_bits(sql_bytes(f"atomizer.dequantize('\\x{blocks.hex()}', '{kind}')"), 4)
        check(f"dequantize {kind} as real[]", same(array.astype("<u4").view("<f4"), expected), True)
    check("types with goldens", len(types) > 25, True)


def array(weights: np.ndarray) -> str:
    return f"atomizer.dequantize('\\x{weights.tobytes().hex()}', 'F32')"


def quantizers() -> None:
    """All types that can be made: the goldens, which for K and IQ types are ggml's own, and what gguf-py makes."""
    golden = np.frombuffer((GOLDENS / "quantize.f32").read_bytes(), "<f4")
    weights = np.random.default_rng(3).normal(0, 0.2, 4 * COLUMNS).astype(np.float32)
    made = [row[0] for row in sql("SELECT name FROM atomizer.quantization_types() WHERE quantize AND name <> 'F32'")]
    for kind in made:
        expected = (GOLDENS / f"quantize.{kind.lower()}").read_bytes()
        check(f"quantize {kind}", sql_bytes(f"atomizer.quantize({array(golden)}, '{kind}')") == expected, True)
        try:
            expected = gguf.quants.quantize(weights, gguf.GGMLQuantizationType[kind]).tobytes()
        except NotImplementedError:
            continue
        check(f"quantize {kind} as gguf-py", sql_bytes(f"atomizer.quantize({array(weights)}, '{kind}')") == expected, True)
    check("types made", len(made), 17)


def finite(kind: gguf.GGMLQuantizationType, rng: np.random.Generator) -> np.ndarray:
    """Random blocks whose weights are all finite, in rows."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows = []
    while len(rows) < 12:
        row = rng.integers(0, 256, COLUMNS // block * size, dtype=np.uint8)
        with np.errstate(all="ignore"):
            if np.isfinite(gguf.quants.dequantize(row, kind)).all():
                rows.append(row)
    return np.stack(rows)


def file_of_every_type() -> None:
    rng = np.random.default_rng(5)
    path = EXPORTS / "every-type.gguf"
    writer, weights = gguf.GGUFWriter(str(path), "llama"), {}
    for kind in gguf.GGMLQuantizationType:
        if kind not in gguf.quants._type_traits:
            continue
        data = finite(kind, rng)
        writer.add_tensor(f"blk.0.{kind.name}.weight", data, raw_dtype=kind)
        weights[f"blk.0.{kind.name}.weight"] = gguf.quants.dequantize(data, kind).reshape(-1)
    weights["blk.0.normal.weight"] = rng.normal(0, 0.02, (12, COLUMNS)).astype(np.float32)
    writer.add_tensor("blk.0.normal.weight", weights["blk.0.normal.weight"])
    weights["blk.0.normal.weight"] = weights["blk.0.normal.weight"].reshape(-1)
    weights["blk.0.narrow.weight"] = rng.normal(0, 0.02, (3, 96)).astype(np.float32)
    writer.add_tensor("blk.0.narrow.weight", weights["blk.0.narrow.weight"])
    weights["blk.0.narrow.weight"] = weights["blk.0.narrow.weight"].reshape(-1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.chmod(0o644)
    check("types in the file", len(weights) > 20, True)

    sql(f"CALL atomizer.ingest_model('every type', '{path}', granularity => 'weight')")
    for name, expected in weights.items():
        tensor = int(sql(f"SELECT tensor_atom_id FROM atomizer.tensor_atom WHERE layer_name = '{name}'")[-1][0])
        found = array_bits(sql_bytes(f"atomizer.tensor_weights({tensor})"), 4)
        check(f"{name}: tensor_weights", bool((found == expected.view(np.uint32)).all()) and len(found) == len(expected), True)
        rows = list(copy_rows(f"SELECT atomic_value FROM atomizer.tensor_atom_coefficient WHERE tensor_atom_id = {tensor} ORDER BY weight_index"))
        check(f"{name}: the coefficient view", b"".join(row[0] for row in rows) == expected.astype(">f4").tobytes(), True)
        low, high, mean, stddev = (float(x) for x in sql(f"SELECT min, max, mean, stddev FROM atomizer.tensor_stats({tensor})")[-1])
        wide = expected.astype(np.float64)
        check(f"{name}: least and greatest", (low, high), (wide.min(), wide.max()))
        check(f"{name}: mean and deviation", math.isclose(mean, wide.mean(), abs_tol=1e-9 * wide.std()) and math.isclose(stddev, wide.std(), rel_tol=1e-9), True)
        bins = [int(row[0]) for row in sql(f"SELECT weight_count FROM atomizer.tensor_histogram({tensor}, bins => 7)")]
        check(f"{name}: weights in the histogram", sum(bins), len(expected))
    streamed = list(copy_rows(f"SELECT (w).layer_name, (w).atomic_value FROM (SELECT atomizer.stream_atomic_weights_chunked(model_path => '{path}', chunk_size => 1000000) AS w) s"))
    by_name: dict[str, list[bytes]] = {}
    for name, value in streamed:
        by_name.setdefault(name.decode(), []).append(value)
    check("streamed", all(b"".join(by_name[name]) == expected.astype(">f4").tobytes() for name, expected in weights.items()), True)
    distinct = len(np.unique(np.concatenate(list(weights.values())).view(np.uint32)))
    check("weight atoms", int(sql("SELECT count(*) FROM atomizer.atom WHERE kind = 'weight'")[-1][0]), distinct)
    total = sum(len(expected) for expected in weights.values())
    check("their references", int(sql("SELECT sum(reference_count) FROM atomizer.atom WHERE kind = 'weight'")[-1][0]), total)
    check("check_integrity() finds nothing", sql("SELECT * FROM atomizer.check_integrity()"), [])

    # What a smaller type loses, as numpy counts it.
    name = "blk.0.normal.weight"
    original = weights[name].astype(np.float64)
    for kind in (gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.BF16):
        back = gguf.quants.dequantize(gguf.quants.quantize(weights[name], kind), kind).reshape(-1).astype(np.float64)
        noise = original - back
        expected = (math.sqrt((noise**2).mean()), abs(noise).max(), 10 * math.log10((original**2).sum() / (noise**2).sum()))
        found = [float(x) for x in sql(f"""SELECT e.rmse, e.max_error, e.snr_db FROM atomizer.tensor_atom t,
            LATERAL atomizer.quantization_error(tensor_atom_id, '{kind.name}') e WHERE layer_name = '{name}'""")[-1]]
        check(f"quantization_error in {kind.name}", all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(found, expected, strict=True)), True)


goldens()
quantizers()
file_of_every_type()
finish()
