#!/usr/bin/env python3
# Every weight that SQL gives is what the format's official reader gives, bit for bit; and so are shapes, types and metadata.
# needs: python smollm2-135m-q4_1.gguf tinycoder.gguf minilm-l6-v2.safetensors minilm-bf16.safetensors minilm-f16.safetensors fracast-int8.safetensors silero-vad-16k.safetensors
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_ORACLE" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_ORACLE": "1"})

import hashlib
import json
import math
import struct

import gguf
import numpy as np
from official import MODELS, SHARED, array_bits, check, copy_rows, finish, read_bytes, read_model, sql


def ingest(name: str, path: str, granularity: str = "tensor") -> None:
    sql(f"CALL atomizer.ingest_model('{name}', '{path}', granularity => '{granularity}')")


def compare_weights(name: str, path: str) -> None:
    """All weights through tensor_weights; those wider than real through tensor_weights_float8."""
    expected = read_model(path)
    where = f"FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = '{name}'"
    found = {tensor: (dtype, tuple(int(n) for n in shape.strip("{}").split(",") if n))
             for tensor, dtype, shape in sql(f"SELECT layer_name, data_type, shape {where}")}
    check(f"{name}: names, data types and shapes of tensors", found, {tensor: (dtype, shape) for tensor, (dtype, shape, _) in expected.items()})

    weights = same = 0
    for tensor, sent in copy_rows(f"SELECT layer_name, atomizer.tensor_weights(tensor_atom_id) {where}"):
        official = expected[tensor.decode()][2].astype(np.float32)
        weights += len(official)
        same += int(np.array_equal(array_bits(sent, 4), official.view(np.uint32)))
    check(f"{name}: tensors whose weights are the same, of {weights:,} weights", same, len(expected))

    wide = [tensor for tensor, (_, _, values) in expected.items() if values.dtype.itemsize > 2 and values.dtype != np.float32]
    if wide:
        same = sum(np.array_equal(array_bits(sent, 8), expected[tensor.decode()][2].astype(np.float64).view(np.uint64))
                   for tensor, sent in copy_rows(f"SELECT layer_name, atomizer.tensor_weights_float8(tensor_atom_id) {where}") if tensor.decode() in wide)
        check(f"{name}: wide tensors whose weights are the same in double precision", same, len(wide))


def compare_bytes(name: str, path: str) -> None:
    """The bytes of all tensors, and their weights as numpy.frombuffer reads them."""
    weights, raw = read_model(path), read_bytes(path)
    where = f"FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = '{name}'"
    same = [stored == raw[tensor.decode()] for tensor, stored in copy_rows(f"SELECT layer_name, atomizer.tensor_bytes(tensor_atom_id) {where}")]
    check(f"{name}: tensors whose bytes are the same, of {sum(map(len, raw.values())):,} bytes", (sum(same), len(same)), (len(raw), len(raw)))
    same = []
    for tensor, floats in copy_rows(f"SELECT layer_name, atomizer.tensor_float32_bytes(tensor_atom_id) {where}"):
        official = weights[tensor.decode()][2].astype(np.float32)
        same.append(np.array_equal(np.frombuffer(floats, "<u4"), official.view(np.uint32)))
    check(f"{name}: tensors whose weights are the same as bytes", (sum(same), len(same)), (len(weights), len(weights)))


def send(value: np.ndarray, wire: str) -> bytes:
    """A weight as Postgres' send functions write it. An array of one: a numpy scalar has no byte order of its own."""
    return value.astype(wire).tobytes()


def atomic(value: np.ndarray) -> bytes:
    """The content of a weight's atom."""
    if value.dtype == np.float32:
        return send(value, ">f4")
    return send(value, ">f8" if value.dtype == np.float64 else ">u8" if value.dtype.kind == "u" else ">i8")


