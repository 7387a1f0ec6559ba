"""Writes the small HDF5 files of testdata/hdf5, of every structure that the library writes, and what h5py reads
from them (NAME.tsv, by testdata/generate/manifests_keras.py). On every run the output is the same, but for free bytes of
some heaps, which the library leaves as they are:

    python3 -m venv V && V/bin/pip install h5py==3.16.0 numpy==2.4.6
    V/bin/python testdata/generate/hdf5.py
"""

import ctypes
import io
import json
import pathlib
import subprocess
import sys
import zipfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
FOLDER = HERE.parent / "hdf5"

EARLIEST = ("earliest", "v108")

RNG = np.random.default_rng(20261125)


def numbers(shape, dtype="<f4"):
    """Random values of any type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return numbers(shape, dtype.str.replace("c8", "f4").replace("c16", "f8")) * (1 + 2j)
    if dtype.kind == "f":
        return RNG.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return RNG.integers(0, 2, shape).astype(dtype)
    bits = np.iinfo(dtype)
    return RNG.integers(bits.min, bits.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)


def create(name, libver, **options):
    """A new file. In the oldest format, its nodes of chunks are small: trees become deep, and files short."""
    if libver != EARLIEST:
        return h5py.File(FOLDER / name, "w", libver=libver, **options)
    create_list = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    small_nodes(create_list, 6)
    return low_level(name, create_list, h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_V18, **options)


def low_level(name, create_list, least, most, track_order=False):
    if track_order:
        order = h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED
        create_list.set_link_creation_order(order)
        create_list.set_attr_creation_order(order)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(least, most)
    return h5py.File(h5py.h5f.create(str(FOLDER / name).encode(), h5py.h5f.ACC_TRUNC, create_list, access))


def small_nodes(create_list, half):
    """H5Pset_istore_k, which h5py does not have. It makes the superblock one of version 1."""
    library, = pathlib.Path(h5py.__file__).parent.parent.glob("h5py.libs/libhdf5-*.so*")
    call = ctypes.CDLL(library).H5Pset_istore_k
    call.argtypes = [ctypes.c_int64, ctypes.c_uint]
    assert call(create_list.id, half) >= 0


def custom_float(base, size, fields, bias):
    kind = base.copy()
    kind.set_fields(*fields)
    kind.set_size(size)
    kind.set_precision(8 * size)
    kind.set_ebias(bias)
    return kind


def raw_dataset(group, name, kind, shape, data, plist=None):
    space = h5py.h5s.create_simple(shape)
    plist = plist or h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    dataset = h5py.h5d.create(group.id, name.encode(), kind, space, plist)
    if data is not None:
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.frombuffer(data, f"V{kind.get_size()}").copy(), mtype=kind)


def types(name, libver, **options):
    """Every data type, every kind of link, and what is no tensor."""
    with create(name, libver, **options) as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["layer_names"] = [f"layer_{i}" for i in range(20)]
        file.attrs["fixed"] = np.array([b"a", b"bc", b"def"])
        file.attrs["number"] = np.int64(-7)
        file.attrs["big_endian"] = np.array([1.5, -2.5], ">f4")
        file.attrs["yes"] = np.bool_(True)
        file.attrs["nothing"] = h5py.Empty("f4")
        group = file.create_group("types")
        for dtype in ["<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "?", "<c8", "<c16",
                      ">f2", ">f4", ">f8", ">i2", ">i4", ">i8", ">u2", ">u4", ">u8", ">c8", ">c16"]:
            group.create_dataset(dtype.replace("<", "le_").replace(">", "be_"), data=numbers((3, 5), dtype))
        group.create_dataset("enum", data=np.array([3, 4, 3], "i2"), dtype=h5py.enum_dtype({"A": 3, "B": 4}, "i2"))
        base = h5py.h5t.IEEE_F32LE
        floats = {"bf16": (2, (15, 7, 8, 0, 7), 127), "e4m3": (1, (7, 3, 4, 0, 3), 7), "e5m2": (1, (7, 2, 5, 0, 2), 15)}
        for label, (size, fields, bias) in floats.items():
            kind = custom_float(base, size, fields, bias)
            raw_dataset(group, label, kind, (2, 4), numbers(8 * size, "u1").tobytes())
            kind.set_order(h5py.h5t.ORDER_BE)
            raw_dataset(group, label + "_be", kind, (2, 4), numbers(8 * size, "u1").tobytes())
        # As Keras writes bfloat16.
        group.create_dataset("opaque_bf16", data=numbers(6, "u2").view("V2")).attrs["dtype"] = "bfloat16"
        file.create_dataset("scalar", data=np.float32(2.5))
        file.create_dataset("no_rows", shape=(0, 4), dtype="f4")
        file.create_dataset("never_written", shape=(4, 3), dtype="f4", fillvalue=7)
        file.create_dataset("never_written_be", shape=(5,), dtype=">i2", fillvalue=258)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        raw_dataset(file, "compact", h5py.h5t.IEEE_F32LE, (2, 3), numbers((2, 3)).tobytes(), plist)
        raw_dataset(file, "compact_be", h5py.h5t.STD_I16BE, (5,), numbers(5, ">i2").tobytes(), plist)
        # No tensors.
        other = file.create_group("other")
        other.create_dataset("null", data=h5py.Empty("f4"))
        other.create_dataset("fixed_text", data=np.array([b"abc", b"de"]))
        other.create_dataset("text", data=["abc", "de"], dtype=h5py.string_dtype())
        other.create_dataset("compound", data=np.zeros(2, [("r", "f4"), ("i", "f4"), ("x", "i4")]))
        other.create_dataset("not_complex", data=np.zeros(2, [("i", "f4"), ("r", "f4")]))
        other.create_dataset("opaque", data=numbers(6, "u2").view("V2"))
        other.create_dataset("sequences", data=[np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
        other.create_dataset("arrays", (2,), np.dtype(("f4", (3,))))
        other.create_dataset("references", data=group.ref, dtype=h5py.ref_dtype)
        file["links/soft"] = h5py.SoftLink("/scalar")
        file["links/dangling"] = h5py.SoftLink("/nowhere")
        file["links/external"] = h5py.ExternalLink("other.h5", "/x")
        file["links/hard"] = file["types/le_f4"]
        file["links/hard_group"] = group
        file["a_named_type"] = np.dtype("<f4")
        file.create_dataset("of_a_named_type", data=numbers((2, 2)), dtype=file["a_named_type"])
        file["z_named_type"] = np.dtype(">f8")
        file.create_dataset("of_a_later_named_type", data=numbers(3, ">f8"), dtype=file["z_named_type"])


def chunks(name, libver, **options):
    """Every index of chunks, with filters and without."""
    with create(name, libver, **options) as file:
        def add(label, shape, chunk, dtype="<f4", **options):
            return file.create_dataset(label, data=numbers(shape, dtype), chunks=chunk, **options)

        add("one/plain", (6, 5), (6, 5))
        add("one/gzip", (6, 5), (6, 5), compression="gzip")
        add("one/larger_than_all", (3, 2), (4, 8), maxshape=(4, 8), compression="gzip")
        add("fixed/plain", (7, 5), (3, 2))
        add("fixed/rows", (7, 5), (2, 5))
        add("fixed/gzip", (7, 5), (3, 2), compression="gzip")
        add("fixed/shuffle", (7, 5), (3, 2), shuffle=True)
        add("fixed/fletcher", (7, 5), (3, 2), fletcher32=True)
        add("fixed/lzf", (40, 5), (16, 5), "<i8", compression="lzf")[:] = np.arange(200).reshape(40, 5) // 9
        add("fixed/all", (7, 5, 3), (3, 2, 2), "<f8", compression="gzip", shuffle=True, fletcher32=True)
        add("fixed/all_lzf", (50, 3), (20, 2), "<i4", compression="lzf", shuffle=True, fletcher32=True)[:] = 3
        add("fixed/big_endian", (7, 5), (3, 2), ">f4", compression="gzip", shuffle=True)
        add("fixed/big_endian_rows", (7, 5), (3, 5), ">i2")
        add("fixed/complex", (5, 3), (2, 2), ">c8", compression="gzip", shuffle=True)
        add("fixed/booleans", (9,), (4,), "?", compression="gzip")
        add("fixed/room_to_grow", (7, 5), (3, 2), maxshape=(12, 9))
        holes = file.create_dataset("fixed/holes", (9, 8), ">i4", chunks=(2, 3), fillvalue=-5, compression="gzip")
        holes[2:4, 3:6] = 1
        holes[8, :] = 2
        file.create_dataset("fixed/nothing", (9, 8), "<i4", chunks=(2, 3), fillvalue=3)
        for label, shape, chunk, most in [("first", (7, 5), (3, 2), (None, 5)), ("last", (7, 5), (3, 2), (7, None)),
                                          ("middle", (4, 6, 5), (3, 2, 2), (4, None, 9)), ("alone", (90,), (2,), (None,))]:
            add(f"growing/{label}", shape, chunk, maxshape=most)
            add(f"growing/{label}_gzip", shape, chunk, maxshape=most, compression="gzip")
        add("growing/both", (7, 5), (3, 2), maxshape=(None, None))
        add("growing/both_gzip", (7, 5), (3, 2), maxshape=(None, None), compression="gzip", fletcher32=True)
        shrunk = add("growing/shrunk", (30, 6), (2, 3), maxshape=(None, None))
        shrunk.resize((5, 4))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((3, 2))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        raw_dataset(file, "early", h5py.h5t.IEEE_F32LE, (7, 5), numbers((7, 5)).tobytes(), plist)


def many_chunks(name, libver):
    """Indexes of more than one node or page."""
    with create(name, libver) as file:
        file.create_dataset("fixed", data=numbers(1100, "u1"), chunks=(1,))
        file.create_dataset("fixed_holes", (2100,), "u1", chunks=(1,), fillvalue=9)[2077] = 1
        file.create_dataset("both", data=numbers((15, 14), "u1"), chunks=(1, 1), maxshape=(None, None))
        file.create_dataset("both_gzip", data=numbers((15, 14), "u1"), chunks=(1, 2), maxshape=(None, None),
                            compression="gzip")


def far_chunks(name, libver):
    """An extensible array with super blocks and pages, of which few are there."""
    with create(name, libver) as file:
        data = file.create_dataset("far", (140_000,), "u1", chunks=(1,), maxshape=(None,), fillvalue=1)
        for at in [0, 3, 4, 40, 300, 5000, 132_000, 139_999]:
            data[at] = at % 251
        near = file.create_dataset("near", (9000,), "u1", chunks=(1,), maxshape=(None,), compression="gzip")
        for at in [1, 70, 700, 1500]:
            near[at] = at % 251


def many_links(name, libver, track_order):
    """Groups and attributes that outgrow their headers."""
    with create(name, libver, track_order=track_order) as file:
        for i in range(12):
            file.attrs[f"attribute_{i:02}"] = f"value {i}"
        file.attrs["huge"] = np.bytes_(b"h" * 5000)
        file.attrs["keras_version"] = "3.0.0"
        value = file.create_dataset("value", data=numbers(3))
        for i in range(10):
            value.attrs[f"note_{i}"] = i
        group = file.create_group("group", track_order=track_order)
        for i in range(70):
            group.create_dataset(f"{'name' * (i % 7)}_{i}", data=numbers(2, "<i2"))
        inner = file.create_group("a/b/c", track_order=track_order)
        inner["x" * 4500] = group["_0"]
        for i in range(9):
            inner.create_group(f"empty_{i}")


def deep_tree(name, libver):
    """A name index of three levels."""
    with create(name, libver) as file:
        file.create_dataset("x", data=numbers(4))
        group = file.create_group("many")
        for i in range(1150):
            group[f"{i:04}"] = h5py.SoftLink("/x")
        file.create_dataset("many/real", data=numbers(2))


def narrow(name):
    """Addresses and lengths of four bytes, superblock version 0, behind a user block."""
    create_list = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    create_list.set_sizes(4, 4)
    create_list.set_userblock(512)
    with low_level(name, create_list, h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_V18) as file:
        file.attrs["keras_version"] = "1.0"
        file.create_dataset("a/b", data=numbers((3, 4)))
        file.create_dataset("a/c", data=numbers((9, 4)), chunks=(3, 4), compression="gzip")
        file.create_dataset("a/d", shape=(3,), dtype="f4", maxshape=(None,), chunks=(2,), fillvalue=2)


def narrow_latest(name):
    """Addresses of four bytes, superblock version 3. With short lengths the library cannot read what it wrote."""
    create_list = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    create_list.set_sizes(4, 8)
    with low_level(name, create_list, h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST) as file:
        for i in range(10):
            file.create_dataset(f"a/{i}", data=numbers((9, 4)), chunks=(2, 2), compression="gzip")
        file.create_dataset("b", data=numbers((9, 4)), chunks=(2, 2), maxshape=(None, None))
        file.create_dataset("c", data=numbers((9, 4)), chunks=(2, 2), maxshape=(None, 4), fletcher32=True)


def archives():
    """Keras' archive, as Keras stores it and as another program may have packed it again."""
    inside = io.BytesIO()
    with h5py.File(inside, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=numbers((4, 3)))
        file.create_dataset("layers/dense/vars/1", data=numbers(3, ">f4"))
        file.create_dataset("layers/dense/vars/2", data=numbers((9, 3)), chunks=(2, 2), compression="gzip")
        file.create_dataset("optimizer/vars/0", data=np.int64(5))
        file.create_dataset("optimizer/vars/1", shape=(3,), dtype="f4")
    config = {"module": "keras", "class_name": "Sequential",
              "config": {"name": "tiny", "layers": [{"class_name": "InputLayer"}, {"class_name": "Dense"}]}}
    entries = {"metadata.json": json.dumps({"keras_version": "3.15.1", "date_saved": "2026-11-25@00:00:00"}).encode(),
               "config.json": json.dumps(config).encode(), "model.weights.h5": inside.getvalue()}
    for name, method in [("stored.keras", zipfile.ZIP_STORED), ("deflated.keras", zipfile.ZIP_DEFLATED)]:
        with zipfile.ZipFile(FOLDER / name, "w", method) as archive:
            for entry, data in entries.items():
                archive.writestr(zipfile.ZipInfo(entry, (2026, 11, 25, 0, 0, 0)), data, method)


