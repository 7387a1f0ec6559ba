"""Writes testdata/models/torch-{device,keys,crc}-*.pt and their manifests: kinds of files that users reported of other
readers. The files are torch.save's; tensors of a device are made by the call that torch writes of an XLA tensor, since
no such device is needed to write or load it. Manifests come from torch.load, where torch reads the file at all: it
refuses arrays in another byte order.

torch 2.15.0, numpy 2.4.6"""

import hashlib
import struct
import sys
import zipfile
from pathlib import Path

import numpy
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).parent))
TYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL",
    "complex64": "C64", "complex128": "C128",
}
RANDOM = numpy.random.default_rng(15)


class OnDevice:
    """What torch writes of a tensor on a device whose storage it cannot reach."""

    def __init__(self, data, dtype, name="_rebuild_device_tensor_from_numpy"):
        self.data, self.dtype, self.name = data, dtype, name

    def __reduce__(self):
        return getattr(torch._utils, self.name), (self.data, self.dtype, "cpu", False)


class FromCpu(OnDevice):
    def __init__(self, data, dtype):
        super().__init__(data, dtype, "_rebuild_device_tensor_from_cpu_tensor")


def rows(value, path=()):
    if isinstance(value, torch.Tensor):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from rows(item, (*path, segment(key)))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from rows(item, (*path, str(number)))


def segment(key):
    if isinstance(key, bytes):
        try:
            return key.decode()
        except UnicodeDecodeError:
            return repr(key)
    return key if isinstance(key, str) else repr(key)


def manifest(name, value):
    lines = []
    for path, tensor in rows(value):
        tensor = tensor.contiguous()
        data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        shape = ",".join(map(str, tensor.shape))
        escaped = path.replace("\\", "\\\\")
        lines.append("\t".join([escaped, shape, TYPES[str(tensor.dtype).removeprefix("torch.")],
                                hashlib.sha256(data).hexdigest()]))
    (ROOT / "manifests" / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def save(name, value, expected=None, **options):
    path = ROOT / "models" / name
    torch.save(value, path, **options)
    manifest(name, expected or torch.load(path, weights_only=False, map_location="cpu"))


def array(kind, *shape):
    kind = numpy.dtype(kind)
    count = int(numpy.prod(shape))
    if kind.kind == "b":
        return (RANDOM.integers(0, 2, count) == 1).reshape(shape)
    if kind.kind == "c":
        return (RANDOM.standard_normal(count) + 1j * RANDOM.standard_normal(count)).astype(kind).reshape(shape)
    if kind.kind == "f":
        return (RANDOM.standard_normal(count) * 3).astype(kind).reshape(shape)
    return RANDOM.integers(0, 100, count).astype(kind).reshape(shape)


def device_tensors():
    same = {kind: OnDevice(array(kind, 3, 5), getattr(torch, numpy.dtype(kind).name)) for kind in
            ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16"]}
    casts = {f"{kind}.to.{to}": OnDevice(array(kind, 7), getattr(torch, to)) for kind in
             ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "b1", "c8", "c16"] for to in
             ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool",
              "complex64", "complex128"] if not (kind[0] == "c" and to[0] != "c")}
    views = {
        "fortran": OnDevice(numpy.asfortranarray(array("f4", 5, 7)), torch.float32),
        "fortran.cube": OnDevice(numpy.asfortranarray(array("f4", 2, 3, 4)), torch.bfloat16),
        "transposed": OnDevice(array("i4", 6, 2).T, torch.int32),
        "slice": OnDevice(array("f8", 6, 6)[::2, 1:4], torch.float32),
        "permuted": OnDevice(array("f4", 2, 3, 4).transpose(1, 2, 0), torch.float32),
        "scalar": OnDevice(numpy.array(2.5, "f4"), torch.bfloat16),
        "empty": OnDevice(numpy.zeros((0, 3), "f4"), torch.bfloat16),
        "old.name": OnDevice(array("f4", 4), torch.bfloat16, "_rebuild_xla_tensor"),
        "of.cpu": FromCpu(torch.from_numpy(array("f4", 4, 2)).t(), torch.float32),
        "of.cpu.cast": FromCpu(torch.from_numpy(array("f4", 4)), torch.float64),
        "large": OnDevice(array("f4", 130, 130), torch.bfloat16),
        "large.fortran": OnDevice(numpy.asfortranarray(array("f4", 131, 130)), torch.float32),
        "plain": torch.from_numpy(array("f4", 3)),
    }
    shared = array("f4", 4)
    return {"same": same, "cast": casts, "view": views, "step": 7,
            "shared": [OnDevice(shared, torch.float32), OnDevice(shared, torch.float16)]}


