"""Writes testdata/models/{onnx-attributes-*,keras-sharded-*,savedmodel-*} with the official writers: kinds of files that
users reported of other readers. Manifests of ONNX and TensorFlow come from manifests_graphs.py, whose rules for names they
follow; those of Keras from h5py, here.

    python testdata/generate/reports_graphs.py && cd testdata/models && python ../generate/manifests_graphs.py \\
        $(for f in onnx-attributes-*.onnx savedmodel-*; do echo $f=$f; done)

onnx 1.23.2, tensorflow-cpu 2.21.0 with keras 3, h5py 3.16.0"""

import hashlib
import os
import shutil
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent.parent / "models"
random = np.random.default_rng(15)


def tensor(name, *shape, dtype=np.float32):
    return numpy_helper.from_array((random.standard_normal(shape) * 10).astype(dtype), name)


def attribute(name, **value):
    of = AttributeProto(name=name)
    for field, held in value.items():
        kind = {"t": AttributeProto.TENSOR, "tensors": AttributeProto.TENSORS, "sparse_tensor": AttributeProto.SPARSE_TENSOR,
                "sparse_tensors": AttributeProto.SPARSE_TENSORS, "g": AttributeProto.GRAPH, "graphs": AttributeProto.GRAPHS}
        of.type = kind[field]
        if isinstance(held, list):
            getattr(of, field).extend(held)
        else:
            getattr(of, field).CopyFrom(held)
    return of


def node(op, inputs, outputs, *attributes, name="", domain=""):
    made = helper.make_node(op, inputs, outputs, name=name, domain=domain)
    made.attribute.extend(attributes)
    return made


def graph(name, nodes, initializers=(), inputs=("x",), outputs=("y",)):
    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)

    return helper.make_graph(nodes, name, [value(i) for i in inputs], [value(o) for o in outputs], list(initializers))


def model(of, **more):
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5), helper.make_opsetid("mine", 1)]
    return helper.make_model(of, opset_imports=opsets, ir_version=10, **more)


def sparse(name, *values):
    of = helper.make_sparse_tensor(numpy_helper.from_array(np.array(values, np.float32), name),
                                   numpy_helper.from_array(np.arange(len(values)) * 2, name + "_at"), [20])
    return of


def trees():
    return node("TreeEnsemble", ["x"], ["y"], attribute("nodes_splits", t=tensor("splits", 5)),
                attribute("leaf_weights", t=tensor("weights", 6, dtype=np.float64)),
                attribute("membership_values", t=tensor("", 3)), name="forest", domain="ai.onnx.ml")


def save(name, of, external=False):
    path = FOLDER / f"onnx-attributes-{name}.onnx"
    if external:
        (FOLDER / f"{path.name}.data").unlink(missing_ok=True)
        onnx.save_model(of, path, save_as_external_data=True, all_tensors_to_one_file=True, location=f"{path.name}.data",
                        size_threshold=0, convert_attribute=True)
    else:
        onnx.save_model(of, path)


def write_onnx():
    save("trees", model(graph("g", [trees()], [tensor("bias", 2)])), external=True)
    # No initializer at all: the only external file is that of attributes.
    save("only", model(graph("g", [trees(), node("ConstantOfShape", ["s"], ["fill"], attribute("value", t=tensor("v", 1)))])),
         external=True)
    lists = [node("Many", ["x"], ["y"], attribute("several", tensors=[tensor("one", 2), tensor("", 3), tensor("one", 4)]),
                  attribute("rare", sparse_tensor=sparse("s", 1, 2)),
                  attribute("rares", sparse_tensors=[sparse("s", 3), sparse("t", 4, 5)]), domain="mine"),
             # Twice the same place.
             node("Many", ["y"], ["z"], attribute("several", tensors=[tensor("one", 2)]), name="y", domain="mine")]
    save("lists", model(graph("g", lists)))
    inner = graph("inner", [trees(), node("Constant", [], ["c"], attribute("value", t=tensor("given", 2)))],
                  [tensor("w", 2)], inputs=())
    branches = node("If", ["x"], ["y"], attribute("then_branch", g=inner), attribute("else_branch", g=inner), name="choose")
    several = node("Cases", ["x"], ["z"], attribute("cases", graphs=[inner, inner]), domain="mine")
    save("graphs", model(graph("g", [branches, several], [tensor("w", 2)])), external=True)
    function = helper.make_function("mine", "Scaled", ["x"], ["y"], [
        node("Constant", [], ["c"], attribute("value", t=tensor("in_function", 3))), trees()],
        [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)], attributes=[],
        attribute_protos=[attribute("scale", t=tensor("default_scale", 4)), attribute("offset", t=tensor("", 1))])
    save("functions", model(graph("g", [node("Scaled", ["x"], ["y"], domain="mine")]), functions=[function]))
    trained = model(graph("g", [trees()], [tensor("w", 2)]))
    info = trained.training_info.add()
    info.initialization.CopyFrom(graph("initialization", [trees()], [tensor("start", 2)]))
    info.algorithm.CopyFrom(graph("algorithm", [node("Constant", [], ["rate"], attribute("value", t=tensor("r", 2)))],
                                  [tensor("momentum", 2)]))
    save("training", trained)


