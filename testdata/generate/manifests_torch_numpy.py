"""Writes testdata/manifests/NAME.tsv for model files: name, shape, data type and SHA-256 of the bytes of every
tensor, as the official reader of the file's format gives them. core/tests/engine/manifests.rs compares what the engine
reads with these, so nobody who runs the tests needs the readers.

Only for files that are trusted: torch's reader runs what a pickle says. Names are the paths by which tensors are
reached, as core/src/formats/torch/walk.rs describes; bytes are row-major and little-endian.

torch:  torch 1.13.1 (Debian's python3-torch) and its numpy 1.24
numpy:  the same numpy"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MANIFESTS = ROOT / "testdata" / "manifests"
# Where files are looked for, beside paths that are given.
FOLDERS = [ROOT / "target" / "models", ROOT / "testdata" / "models", ROOT.parent / "shared" / "fixtures"]

Row = tuple[str, tuple[int, ...], str, bytes]

TORCH_TYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "complex64": "C64", "complex128": "C128",
    "qint8": "I8", "quint8": "U8", "qint32": "I32",
}
NUMPY_TYPES = {
    "f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u8": "U64", "u4": "U32",
    "u2": "U16", "u1": "U8", "b1": "BOOL", "c8": "C64", "c16": "C128",
}


class Stub:
    """Stands for an object of a class that only TorchScript knows, or that is not installed."""


def torch_stub_pickle():
    """A module like pickle whose Unpickler makes stubs of classes that can't be had."""
    import pickle
    import types

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if module.split(".")[0] in ("__torch__", "torchfixture"):
                return Stub
            if module == "torch.jit._pickle":  # lists of numbers or tensors, and typed values
                return lambda value, *_: value
            return super().find_class(module, name)

    module = types.ModuleType("stub_pickle")
    module.Unpickler, module.load = Unpickler, pickle.load
    return module


class Folder:
    """An archive whose storages lie in another folder than data/: TorchScript's constants."""

    def __init__(self, archive, folder):
        self.archive, self.folder = archive, folder

    def get_storage_from_record(self, name, *args):
        return self.archive.get_storage_from_record(name.replace("data/", self.folder + "/", 1), *args)

    def __getattr__(self, name):
        return getattr(self.archive, name)


def torch_rows(path: Path) -> Iterator[Row]:
    import torch

    pickle = torch_stub_pickle()
    if path.read_bytes()[:4] != b"PK\x03\x04":
        yield from torch_walk(torch, torch.load(path, map_location="cpu", pickle_module=pickle), "")
        return
    archive = torch._C.PyTorchFileReader(str(path))
    loaded = torch.serialization._load(archive, "cpu", pickle)
    rows = list(torch_walk(torch, loaded, ""))
    if "constants.pkl" in archive.get_all_records():
        constants = torch.serialization._load(Folder(archive, "constants"), "cpu", pickle, "constants.pkl")
        rows += torch_walk(torch, constants, "constants")
        # What TorchScript's own reader names must be there, with the same bytes.
        held = {name: (shape, data) for name, shape, _, data in rows}
        for name, tensor in torch.jit.load(path, map_location="cpu").state_dict().items():
            assert held[name] == (tuple(tensor.shape), torch_bytes(torch, tensor)), name
    yield from rows


def torch_walk(torch, value, path: str) -> Iterator[Row]:
    def under(key):
        return f"{path}.{key}" if path else str(key)

    if isinstance(value, torch.Tensor):
        if value.layout == torch.sparse_coo:
            parts = {"indices": value._indices(), "values": value._values()}
            yield from torch_walk(torch, parts, path)
        elif value.layout == torch.sparse_csr:
            parts = {"crow_indices": value.crow_indices(), "col_indices": value.col_indices(), "values": value.values()}
            yield from torch_walk(torch, parts, path)
        elif not value.is_meta:
            kind = TORCH_TYPES[str(value.dtype).removeprefix("torch.")]
            yield path or "tensor", tuple(value.shape), kind, torch_bytes(torch, value)
            if value.is_quantized and value.qscheme() == torch.per_channel_affine:
                parts = {"scales": value.q_per_channel_scales(), "zero_points": value.q_per_channel_zero_points()}
                yield from torch_walk(torch, parts, path)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from torch_walk(torch, part, under(key))
    elif isinstance(value, (list, tuple)):
        for key, part in enumerate(value):
            yield from torch_walk(torch, part, under(key))
    elif isinstance(value, (Stub, torch.nn.Module)):
        inner = ("_parameters", "_buffers", "_modules")
        is_module = all(name in value.__dict__ for name in inner)
        for key, part in value.__dict__.items():
            yield from torch_walk(torch, part, path if is_module and key in inner else under(key))


def torch_bytes(torch, tensor) -> bytes:
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def numpy_rows(path: Path) -> Iterator[Row]:
    import numpy

    loaded = numpy.load(path, allow_pickle=False)
    names = loaded.files if path.suffix == ".npz" else [path.stem]
    for name in names:
        try:
            array = loaded[name] if path.suffix == ".npz" else loaded
        except ValueError:  # an array of objects
            continue
        kind = array.dtype.str[1:]
        if kind in NUMPY_TYPES:
            data = array.astype(array.dtype.newbyteorder("<")).tobytes("C")
            yield name, array.shape, NUMPY_TYPES[kind], data


# By the end of a file's name.
READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".pt": torch_rows, ".pth": torch_rows, ".ckpt": torch_rows, ".jit": torch_rows, ".bin": torch_rows,
    ".npz": numpy_rows, ".npy": numpy_rows,
}


def escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def write(path: Path) -> None:
    rows = sorted(READERS[path.suffix](path), key=lambda row: row[0])
    assert len({row[0] for row in rows}) == len(rows), f"{path.name}: two tensors have one name"
    target = MANIFESTS / f"{path.name}.tsv"
    with target.open("w", encoding="utf-8") as out:
        for name, shape, kind, data in rows:
            extents = ",".join(str(extent) for extent in shape)
            out.write(f"{escape(name)}\t{extents}\t{kind}\t{hashlib.sha256(data).hexdigest()}\n")
    print(f"{target.relative_to(ROOT)}: {len(rows)} tensors")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE",
                        help="without files: all that are in target/models, testdata/models and ../shared/fixtures")
    parser.add_argument("--format", choices=["torch", "numpy"], help="only files of this format")
    options = parser.parse_args()
    files = options.files or [file for folder in FOLDERS if folder.is_dir() for file in sorted(folder.iterdir())
                              if file.suffix in READERS]
    MANIFESTS.mkdir(parents=True, exist_ok=True)
    for file in files:
        if options.format in (None, READERS[file.suffix].__name__.removesuffix("_rows")):
            write(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