def write_devices():
    for protocol in (2, 3, 5):
        save(f"torch-device-protocol{protocol}.pt", device_tensors(), pickle_protocol=protocol)
    for protocol in (2,):
        # torch converts it before it has read the storage, and gives whatever is in memory.
        data = device_tensors()
        del data["view"]["of.cpu.cast"]
        save(f"torch-device-legacy{protocol}.pt", data, pickle_protocol=protocol,
             _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(ROOT / "models" / "torch-device-protocol2.pt") as archive, \
            zipfile.ZipFile(ROOT / "models" / "torch-device-deflated.pt", "w", zipfile.ZIP_DEFLATED) as out:
        for name in archive.namelist():
            out.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED)
    manifest("torch-device-deflated.pt", torch.load(ROOT / "models" / "torch-device-protocol2.pt", weights_only=False))
    big = {kind: array(kind, 2, 3) for kind in [">f2", ">f4", ">f8", ">i2", ">i8", ">c8", ">u4"]}
    big["fortran"] = numpy.asfortranarray(array(">f4", 4, 3))
    native = {name: torch.from_numpy(numpy.ascontiguousarray(of.astype(of.dtype.newbyteorder("=")))) for name, of
              in big.items()}
    for protocol in (2, 3):
        save(f"torch-device-big{protocol}.pt", {name: OnDevice(of, native[name].dtype) for name, of in big.items()},
             expected=native, pickle_protocol=protocol)


def write_keys():
    def of(*shape):
        return torch.from_numpy(array("f4", *shape))

    keys = {
        b"conv.weight": of(2, 3), b"block": {b"weight": of(2), "bias": of(1)}, ("layer", 0): of(2),
        ("layer", 1): {("inner", None, True): of(3)}, 5: of(2), None: of(1), -7: {2.5: of(2)}, b"\xff\xfe": of(2),
        b"\xff\xfd": of(2), ((1, 2), b"a"): of(1), ((1, 2), "a"): of(1), (): of(2), ("one",): of(2),
        2**70: of(1), frozenset([1]): of(1), torch.float32: of(1), "gr\u00fc\u00dfe".encode(): of(1), ("gr\u00fc\u00dfe",): of(2),
    }
    # Names of what a call makes, and of globals, are not Python's.
    names = {frozenset([1]): "frozenset(([1],))", torch.float32: "float32"}
    for protocol in (2, 3, 4):
        path = ROOT / "models" / f"torch-keys-protocol{protocol}.pt"
        used = {key: item for key, item in keys.items() if key not in names}
        save(path.name, used, pickle_protocol=protocol)
    save("torch-keys-legacy.pt", used, pickle_protocol=3, _use_new_zipfile_serialization=False)
    save("torch-keys-nested.pt", [{b"a": [{("x", 1): of(2)}, (of(1), {b"b": of(3)})]}, of(1)], pickle_protocol=3)


def checksums(path):
    """The places of each record's checksum: in its own header, in the directory, and of its data descriptor."""
    data = path.read_bytes()
    at = data.find(b"PK\x01\x02")
    while data[at:at + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        local, = struct.unpack_from("<I", data, at + 42)
        yield data[at + 46:at + 46 + name].decode(), [local + 14, at + 16]
        at += 46 + name + extra + comment


def write_checksums():
    state = {"layer.weight": torch.from_numpy(array("f4", 3, 4)), "layer.bias": torch.from_numpy(array("f4", 3))}
    path = ROOT / "models" / "torch-crc-none.pt"
    torch.serialization.set_crc32_options(False)
    save(path.name, state)
    torch.serialization.set_crc32_options(True)
    for name, wrong in [("tensor", ["/data/0"]), ("tensors", ["/data/"])]:
        path = ROOT / "models" / f"torch-crc-{name}.pt"
        torch.save(state, path)
        data = bytearray(path.read_bytes())
        for entry, places in checksums(path):
            if any(part in entry for part in wrong):
                for place in places:
                    struct.pack_into("<I", data, place, 0x12345678)
        path.write_bytes(data)
        manifest(path.name, torch.load(path))


if __name__ == "__main__":
    write_devices()
    write_keys()
    write_checksums()
