"""Model files of the kinds that users reported of other readers, by the official writers, into a folder: whole modules, views
with other values than their storage, arrays in place of tensors, checksums, keys, indexes, attributes, caches, constants."""

import json
import os
import shutil
import struct
import zipfile

import ml_dtypes
import numpy as np
import onnx
import safetensors.torch
import torch
from onnx import AttributeProto, TensorProto, helper, numpy_helper

random = np.random.default_rng(15)
FILES = {"zip": {}, "protocol3": {"pickle_protocol": 3}, "protocol5": {"pickle_protocol": 5}, "legacy": {"_use_new_zipfile_serialization": False},
         "legacy4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4}}


def array(kind: object, *shape: int) -> np.ndarray:
    kind = np.dtype(kind)
    if kind.kind == "c":
        return (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(kind)
    if kind.kind in "fV":
        return np.asarray(random.standard_normal(shape) * 9).astype(kind)
    return random.integers(0, 2 if kind.kind == "b" else 100, shape).astype(kind)


def tensor(kind: object, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array(kind, *shape)))


def save(value: object, folder: str, name: str, files: dict = FILES) -> None:
    for option, arguments in files.items():
        torch.save(value, f"{folder}/kinds-{name}-{option}.pt", **arguments)


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(tensor("f4", 3))
        self.register_buffer("steps", tensor("i8", 2))
        self.plain = "no tensor"


class Outer(torch.nn.Module):
    """A class of the user's: a legacy file has its source among the storages."""

    def __init__(self):
        super().__init__()
        self.first, self.blocks = Inner(), torch.nn.ModuleList([Inner(), torch.nn.Sequential(torch.nn.Linear(2, 3), Inner())])
        self.tied = self.first.scale
        self.named = torch.nn.ModuleDict({"a_b": torch.nn.Bilinear(2, 3, 4), "c": torch.nn.Embedding(5, 2, padding_idx=0)})
        self.several = torch.nn.ParameterDict({"p": torch.nn.Parameter(tensor("f8", 2, 2).t())})
        self.listed = torch.nn.ParameterList([torch.nn.Parameter(tensor("f2", 4))])
        self.register_parameter("none", None)


def write_modules(folder: str) -> None:
    modules = {
        "lstm": torch.nn.LSTM(3, 4, 2, bidirectional=True), "transformer": torch.nn.TransformerEncoderLayer(8, 2, 16),
        "attention": torch.nn.MultiheadAttention(8, 2, kdim=4, vdim=6), "outer": Outer(), "parallel": torch.nn.DataParallel(Outer()),
        "half": torch.nn.Sequential(torch.nn.Conv1d(2, 3, 2), torch.nn.BatchNorm1d(3)).half(), "complex": torch.nn.Linear(2, 3, dtype=torch.complex64),
    }
    for name, module in modules.items():
        save(module, folder, f"module-{name}")
        save({"epoch": 3, "net": module, "best": [module.state_dict()]}, folder, f"module-{name}-inside")


def write_views(folder: str) -> None:
    for kind in ("c8", "c16"):
        base = tensor(kind, 4, 6)
        state = {
            "conj": base.conj(), "adjoint": base.mH, "conj of part": base[1:3, ::2].conj(), "expanded": tensor(kind, 1, 3).conj().expand(4, 3),
            "neg": torch._neg_view(base), "both": torch._neg_view(base.conj()), "imaginary": tensor(kind, 4, 6).conj().imag,
            "imaginary part": tensor(kind, 4, 6)[:, 1].conj().imag, "real": tensor(kind, 3).conj().real, "twice": base.conj().conj(), "empty": tensor(kind, 0, 2).conj(), "scalar": tensor(kind).conj(),
            "parameter": torch.nn.Parameter(base.conj()), "shared": base,
        }
        save(state, folder, f"views-{kind}")
        save([state, {"again": base.conj().T[2]}], folder, f"views-nested-{kind}")
    for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1"):
        base = tensor(kind, 4, 6)
        save({"neg": torch._neg_view(base), "part": torch._neg_view(base[:, 2:5]), "turned": torch._neg_view(base.t()), "base": base}, folder, f"views-{kind}")


class OnDevice:
    """What torch writes of a tensor on a device whose storage it cannot reach: the call that makes it of an array."""

    def __init__(self, data: np.ndarray, dtype: torch.dtype, name: str):
        self.data, self.dtype, self.name = data, dtype, name

    def __reduce__(self):
        return getattr(torch._utils, self.name), (self.data, self.dtype, "cpu", False)


def write_devices(folder: str) -> None:
    names = ["_rebuild_device_tensor_from_numpy", "_rebuild_xla_tensor"]
    protocols = {f"{place}{protocol}": {"pickle_protocol": protocol, "_use_new_zipfile_serialization": place == "protocol"}
                 for protocol in (2, 3, 4, 5) for place in ("protocol", "legacy")}
    types = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int8, torch.uint8, torch.bool]
    for name in names:
        for kind in ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "?", "c8"):
            to = [torch.complex64, torch.complex128] if kind == "c8" else types
            # What a number becomes that its type does not hold, processors decide.
            state = {str(dtype): OnDevice(np.abs(array(kind, 3, 5)), dtype, name) for dtype in to}
            state |= {"column": OnDevice(np.asfortranarray(array(kind, 4, 3)), to[0], name), "shifted": OnDevice(array(kind, 6, 6)[1::2, 3:], to[0], name),
                      "scalar": OnDevice(np.asarray(array(kind)), to[0], name), "large": OnDevice(array(kind, 70, 1000), to[0], name)}
            save({"net": state, "plain": tensor("f4", 2)}, folder, f"device{name}-{np.dtype(kind).name}", protocols)


