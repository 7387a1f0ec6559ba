"""What the official readers find in a model file: the names, data types (ours), shapes and little-endian bytes of its tensors."""

import os
import pickle
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import gguf
import h5py
import ml_dtypes  # noqa: F401 - registers the types by name
import numpy as np
import onnx
import safetensors
import torch
from onnx import numpy_helper


class Tensor(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


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
    return Tensor(dtype, array.shape, little.tobytes())


def of_torch(tensor: torch.Tensor) -> Tensor | None:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in TORCH_DTYPES or tensor.device.type == "meta":
        return None
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return Tensor(TORCH_DTYPES[name], tuple(tensor.shape), data)


def read_gguf(path: str) -> dict[str, Tensor]:
    return {t.name: Tensor(t.tensor_type.name, tuple(int(n) for n in reversed(t.shape)), t.data.tobytes()) for t in gguf.GGUFReader(path).tensors}


def read_safetensors(path: str) -> dict[str, Tensor]:
    with open(path, "rb") as file:
        return {name: Tensor(info["dtype"], tuple(info["shape"]), bytes(info["data"])) for name, info in safetensors.deserialize(file.read())}


def read_numpy(path: str) -> dict[str, Tensor]:
    if path.endswith(".npy"):
        found = {os.path.basename(path).removesuffix(".npy"): np.load(path)}
    else:
        with np.load(path) as archive:
            found = {name: archive[name] for name in archive.files}
    return {name: tensor for name, array in found.items() if (tensor := of_array(array)) is not None}


class Stub(dict):
    """Stands for a class of a package that is not installed: what it holds is looked at, its code never runs."""

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


def flatten(value: object, name: str = "", seen: tuple[int, ...] = ()) -> Iterator[tuple[str, torch.Tensor]]:
    if id(value) in seen:
        return
    inner = (*seen, id(value))
    below = f"{name}." if name else ""
    if isinstance(value, torch.Tensor):
        if value.layout == torch.sparse_coo:
            yield from flatten(value._indices(), f"{below}indices")
            yield from flatten(value._values(), f"{below}values")
        else:
            yield name, value
    elif isinstance(value, torch.nn.Module):
        yield from flatten(value.state_dict(keep_vars=True), name, inner)
    elif isinstance(value, dict):
        for key, item in value.items():
            key = key.decode() if isinstance(key, bytes) else key
            yield from flatten(item, f"{below}{key}", inner)
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


def read_onnx(path: str) -> dict[str, Tensor]:
    model, folder = onnx.load(path, load_external_data=False), os.path.dirname(path)
    found: dict[str, Tensor] = {}

    def add(name: str, proto: onnx.TensorProto) -> None:
        if proto.data_type == onnx.TensorProto.STRING:
            return
        if (tensor := of_array(numpy_helper.to_array(proto, folder))) is not None:
            found[name] = tensor

    def graph(part: onnx.GraphProto | onnx.FunctionProto, place: str) -> None:
        for proto in getattr(part, "initializer", []):
            add(place + proto.name, proto)
        for number, node in enumerate(part.node):
            for attribute in node.attribute:
                below = f"{place}{node.name or node.output[0]}/{attribute.name}"
                if node.op_type == "Constant" and attribute.name == "value":
                    add(place + node.output[0], attribute.t)
                elif attribute.HasField("t"):
                    add(f"{below}/{attribute.t.name}".removesuffix("/"), attribute.t)
                for index, inner in enumerate(attribute.tensors):
                    add(f"{below}.{index}/{inner.name}".removesuffix("/"), inner)
                for index, inner in enumerate([attribute.g] if attribute.HasField("g") else attribute.graphs):
                    number_of = f"/{index}" if attribute.graphs else ""
                    graph(inner, f"{place}{node.name or number}/{attribute.name}{number_of}/")

    graph(model.graph, "")
    for function in model.functions:
        graph(function, f"{function.domain}::{function.name}/")
    return found


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


def read(path: str) -> dict[str, Tensor] | None:
    """By the extension; None where no official reader is known."""
    if os.path.isdir(path):
        return read_checkpoint(f"{path}/variables/variables") if os.path.exists(f"{path}/saved_model.pb") else None
    readers = {
        ".gguf": read_gguf, ".safetensors": read_safetensors, ".npy": read_numpy, ".npz": read_numpy, ".pt": read_torch, ".pth": read_torch,
        ".bin": read_torch, ".ckpt": read_torch, ".jit": read_torch, ".onnx": read_onnx, ".h5": read_hdf5, ".hdf5": read_hdf5, ".keras": read_keras,
    }
    reader = readers.get(os.path.splitext(path)[1])
    if path.endswith(".index"):
        return read_checkpoint(path.removesuffix(".index"))
    return reader and reader(path)