def write_keras():
    import h5py
    import keras

    def save(name, built, gigabytes):
        for old in FOLDER.glob(f"keras-sharded-{name}*"):
            old.unlink()
        path = FOLDER / f"keras-sharded-{name}.weights.json"
        built.save_weights(path, max_shard_size=gigabytes)
        rows = []
        for shard in sorted(FOLDER.glob(f"keras-sharded-{name}_*.h5")):
            with h5py.File(shard) as file:
                file.visititems(lambda at, of: rows.append(row(at, of)) if isinstance(of, h5py.Dataset) else None)
        (FOLDER.parent / "manifests" / f"{path.name}.tsv").write_text("".join("\t".join(row) + "\n" for row in sorted(rows)))

    def row(at, of):
        kind = {"f": "F", "i": "I", "u": "U"}[of.dtype.kind] + str(8 * of.dtype.itemsize)
        return at, ",".join(map(str, of.shape)), kind, hashlib.sha256(of[...].tobytes()).hexdigest()

    keras.utils.set_random_seed(15)
    dense = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16), keras.layers.Dense(4)])
    save("dense", dense, 6e-7)
    # The kernel fills a file, so the layer's bias is in the next one.
    split = keras.Sequential([keras.Input((8,)), keras.layers.Dense(32), keras.layers.BatchNormalization()])
    save("split", split, 8 * 32 * 4 / 1024**3)
    save("one", dense, 1)


def write_tensorflow():
    import tensorflow as tf

    def save(name, module, **signatures):
        path = FOLDER / f"savedmodel-{name}"
        shutil.rmtree(path, ignore_errors=True)
        tf.saved_model.save(module, str(path), signatures=signatures or None)
        shutil.rmtree(path / "assets", ignore_errors=True)

    spec = tf.TensorSpec([None, 8], tf.float32)
    kernel, bias = random.standard_normal((8, 4)).astype(np.float32), np.zeros(4, np.float32)

    class Beside(tf.Module):
        """Weights as constants of a function, beside a counter."""

        def __init__(self):
            super().__init__()
            self.step = tf.Variable(7, dtype=tf.int64)

        @tf.function(input_signature=[spec])
        def __call__(self, x):
            return tf.matmul(x, tf.constant(kernel, name="kernel")) + tf.constant(bias, name="bias")

    save("beside", Beside())

    class Nested(Beside):
        """In a function that a function calls; halves, and integers as those of a quantized layer."""

        @tf.function
        def inner(self, x):
            codes = tf.constant(random.integers(-128, 128, (64, 32)).astype(np.int8), name="codes")
            small = tf.constant(random.standard_normal(6).astype(np.float16), name="half")
            return tf.cast(tf.reduce_sum(small), tf.float32) * tf.matmul(x, tf.cast(codes, tf.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32)])
        def __call__(self, x):
            return tf.transpose(self.inner(x), perm=[1, 0])

    save("nested", Nested())

    class Captured(tf.Module):
        """Eager constants that functions capture: constants of the graph itself."""

        def __init__(self):
            super().__init__()
            self.step = tf.Variable(1.5)
            self.kernel, self.table = tf.constant(kernel), tf.constant([1.0, 2.0, 3.0])

        @tf.function(input_signature=[spec])
        def __call__(self, x):
            return tf.matmul(x, self.kernel) * self.step + self.table[0]

    save("captured", Captured())

    class Plain(tf.Module):
        """Variables, and constants that are no weights."""

        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(kernel)

        @tf.function(input_signature=[spec])
        def __call__(self, x):
            return tf.reshape(tf.transpose(tf.matmul(x, self.kernel), perm=[1, 0]), [-1, 2]) * 0.5

    save("plain", Plain())

    class Constants(tf.Module):
        @tf.function(input_signature=[spec])
        def __call__(self, x):
            return tf.matmul(x, tf.constant(kernel)) * 0.5

    save("constants", Constants())


if __name__ == "__main__":
    write_onnx()
    write_keras()
    write_tensorflow()