def records(path: str) -> list[tuple[str, list[int]]]:
    """The records of an archive, and where the checksums of each stand: in its own header and in the directory."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = [], data.find(b"PK\x01\x02")
    while data[at:at + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        found.append((data[at + 46:at + 46 + name].decode(), [struct.unpack_from("<I", data, at + 42)[0] + 14, at + 16]))
        at += 46 + name + extra + comment
    return found


def write_checksums(folder: str) -> None:
    values = {"state": {"a": tensor("f4", 3, 4), "b": tensor("i8", 5)}, "many": [tensor("f4", n) for n in range(20)], "module": torch.nn.Linear(3, 2),
              "shared": [(base := tensor("f8", 6))[::2], base], "half": {"w": tensor("f2", 700, 3)}}
    for name, value in values.items():
        torch.serialization.set_crc32_options(False)
        torch.save(value, f"{folder}/kinds-crc-none-{name}.pt")
        torch.serialization.set_crc32_options(True)
        path = f"{folder}/kinds-crc-wrong-{name}.pt"
        torch.save(value, path)
        with open(path, "rb+") as file:
            for record, places in records(path):
                for place in places if "/data/" in record else []:
                    file.seek(place)
                    file.write(b"\x12\x34\x56\x78")


def write_keys(folder: str) -> None:
    keys = [b"conv.weight", b"\xff\xfe", "grüße".encode(), ("layer", 0), ("layer", "0"), (b"layer", 0), ((1, 2), None), (), ("one",), 0, -3, 1.5, None,
            "plain", "with.dot", "it's", ("it's", 'a "quote"'), (True, 2**40), 2**70]
    save({key: tensor("f4", 2) for key in keys}, folder, "keys-all")
    save([{b"outer": {("inner", number): tensor("i4", number + 1) for number in range(4)}}], folder, "keys-nested")
    save({b"same": tensor("f4", 1), (b"same",): tensor("f4", 2)}, folder, "keys-alike")
    save({("block", number, side): tensor("f2", 3) for number in range(3) for side in ("left", b"right")}, folder, "keys-tuples")
    save({b"optimizer": {b"state": {0: {b"exp_avg": tensor("f4", 3)}}}, b"epoch": 7}, folder, "keys-checkpoint")


def write_indexes(folder: str) -> None:
    """Two variants beside each other, of which each index names its own."""
    for name, writer, suffix in [("model", safetensors.torch.save_file, "safetensors"), ("pytorch_model", torch.save, "bin")]:
        place = f"{folder}/kinds-index-{suffix}"
        os.makedirs(place)
        for variant, dtype in {"": torch.float32, ".fp16": torch.float16, ".bf16": torch.bfloat16, ".non_ema": torch.float64, ".8bit": torch.int8}.items():
            weights = {}
            for part in (1, 2, 3):
                file = f"{name}-0000{part}-of-00003{variant}.{suffix}" if variant == ".bf16" else f"{name}{variant}-0000{part}-of-00003.{suffix}"
                tensors = {f"layer.{part}.{kind}": tensor("f4", part + 1, 3).to(dtype) for kind in ("weight", "bias")}
                writer(tensors, f"{place}/{file}")
                weights |= dict.fromkeys(tensors, file)
            with open(f"{place}/{name}.{suffix}.index{variant}.json", "w", encoding="utf-8") as out:
                json.dump({"metadata": {"total_size": 1}, "weight_map": weights}, out)


def write_keras_shards(folder: str) -> None:
    import keras

    layers = keras.layers
    models = {
        "dense": [layers.Input((8,)), layers.Dense(32), layers.Dense(16)],
        "normal": [layers.Input((8,)), layers.Dense(32), layers.BatchNormalization(), layers.LayerNormalization()],
        "recurrent": [layers.Input((5, 4)), layers.LSTM(8, return_sequences=True), layers.GRU(6)],
        "images": [layers.Input((8, 8, 3)), layers.Conv2D(8, 3), layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(4)],
        "words": [layers.Input((5,)), layers.Embedding(50, 8), layers.Bidirectional(layers.LSTM(4))],
        "half": [layers.Input((8,)), layers.Dense(32, dtype="float16"), layers.Dense(8, dtype="float16")],
    }
    for name, parts in models.items():
        model = keras.Sequential(parts)
        for size in (300, 1100, 3000, 1 << 20):
            place = f"{folder}/kinds-keras-{name}-{size}"
            os.makedirs(place)
            largest = max(int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize for variable in model.variables)
            model.save_weights(f"{place}/model.weights.json", max_shard_size=max(size, largest) / 1024**3)


def attribute(name: str, **value: object) -> AttributeProto:
    made = AttributeProto(name=name)
    for field, held in value.items():
        made.type = {"t": AttributeProto.TENSOR, "tensors": AttributeProto.TENSORS, "g": AttributeProto.GRAPH, "graphs": AttributeProto.GRAPHS,
                     "sparse_tensor": AttributeProto.SPARSE_TENSOR, "sparse_tensors": AttributeProto.SPARSE_TENSORS}[field]
        if isinstance(held, list):
            getattr(made, field).extend(held)
        else:
            getattr(made, field).CopyFrom(held)
    return made


def write_attributes(folder: str) -> None:
    types = {"float": "f4", "double": "f8", "int8": "i1", "int64": "i8", "half": "f2", "bfloat": ml_dtypes.bfloat16, "bool": "?"}
    value = helper.make_tensor_value_info

    def proto(name: str, kind: object, *shape: int) -> TensorProto:
        return numpy_helper.from_array(np.asarray(array(kind, *shape)), name)

    def node(operator: str, *attributes: AttributeProto, name: str = "", output: str = "y", domain: str = "mine") -> onnx.NodeProto:
        made = helper.make_node(operator, ["x"], [output], name=name, domain=domain)
        made.attribute.extend(attributes)
        return made

    def graph(nodes: list, initializers: tuple = (), name: str = "g") -> onnx.GraphProto:
        return helper.make_graph(nodes, name, [value("x", 1, None)], [value("y", 1, None)], list(initializers))

    for label, kind in types.items():
        sparse = helper.make_sparse_tensor(proto("rare", kind, 3), numpy_helper.from_array(np.array([1, 4, 7]), "at"), [9])
        mixed = [
            node("TreeEnsemble", attribute("nodes_splits", t=proto("splits", kind, 5)), attribute("leaf_weights", t=proto("", kind, 2, 3)),
                 name="forest", domain="ai.onnx.ml"),
            node("Many", attribute("several", tensors=[proto("", kind, 2), proto("two", kind, 0), proto("three", kind)]), output="z"),
            node("Rare", attribute("one", sparse_tensor=sparse), attribute("more", sparse_tensors=[sparse, sparse]), name="rare"),
            node("ConstantOfShape", attribute("value", t=proto("fill", kind, 1)), name="fill", domain=""),
            node("Constant", attribute("value", t=proto("given", kind, 4)), output="constant", domain=""),
        ]
        inner = graph(mixed[:2], (proto("w", kind, 2),), "inner")
        function = helper.make_function("mine", "F", ["x"], ["y"], mixed, [helper.make_opsetid("", 21)])
        graphs = {
            "flat": graph(mixed, (proto("w", kind, 3, 3),)), "none": graph(mixed[:1]),
            "deep": graph([node("Loop", attribute("body", g=graph([node("If", attribute("then_branch", g=inner), name="i")])), name="l", domain=""),
                           node("Cases", attribute("cases", graphs=[inner, inner]))]),
        }
        for name, held in graphs.items():
            model = helper.make_model(held, functions=[function] if name == "flat" else [])
            if name == "flat":
                info = model.training_info.add()
                info.initialization.CopyFrom(graph(mixed[:1], (proto("start", kind, 2),)))
                info.algorithm.CopyFrom(graph(mixed[3:], (proto("rate", kind),)))
            onnx.save_model(model, f"{folder}/kinds-attributes-{label}-{name}.onnx")
            place = f"{folder}/kinds-attributes-{label}-{name}"
            os.makedirs(place)
            onnx.save_model(model, f"{place}/model.onnx", save_as_external_data=True, all_tensors_to_one_file=label in ("float", "half"), size_threshold=0,
                            convert_attribute=True)


def write_caches(folder: str) -> None:
    """Files as a hub's client keeps them: links into a folder of blobs. The real files are beside, for the official reader."""
    for number, name in enumerate(["model", "decoder_model", "encoder", "text", "unet"]):
        cache = f"{folder}/kinds-cache-{number}/models--someone--{name}"
        place = f"{cache}/snapshots/{'0123456789abcdef' * 2}" + ("/onnx" if number % 2 else "")
        os.makedirs(place)
        os.makedirs(f"{cache}/blobs")
        weights = [numpy_helper.from_array(array("f4", 3, size), f"w{size}") for size in range(1, 6)]
        graph = helper.make_graph([helper.make_node("Identity", ["w1"], ["y"])], "g", [], [helper.make_tensor_value_info("y", 1, None)], weights)
        onnx.save_model(helper.make_model(graph), f"{place}/{name}.onnx", save_as_external_data=True, all_tensors_to_one_file=number < 3,
                        location=f"{name}.onnx_data" if number < 3 else None, size_threshold=0)
        shutil.copytree(place, f"{folder}/kinds-cache-{number}/real")
        for blob, file in enumerate(sorted(os.listdir(place))):
            os.rename(f"{place}/{file}", f"{cache}/blobs/{blob:040x}")
            os.symlink(os.path.relpath(f"{cache}/blobs/{blob:040x}", place), f"{place}/{file}")


