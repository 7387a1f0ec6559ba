"""Writes the tiny model files of PyTorch and NumPy in testdata/models with their official writers: torch 1.13.1
(Debian's python3-torch) and its numpy 1.24. They are in the repository; this shows what they hold and makes them anew."""

import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy
import torch

FOLDER = Path(__file__).parent.parent / "models"


def numbers(*shape, dtype=torch.float32):
    count = int(numpy.prod(shape))
    return (torch.arange(count) % 100).to(dtype).reshape(shape)


class Net(torch.nn.Module):
    """Pickled whole, by the name of a module that nobody has."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)
        self.heads = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(2)])
        self.register_buffer("mask", numbers(4, dtype=torch.bool))
        self.extra = {"table": numbers(2, 2)}


def tensors():
    base = numbers(4, 6)
    tied = numbers(5, 2)
    return OrderedDict([
        ("whole", base),
        ("rows", base[1:3]),
        ("columns", base[:, 2:5]),
        ("transposed", base.t()),
        ("tied.one", tied),
        ("tied.two", tied),
        ("half", numbers(3, dtype=torch.float16)),
        ("bf16", numbers(3, dtype=torch.bfloat16)),
        ("c64", numbers(3, dtype=torch.complex64) * (1 + 2j)),
        ("c128", numbers(3, dtype=torch.complex128) * (1 - 2j)),
        ("i64", numbers(3, dtype=torch.int64)),
        ("bool", numbers(3, dtype=torch.bool)),
        ("broadcast", torch.tensor([7.5]).expand(3, 3)),
        ("scalar", torch.tensor(3.25)),
        ("empty", torch.zeros(0, 5)),
        ("nested", {"list": [numbers(2), (numbers(1), {3: numbers(3)})], None: numbers(2), True: numbers(2)}),
        ("dotted.name", numbers(2)),
        ("dotted", {"name": numbers(3)}),
        ("epoch", 12),
    ])


def write_torch():
    # The archive's folder is called after the file; a folder of another name is common.
    data = tensors()
    del data["dotted"]  # its path is a name that is taken: a test of its own
    for protocol in range(6):
        if protocol >= 2:  # torch can't write archives with protocols 0 and 1: their persistent ids are text
            torch.save(data, FOLDER / f"torch-protocol{protocol}.pt", pickle_protocol=protocol)
            torch.save(data, FOLDER / f"torch-legacy-protocol{protocol}.pt", pickle_protocol=protocol,
                       _use_new_zipfile_serialization=False)
    more = {
        "coo": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "per_channel": torch.quantize_per_channel(numbers(2, 3), torch.tensor([0.5, 0.25]), torch.tensor([1, 2]), 0,
                                                  torch.qint8),
        "per_tensor": torch.quantize_per_tensor(numbers(4), 0.5, 3, torch.quint8),
        "qint32": torch.quantize_per_tensor(numbers(4), 0.125, 0, torch.qint32),
        "parameter": torch.nn.Parameter(numbers(2)),
        "meta": torch.empty(3, 3, device="meta"),
        "optimizer": torch.optim.Adam([torch.nn.Parameter(numbers(2))]).state_dict(),
    }
    torch.save(more, FOLDER / "torch-more.pt")
    fixture = types.ModuleType("torchfixture")
    Net.__module__, fixture.Net = "torchfixture", Net
    sys.modules["torchfixture"] = fixture
    torch.manual_seed(1)
    torch.save(Net(), FOLDER / "torch-module.pt")
    # The same archives compressed again, as some tools leave them, with the pickle behind the storages.
    with zipfile.ZipFile(FOLDER / "torch-protocol2.pt") as archive, \
            zipfile.ZipFile(FOLDER / "torch-deflated.pt", "w", zipfile.ZIP_DEFLATED) as out:
        for name in reversed(archive.namelist()):
            out.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED)


def arrays():
    base = numpy.arange(24, dtype="<f4").reshape(4, 6)
    kinds = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16"]
    plain = {kind: numpy.arange(6).astype("<" + kind).reshape(2, 3) for kind in kinds}
    big = {f"big_{kind}": numpy.arange(6).astype(">" + kind).reshape(2, 3) for kind in ["f4", "i2", "c8", "b1"]}
    return {
        **plain, **big,
        "fortran": numpy.asfortranarray(base),
        "fortran_vector": numpy.asfortranarray(base[:, :1]),
        "fortran_big": numpy.asfortranarray(base.astype(">f4")),
        "scalar": numpy.float32(2.5),
        "empty": numpy.zeros((0, 3), "<f4"),
        "folder/name": base[1],
        "text": numpy.array(["a", "bc"]),
        "record": numpy.zeros(2, [("a", "<f4"), ("b", "<i2")]),
        "objects": numpy.array([{"a": 1}, None], dtype=object),
    }


def write_numpy():
    numpy.savez(FOLDER / "numpy.npz", **arrays())
    numpy.savez_compressed(FOLDER / "numpy-deflated.npz", **arrays())
    numpy.save(FOLDER / "numpy-fortran.npy", numpy.asfortranarray(numpy.arange(24, dtype="<f8").reshape(2, 3, 4)))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_torch()
    write_numpy()
