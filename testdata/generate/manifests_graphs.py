"""Writes testdata/manifests/NAME.tsv for models of ONNX and TensorFlow, and for safetensors of Stable Diffusion,
as their official readers see them: one line for each tensor, "name TAB shape TAB data type TAB SHA-256 of its bytes".

    python testdata/generate/manifests_graphs.py NAME=PATH [NAME=PATH …]

Run it with a Python that has onnx==1.23.2, tensorflow-cpu==2.21.0 and safetensors==0.8.0. Data types have atomizer's
names. Bytes are row-major and little-endian; ONNX's types of less than a byte are packed as in raw_data, first
element in the low bits. Names in sub-graphs come behind their place, as core/src/formats/onnx/graph.rs says."""

import hashlib
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np

FOLDER = Path(__file__).parent.parent / "manifests"

# numpy's and ml_dtypes' names of data types, and ours
NAMES = {
    "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "complex64": "C64", "complex128": "C128",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "uint8": "U8", "uint16": "U16", "uint32": "U32",
    "uint64": "U64", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2", "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
    "float4_e2m1fn": "F4", "int4": "I4", "uint4": "U4", "int2": "I2", "uint2": "U2",
}
SIZES = {"BOOL": 1, "BF16": 2, "C64": 8, "C128": 16} | {f"{kind}{bits}": bits // 8 for kind in "FIU" for bits in (8, 16, 32, 64)}
BITS = {"F4": 4, "I4": 4, "U4": 4, "I2": 2, "U2": 2}


def packed(array: np.ndarray, bits: int) -> bytes:
    """Values of a few bits each, the first in the low bits of the first byte."""
    codes = array.view(np.uint8).reshape(-1) & (2**bits - 1)
    each = 8 // bits
    codes = np.concatenate([codes, np.zeros(-len(codes) % each, np.uint8)]).reshape(-1, each)
    return np.bitwise_or.reduce(codes << (np.arange(each, dtype=np.uint8) * bits), axis=1).astype(np.uint8).tobytes()


def row(name: str, array: np.ndarray, pack: bool = False) -> tuple[str, str, str, str]:
    dtype = NAMES[array.dtype.name]
    data = packed(array, BITS[dtype]) if pack and dtype in BITS else np.ascontiguousarray(array).tobytes()
    # TensorFlow gives integers of less than a byte a byte each.
    stored = dtype if pack or dtype not in BITS else {"I": "I8", "U": "U8"}[dtype[0]]
    return name, ",".join(map(str, array.shape)), stored, hashlib.sha256(data).hexdigest()


def onnx_rows(path: Path):
    import onnx
    from onnx import TensorProto, numpy_helper

    model = onnx.load(str(path), load_external_data=False)
    places = {}

    def tensor(proto, name):
        if proto.data_type != TensorProto.STRING:
            yield row(name, numpy_helper.to_array(proto, str(path.parent)), pack=True)

    def sparse(proto, name):
        yield from tensor(proto.values, name + ".values")
        if proto.HasField("indices"):
            yield from tensor(proto.indices, name + ".indices")

    def graph(proto, place):
        for initializer in proto.initializer:
            yield from tensor(initializer, place + initializer.name)
        for initializer in proto.sparse_initializer:
            yield from sparse(initializer, place + initializer.values.name)
        yield from nodes(proto.node, place)

    def nodes(protos, place):
        for node in protos:
            for attribute in node.attribute:
                if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                    yield from constant(attribute, place + node.output[0])
                else:
                    yield from held(attribute, f"{place}{node.name or node.output[0]}/{attribute.name}")

    def taken(place):
        """Places of one name are numbered."""
        places[place] = places.get(place, 0) + 1
        return place if places[place] == 1 else f"{place}#{places[place]}"

    def held(attribute, below):
        def named(proto, below):
            below = taken(below)
            return tensor(proto, f"{below}/{proto.name}" if proto.name else below)

        if attribute.HasField("g"):
            yield from graph(attribute.g, taken(below) + "/")
        if attribute.HasField("t"):
            yield from named(attribute.t, below)
        if attribute.HasField("sparse_tensor"):
            yield from sparse(attribute.sparse_tensor, taken(below))
        for no, inner in enumerate(attribute.graphs):
            yield from graph(inner, taken(f"{below}.{no}") + "/")
        for no, inner in enumerate(attribute.tensors):
            yield from named(inner, f"{below}.{no}")
        for no, inner in enumerate(attribute.sparse_tensors):
            yield from sparse(inner, taken(f"{below}.{no}"))

    def constant(attribute, name):
        if attribute.ref_attr_name:
            return
        if attribute.name == "value":
            yield from tensor(attribute.t, name)
        elif attribute.name == "sparse_value":
            yield from sparse(attribute.sparse_tensor, name)
        elif attribute.name in ("value_float", "value_floats"):
            yield row(name, np.array(attribute.f if attribute.name == "value_float" else attribute.floats, np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            yield row(name, np.array(attribute.i if attribute.name == "value_int" else attribute.ints, np.int64))

    for training in model.training_info:
        yield from graph(training.initialization, "training/initialization/")
        yield from graph(training.algorithm, "training/algorithm/")
    for function in model.functions:
        place = f"{function.domain}::{function.name}/"
        yield from nodes(function.node, place)
        for attribute in function.attribute_proto:
            yield from held(attribute, place + attribute.name)
    yield from graph(model.graph, "")


def checkpoint_rows(prefix: Path):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype != tf.string:
            yield row(name, np.asarray(reader.get_tensor(name)))


def saved_model_rows(path: Path):
    """Variables, and the constants that may be weights, as core/src/formats/tensorflow/graph.rs says."""
    from tensorflow.core.protobuf import saved_model_pb2

    variables = list(checkpoint_rows(path / "variables" / "variables"))
    yield from variables
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((path / "saved_model.pb").read_bytes())

    def size(rows):
        return sum(int(np.prod([int(n) for n in shape.split(",") if n])) * SIZES[dtype] for _, shape, dtype, _ in rows)

    constants = list(weights_among(constant_rows(model.meta_graphs[0].graph_def), variables))
    if size(constants) > size(variables):
        yield from constants


def weights_among(constants, variables):
    for name, shape, dtype, digest in constants:
        weights = int(np.prod([int(extent) for extent in shape.split(",") if extent]))
        floats = (dtype[0] in "FBC" and dtype != "BOOL") or dtype in ("I8", "U8", "I16", "U16")
        if not variables or ("/Initializer/" not in name and (weights > 1 if floats else weights * SIZES[dtype] >= 1024)):
            yield name, shape, dtype, digest


def graph_def_rows(path: Path):
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    yield from constant_rows(graph)


def constant_rows(graph):
    import tensorflow as tf

    def constants(nodes, place):
        for node in nodes:
            if node.op == "Const" and node.attr["value"].tensor.dtype != tf.string.as_datatype_enum:
                yield row(place + node.name, tf.make_ndarray(node.attr["value"].tensor))

    yield from constants(graph.node, "")
    for function in graph.library.function:
        yield from constants(function.node_def, function.signature.name + "/")


def safetensors_rows(path: Path):
    from safetensors.numpy import load_file

    for name, array in load_file(path).items():
        yield row(name, array)


def reader_of(path: Path):
    if path.is_dir():
        return saved_model_rows
    return {".onnx": onnx_rows, ".pb": graph_def_rows, ".index": lambda path: checkpoint_rows(path.with_suffix("")),
            ".safetensors": safetensors_rows}[path.suffix]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[1:] or sys.exit(__doc__):
        name, _, path = argument.partition("=")
        path = Path(path)
        rows = sorted(reader_of(path)(path))
        (FOLDER / f"{name}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
        print(f"{name}: {len(rows)} tensors")


if __name__ == "__main__":
    main()