def write_saved_models(folder: str) -> None:
    import tensorflow as tf

    def made(sizes: list[tuple[int, ...]], variable: tuple[int, ...], kind: str, captured: bool = False) -> tf.Module:
        module = tf.Module()
        module.step = tf.Variable(np.zeros(variable, np.float32))
        values = [np.asarray(array(kind, *size)) for size in sizes]
        module.held = [tf.constant(held) for held in values] if captured else []

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def call(x):
            held = module.held or [tf.constant(held, name=f"weights{number}") for number, held in enumerate(values)]
            return tf.add_n([x, *(tf.cast(tf.reduce_sum(tf.cast(one, tf.float32)), tf.float32) for one in held)]) + tf.reduce_sum(module.step)

        module.call = call
        return module

    kinds = {
        "counter": made([(8, 4), (4,)], (), "f4"), "halves": made([(9, 9)], (2,), "f2"), "bytes": made([(64, 32), (7,)], (3,), "i1"),
        "captured": made([(5, 6), (6,)], (1,), "f4", captured=True), "few": made([(2,), (3,)], (50,), "f4"), "doubles": made([(3, 3), (1,)], (2, 2), "f8"),
        "integers": made([(300,), (2,)], (), "i8"),
    }
    for name, module in kinds.items():
        tf.saved_model.save(module, f"{folder}/kinds-constants-{name}")


def write_numpy_objects(folder: str) -> None:
    """Archives in which something cannot be listed."""
    objects = np.array([{"a": 1}, None], object)
    mixed = {"good": array("f4", 3), "objects": objects, "records": np.zeros(2, [("a", "f4"), ("b", "i2")]), "texts": np.array(["a", "b"]),
             "times": np.array(["2026-01-01"], "datetime64[D]")}
    np.savez(f"{folder}/kinds-unlisted.npz", **mixed)
    with zipfile.ZipFile(f"{folder}/kinds-suffixes.npz", "w") as archive, archive.open("good.npy", "w") as member:
        np.lib.format.write_array(member, array("f4", 2, 2))


def write_kinds(folder: str) -> None:
    for write in (write_modules, write_views, write_devices, write_checksums, write_keys, write_indexes, write_keras_shards, write_attributes, write_caches,
                  write_saved_models, write_numpy_objects):
        write(folder)