def compare_view(name: str, path: str, tensors: list[str]) -> None:
    """Positions, weights, contents and keys of the view."""
    expected = read_model(path)
    for tensor in tensors:
        _, shape, official = expected[tensor]
        shape3 = (math.prod(shape[:-2]), *(1, 1, *shape)[-2:])
        rows = list(copy_rows(f"""SELECT c.weight_index, c.position_x, c.position_y, c.position_z, c.weight, c.atomic_value, c.content_hash
            FROM atomizer.tensor_atom_coefficient c WHERE tensor_atom_id = (
                SELECT tensor_atom_id FROM atomizer.tensor_atom t JOIN atomizer.model m USING (model_id) WHERE model_name = '{name}' AND t.layer_name = '{tensor}')"""))
        good = 0
        for row in rows:
            index, x, y, z = (struct.unpack(f">{code}", field)[0] for code, field in zip("qiiq", row[:4], strict=True))
            value = official[index:index + 1]
            z0, y0, x0 = np.unravel_index(index, shape3)
            content = atomic(value)
            good += ((x, y, z) == (x0, y0, z0) and row[4] == send(value, ">f4")
                     and row[5] == content and row[6] == hashlib.sha256(content).digest())
        check(f"{name}: {tensor} in the view, of {len(official)} weights", (good, len(rows)), (len(official), len(official)))


def compare_metadata(path: str) -> None:
    """Every key and value of a GGUF's header."""
    [[text]] = copy_rows(f"SELECT atomizer.model_metadata(model_path => '{path}', full_arrays => true)::text")
    found = json.loads(text)
    fields = {key: field for key, field in gguf.GGUFReader(path).fields.items() if not key.startswith("GGUF.")}
    check(f"{os.path.basename(path)}: keys", sorted(found), sorted(fields))
    float32 = gguf.GGUFValueType.FLOAT32

    def same(field: gguf.ReaderField, value: object) -> bool:
        official = field.contents()
        if field.types[-1] == float32:
            return np.array_equal(np.array(value, np.float32), np.array(official, np.float32))
        if field.types[-1] == gguf.GGUFValueType.FLOAT64:  # JSON has 1e300 in full, which Python takes for an integer
            value = np.array(value, np.float64).tolist()
        return value == official and isinstance(value, bool) == isinstance(official, bool)

    check(f"{os.path.basename(path)}: keys whose value differs", [key for key, field in fields.items() if not same(field, found[key])], [])


MODEL_FILES = {
    "tinycoder": "tinycoder.gguf", "smollm2": "smollm2-135m-q4_1.gguf", "minilm": "minilm-l6-v2.safetensors", "minilm-bf16": "minilm-bf16.safetensors",
    "minilm-f16": "minilm-f16.safetensors", "fracast": "fracast-int8.safetensors", "silero": "silero-vad-16k.safetensors",
}
for name, file in MODEL_FILES.items():
    ingest(name, f"{MODELS}/{file}")
    compare_weights(name, f"{MODELS}/{file}")
    compare_bytes(name, f"{MODELS}/{file}")
compare_view("tinycoder", f"{MODELS}/tinycoder.gguf", ["blk.1.ffn_down.weight", "output_norm.weight"])
compare_view("smollm2", f"{MODELS}/smollm2-135m-q4_1.gguf", ["blk.0.attn_k.weight"])
compare_view("silero", f"{MODELS}/silero-vad-16k.safetensors", ["conv2.weight", "final_conv.weight", "lstm_cell.bias_ih"])
compare_view("minilm-bf16", f"{MODELS}/minilm-bf16.safetensors", ["encoder.layer.3.attention.output.dense.weight"])
fracast = read_model(f"{MODELS}/fracast-int8.safetensors")
compare_view("fracast", f"{MODELS}/fracast-int8.safetensors", [tensor for tensor in fracast if fracast[tensor][0] == "I8"][:3])
compare_metadata(f"{MODELS}/tinycoder.gguf")
compare_metadata(f"{MODELS}/smollm2-135m-q4_1.gguf")
if SHARED:
    all_dtypes = f"{SHARED}/fixtures/safetensors-all-dtypes.safetensors"
    ingest("all-dtypes", all_dtypes, "weight")
    compare_weights("all-dtypes", all_dtypes)
    compare_bytes("all-dtypes", all_dtypes)
    compare_view("all-dtypes", all_dtypes, list(read_model(all_dtypes)))
    kv_types = f"{SHARED}/fixtures/gguf-kv-types.gguf"
    ingest("kv-types", kv_types, "weight")
    compare_weights("kv-types", kv_types)
    compare_metadata(kv_types)
finish()
