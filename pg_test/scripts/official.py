"""What the Python scripts share: the official readers' view of a model file, and SQL through psql."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator

import gguf
import ml_dtypes
import numpy as np
import safetensors

MODELS, SHARED = os.environ["MODELS"], os.environ["SHARED"]
failures = 0

SAFETENSORS_DTYPES = {
    "BOOL": np.uint8, "U8": np.uint8, "I8": np.int8, "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}


def check(what: str, actual: object, expected: object) -> None:
    global failures
    if actual == expected:
        print(f"ok      {what}: {str(actual)[:100]}")
    else:
        failures += 1
        print(f"FAILED  {what}: {str(actual)[:300]!r} instead of {str(expected)[:300]!r}")


def finish() -> None:
    if failures:
        sys.exit(f"{failures} checks failed")


def psql(*statements: str) -> subprocess.Popen:
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", "SET client_min_messages = warning"]
    for statement in statements:
        command += ["-c", statement]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def sql(*statements: str) -> list[list[str]]:
    """The rows of the statements, columns as text."""
    process = psql(*statements)
    out = process.communicate()[0].decode()
    if process.returncode:
        sys.exit(f"psql failed: {statements}")
    return [line.split("|") for line in out.split("\n")[:-1]]


def copy_rows(query: str) -> Iterator[list[bytes]]:
    """The rows of a query as COPY BINARY sends them: each column's bytes."""
    process = psql(f"COPY ({query}) TO STDOUT (FORMAT binary)")
    stream = process.stdout
    if stream.read(19)[:11] != b"PGCOPY\n\xff\r\n\0":
        sys.exit(f"psql failed: {query}")
    while (columns := struct.unpack(">h", stream.read(2))[0]) >= 0:
        row = []
        for _ in range(columns):
            length = struct.unpack(">i", stream.read(4))[0]
            row.append(stream.read(length) if length >= 0 else None)
        yield row
    if process.wait():
        sys.exit(f"psql failed: {query}")


def array_bits(sent: bytes, width: int) -> np.ndarray:
    """The bits of the elements of a real[] or double precision[], as array_send writes it."""
    dimensions = struct.unpack_from(">i", sent)[0]
    bits = f">u{width}"
    if dimensions == 0:
        return np.zeros(0, bits)
    elements = np.frombuffer(sent, [("length", ">i4"), ("bits", bits)], offset=20)
    assert dimensions == 1 and (elements["length"] == width).all()
    return elements["bits"]


def read_model(path: str) -> dict[str, tuple[str, tuple[int, ...], np.ndarray]]:
    """Data type, shape and weights of every tensor, as the format's official reader has them: float32, or as wide as the file's own."""
    if path.endswith(".gguf"):
        return {t.name: (t.tensor_type.name, tuple(int(n) for n in reversed(t.shape)), gguf.quants.dequantize(t.data, t.tensor_type).reshape(-1))
                for t in gguf.GGUFReader(path).tensors}
    with open(path, "rb") as file:
        tensors = safetensors.deserialize(file.read())
    model = {}
    for name, info in tensors:
        weights = np.frombuffer(bytes(info["data"]), SAFETENSORS_DTYPES[info["dtype"]])
        if weights.dtype.itemsize <= 2 or info["dtype"] == "F32":
            weights = weights.astype(np.float32)
        model[name] = (info["dtype"], tuple(info["shape"]), weights)
    return model


def read_bytes(path: str) -> dict[str, bytes]:
    """The bytes of every tensor, as the format's official reader has them."""
    if path.endswith(".gguf"):
        return {t.name: t.data.tobytes() for t in gguf.GGUFReader(path).tensors}
    with open(path, "rb") as file:
        return {name: bytes(info["data"]) for name, info in safetensors.deserialize(file.read())}
