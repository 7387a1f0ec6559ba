"""What the official readers find in a model file: the names, data types (ours) and shapes of its tensors, and the SHA-256 of their
little-endian bytes."""

import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gguf
import h5py
import ml_dtypes  # noqa: F401 - registers the types by name
import numpy as np
import safetensors
import torch

sys.path.append(str(Path(__file__).parents[2] / "testdata" / "generate"))
import manifests_graphs


class Tensor(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @classmethod
    def of(cls, dtype: str, shape: tuple[int, ...], data: bytes) -> "Tensor":
        return cls(dtype, tuple(int(extent) for extent in shape), hashlib.sha256(data).hexdigest())


NUMPY_DTYPES = {
    "float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16", "bool": "BOOL", "complex64": "C64", "complex128": "C128",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
}
TORCH_DTYPES = NUMPY_DTYPES | {"qint8": "I8", "quint8": "U8", "qint32": "I32"}


def of_array(array: np.ndarray) -> Tensor | None:
    """None for what is no array of numbers."""
    dtype = NUMPY_DTYPES.get(array.dtype.newbyteorder("=").name)
    if dtype is None:
        return None
    little = array.astype(array.dtype.newbyteorder("<")) if array.dtype.kind in "iufc" and array.dtype.itemsize > 1 else array
    return Tensor.of(dtype, array.shape, little.tobytes())


def of_torch(tensor: torch.Tensor) -> Tensor | None:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in TORCH_DTYPES or tensor.device.type == "meta":
        return None
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return Tensor.of(TORCH_DTYPES[name], tuple(tensor.shape), data)


def read_gguf(path: str) -> dict[str, Tensor]:
    return {t.name: Tensor.of(t.tensor_type.name, tuple(reversed(t.shape)), t.data.tobytes()) for t in gguf.GGUFReader(path).tensors}


def read_safetensors(path: str) -> dict[str, Tensor]:
    with open(path, "rb") as file:
        return {name: Tensor.of(info["dtype"], tuple(info["shape"]), bytes(info["data"])) for name, info in safetensors.deserialize(file.read())}


def plain(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray | None:
    """None for an array of objects, which is a pickle."""
    try:
        return archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return None


def read_numpy(path: str) -> dict[str, Tensor]:
    if path.endswith(".npy"):
        found = {os.path.basename(path).removesuffix(".npy"): np.load(path)}
    else:
        with np.load(path) as archive:
            found = {name: array for name in archive.files if (array := plain(archive, name)) is not None}
    return {name: tensor for name, array in found.items() if (tensor := of_array(array)) is not None}


class Stub(dict):
    """Stands for a class of a package that is not installed: what it holds is looked at, its code never runs."""

    dump_patches = False  # which torch asks of modules

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __call__(self, *args, **kwargs):
        return Stub()

    def __setstate__(self, state):
        self.update(state if isinstance(state, dict) else {"state": state})


class Pickle:
    """The pickle module for torch.load: torch's and numpy's own names are resolved, all others are stubs."""

    __name__ = "pickle"
    Pickler, dump, dumps, load, loads = pickle.Pickler, pickle.dump, pickle.dumps, pickle.load, pickle.loads

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if module.split(".")[0] in ("torch", "numpy", "collections", "_codecs") or (module, name) == ("builtins", "set"):
                return super().find_class(module, name)
            return Stub


def segment(key: object) -> str:
    """What a key adds to a tensor's name."""
    if isinstance(key, bytes):
        try:
            return key.decode()
        except UnicodeDecodeError:
            return repr(key)
    return key if isinstance(key, str) else repr(key)


def state(module: dict) -> dict:
    """What is in the state dict of a module with these attributes, whose parts may be stubs, which have no such method."""
    left_out = module.get("_non_persistent_buffers_set", ())
    buffers = {name: buffer for name, buffer in module["_buffers"].items() if name not in left_out}
    return {**module["_parameters"], **buffers, **module["_modules"]}


def flatten(value: object, name: str = "", seen: tuple[int, ...] = ()) -> Iterator[tuple[str, torch.Tensor]]:
    if id(value) in seen:
        return
    inner = (*seen, id(value))
    below = f"{name}." if name else ""
    if isinstance(value, torch.nn.Module):
        value = state(vars(value))
    elif isinstance(value, Stub) and "_modules" in value:
        value = state(value)
    if isinstance(value, torch.Tensor):
        if value.layout == torch.sparse_coo:
            yield from flatten(value._indices(), f"{below}indices")
            yield from flatten(value._values(), f"{below}values")
        else:
            yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{below}{segment(key)}", inner)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from flatten(item, f"{below}{index}", inner)


def read_torch(path: str) -> dict[str, Tensor]:
    if zipfile.is_zipfile(path) and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()):
        module = torch.jit.load(path, map_location="cpu")
        found = {f"{place}.{name}".lstrip("."): value for place, part in module.named_modules() for name in dir(part)
                 if isinstance(value := getattr(part, name, None), torch.Tensor)}.items()
    else:
        found = flatten(torch.load(path, map_location="cpu", weights_only=False, pickle_module=Pickle))
    return {name: tensor for name, value in found if (tensor := of_torch(value)) is not None}


def of_rows(rows: Iterator[tuple[str, str, str, str]]) -> dict[str, Tensor]:
    return {name: Tensor(dtype, tuple(int(extent) for extent in shape.split(",") if extent), digest) for name, shape, dtype, digest in rows}


def read_onnx(path: str) -> dict[str, Tensor]:
    if "/snapshots/" in path:  # of a cache, whose links onnx does not follow
        path = f"{path.split('/models--')[0]}/real/{os.path.basename(path)}"
    return of_rows(manifests_graphs.onnx_rows(Path(path)))


def read_saved_model(path: str) -> dict[str, Tensor] | None:
    if not os.path.exists(f"{path}/variables/variables.index"):
        return None
    return of_rows(manifests_graphs.saved_model_rows(Path(path)))


def read_hdf5(path: str | object) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None and (tensor := of_array(np.asarray(item[()]).reshape(item.shape))) is not None:
            found[name] = tensor

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def read_keras(path: str) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as weights:
        return read_hdf5(weights)


def read_checkpoint(prefix: str) -> dict[str, Tensor]:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    arrays = {key: np.asarray(reader.get_tensor(key)) for key in reader.get_variable_to_shape_map()}
    return {key: tensor for key, array in arrays.items() if (tensor := of_array(array)) is not None}


READERS: dict[str, Callable[[str], dict[str, Tensor] | None]] = {
    ".gguf": read_gguf, ".safetensors": read_safetensors, ".npy": read_numpy, ".npz": read_numpy, ".pt": read_torch, ".pth": read_torch,
    ".bin": read_torch, ".ckpt": read_torch, ".jit": read_torch, ".onnx": read_onnx, ".h5": read_hdf5, ".hdf5": read_hdf5, ".keras": read_keras,
}


def read_index(path: str) -> dict[str, Tensor] | None:
    """All tensors of the shards that an index names; None for other JSON."""
    with open(path, "rb") as file:
        index = json.load(file)
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        return None
    shards = {shard for named in index["weight_map"].values() for shard in ([named] if isinstance(named, str) else named)}
    found: dict[str, Tensor] = {}
    for shard in sorted(shards):
        found |= READERS[os.path.splitext(shard)[1]](os.path.join(os.path.dirname(path), shard)) or {}
    return found


def read(path: str) -> dict[str, Tensor] | None:
    """By the extension; None where no official reader is known."""
    if os.path.isdir(path):
        return read_saved_model(path)
    if path.endswith(".index"):
        return read_checkpoint(path.removesuffix(".index"))
    if path.endswith(".json"):
        return read_index(path)
    reader = READERS.get(os.path.splitext(path)[1])
    return reader and reader(path)