def not_stored(name):
    """A file of 1 KiB that says it holds 4 TiB. It is refused, so it has no manifest."""
    with h5py.File(FOLDER / name, "w", libver="latest") as file:
        file.create_dataset("w", (1 << 40,), "f4", chunks=(1024,), compression="gzip")


def moved(name, source):
    """A file behind a user block that was put before it later."""
    (FOLDER / name).write_bytes(b"#!/bin/sh\n".ljust(512, b"#") + (FOLDER / source).read_bytes())


def main():
    for version in ["earliest", "latest"]:
        bounds = EARLIEST if version == "earliest" else "latest"
        types(f"types-{version}.h5", bounds)
        chunks(f"chunks-{version}.h5", bounds)
        many_chunks(f"many-chunks-{version}.h5", bounds)
        many_links(f"many-links-{version}.h5", bounds, track_order=version == "earliest")
    many_links("many-links-v110.h5", ("v110", "v110"), track_order=True)
    chunks("chunks-v110-block.h5", ("v110", "v110"), userblock_size=1024)
    far_chunks("far-chunks.h5", "latest")
    deep_tree("deep-tree.h5", "latest")
    narrow("narrow.h5")
    narrow_latest("narrow-latest.h5")
    archives()
    moved("moved.h5", "narrow.h5")
    not_stored("not-stored.hdf5")
    files = sorted([*FOLDER.glob("*.h5"), *FOLDER.glob("*.keras")])
    subprocess.run([sys.executable, HERE / "manifests_keras.py", "--into", FOLDER, *files], check=True)


if __name__ == "__main__":
    main()
