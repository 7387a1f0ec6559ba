"""Writes the small files of ONNX and TensorFlow in testdata/models (or in FOLDER) with the official writers:
onnx==1.23.2, tensorflow-cpu==2.21.0. Their manifests come from manifests_graphs.py:

    python testdata/generate/graphs.py [FOLDER]
    cd testdata/models && python ../generate/manifests_graphs.py \\
        small-all.onnx=small-all.onnx small-external.onnx=small-external.onnx small-all.pb=small-all.pb \\
        small-partitioned=small-partitioned.index small-keras.index=small-keras.index"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import ml_dtypes
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "models"
random = np.random.default_rng(7)


def typed(name, data_type, shape, values):
    return helper.make_tensor(name, data_type, shape, values)


def onnx_tensors():
    """Every data type, in its typed field and raw, odd numbers of elements included."""
    integers = {
        TensorProto.UINT8: [0, 1, 127, 128, 255], TensorProto.INT8: [-128, -1, 0, 1, 127],
        TensorProto.UINT16: [0, 1, 300, 65535], TensorProto.INT16: [-32768, -1, 0, 32767],
        TensorProto.INT32: [-(2**31), -1, 0, 2**31 - 1], TensorProto.INT64: [-(2**63), -1, 0, 2**63 - 1],
        TensorProto.UINT32: [0, 1, 2**32 - 1], TensorProto.UINT64: [0, 1, 2**64 - 1],
        TensorProto.BOOL: [True, False, True],
        TensorProto.UINT4: [0, 7, 15, 9, 3], TensorProto.INT4: [-8, -1, 0, 7, 3],
        TensorProto.UINT2: [0, 1, 2, 3, 3], TensorProto.INT2: [-2, -1, 0, 1, 1],
    }
    floats = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN,
              TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ, TensorProto.FLOAT8E8M0,
              TensorProto.FLOAT4E2M1]
    for data_type, values in integers.items():
        yield typed(f"typed.{TensorProto.DataType.Name(data_type)}", data_type, [len(values)], values)
    for data_type in floats:
        yield typed(f"typed.{TensorProto.DataType.Name(data_type)}", data_type, [5], [0.5, 1.0, 2.0, 0.25, 4.0])
    yield typed("typed.COMPLEX64", TensorProto.COMPLEX64, [2], [1 + 2j, -3.5j])
    yield typed("typed.COMPLEX128", TensorProto.COMPLEX128, [2], [1 + 2j, -3.5j])
    yield typed("texts", TensorProto.STRING, [2], [b"a", b"b"])
    for dtype in [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int8, np.int64, np.uint16, np.bool_, np.complex64,
                  ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e8m0fnu, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float4_e2m1fn,
                  ml_dtypes.uint2]:
        yield numpy_helper.from_array(np.array([[0, 1, 1], [0, 0, 1]]).astype(dtype), f"raw.{np.dtype(dtype).name}")
    yield typed("scalar", TensorProto.FLOAT, [], [2.5])
    yield typed("empty", TensorProto.INT64, [0, 3], [])


def small_all():
    def constant(name, **value):
        return helper.make_node("Constant", [], [name], name=f"node_{name}", **value)

    def sparse(name):
        return helper.make_sparse_tensor(typed(name, TensorProto.FLOAT, [2], [1.5, 2.5]),
                                         typed(name + "_places", TensorProto.INT64, [2], [1, 7]), [3, 3])

    def branch(value):
        weight = numpy_helper.from_array(np.full([2], value, np.float32), "w")
        inner = helper.make_graph([constant("deep", value_float=value * 2)], "inner", [],
                                  [helper.make_tensor_value_info("deep", TensorProto.FLOAT, [])])
        nested = helper.make_node("If", ["c"], ["n"], then_branch=inner, else_branch=inner)
        return helper.make_graph([nested, helper.make_node("Identity", ["w"], ["out"])], "branch", [],
                                 [helper.make_tensor_value_info("out", TensorProto.FLOAT, [2])], [weight])

    nodes = [
        constant("c_value", value=typed("ignored", TensorProto.INT64, [3], [1, 300, -1])),
        constant("c_float", value_float=1.25), constant("c_floats", value_floats=[1.0, -2.0, 3.5]),
        constant("c_int", value_int=-77), constant("c_ints", value_ints=[1, 1000, -5]),
        constant("c_text", value_string="x"), constant("c_texts", value_strings=["x", "y"]),
        constant("c_sparse", sparse_value=sparse("")),
        constant("c", value=typed("", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["c"], ["if_out"], name="choice", then_branch=branch(1.0), else_branch=branch(2.0)),
        helper.make_node("If", ["c"], ["if_out2"], then_branch=branch(3.0), else_branch=branch(4.0)),
        helper.make_node("twice", ["if_out"], ["y"], domain="local"),
    ]
    function = helper.make_function("local", "twice", ["x"], ["z"], [constant("two", value_float=2.0),
                                    helper.make_node("Mul", ["x", "two"], ["z"])], [helper.make_opsetid("", 21)])
    graph = helper.make_graph(nodes, "all", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
                              list(onnx_tensors()), sparse_initializer=[sparse("s")])
    model = helper.make_model(graph, functions=[function], producer_name="make_graphs",
                              opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("local", 1)])
    onnx.helper.set_model_props(model, {"author": "nobody", "grüße": "\0"})
    onnx.save(model, folder / "small-all.onnx")


def small_external():
    weights = [numpy_helper.from_array(random.normal(size=[4, 8]).astype(np.float32), f"w{no}") for no in range(3)]
    inline = numpy_helper.from_array(np.arange(3, dtype=np.int64), "inline")
    graph = helper.make_graph([], "external", [], [], [*weights, inline])
    model = helper.make_model(graph)
    for no, weight in enumerate(list(model.graph.initializer)[:3]):
        onnx.external_data_helper.set_external_data(weight, f"small-external/part{no % 2}.bin")
    (folder / "small-external").mkdir(exist_ok=True)
    for part in (folder / "small-external").iterdir():
        part.unlink()
    onnx.save_model(model, folder / "small-external.onnx")
    # Two tensors over the same bytes: tied weights.
    tied = onnx.load(folder / "small-external.onnx", load_external_data=False)
    copy = tied.graph.initializer.add()
    copy.CopyFrom(tied.graph.initializer[0])
    copy.name = "tied"
    onnx.save_model(tied, folder / "small-external.onnx")


def small_graph():
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 2000

    def const(name, tensor):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(tensor)

    for dtype in [tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.uint32,
                  tf.int64, tf.uint64, tf.bool, tf.complex64, tf.complex128, tf.dtypes.experimental.float8_e4m3fn,
                  tf.dtypes.experimental.float8_e5m2, tf.dtypes.experimental.int4, tf.dtypes.experimental.uint4]:
        values = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype.as_numpy_dtype)
        content = tf.compat.v1.make_tensor_proto(values)
        const(f"content/{dtype.name}", content)
        # One value for all, and the first values only: the last is repeated.
        splat = tf.compat.v1.make_tensor_proto(np.ones([], dtype.as_numpy_dtype))
        del splat.tensor_shape.dim[:]
        for extent in (3, 4):
            splat.tensor_shape.dim.add(size=extent)
        const(f"splat/{dtype.name}", splat)
    for name, field, values, dtype in [("float", "float_val", [1.5, -2.5, 3.0], tf.float32),
                                       ("half", "half_val", [15360, 16384], tf.float16),
                                       ("int", "int_val", [-1, 300, 7], tf.int32), ("int64", "int64_val", [-1, 2**40], tf.int64),
                                       ("complex", "scomplex_val", [1.0, 2.0, 3.0, 4.0], tf.complex64),
                                       ("bool", "bool_val", [True, False], tf.bool)]:
        for count in (len(values), 5):
            tensor = tf.compat.v1.make_tensor_proto(np.zeros([], dtype.as_numpy_dtype))
            for old in ("float_val", "half_val", "int_val", "int64_val", "scomplex_val", "bool_val", "tensor_content"):
                tensor.ClearField(old)
            tensor.tensor_shape.dim.add(size=count if dtype != tf.complex64 or count == 5 else count // 2)
            getattr(tensor, field).extend(values)
            const(f"partial/{name}{count}", tensor)
    nothing = tf.compat.v1.make_tensor_proto(np.zeros([], np.float32))
    nothing.ClearField("float_val")
    nothing.tensor_shape.dim.add(size=4)
    const("partial/nothing", nothing)
    const("empty", tf.compat.v1.make_tensor_proto(np.zeros([0, 3], np.float32)))
    const("texts", tf.compat.v1.make_tensor_proto(["a", "b"]))
    function = graph.library.function.add()
    function.signature.name = "body"
    node = function.node_def.add(name="weight", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.compat.v1.make_tensor_proto(np.arange(6, dtype=np.float32).reshape(2, 3)))
    (folder / "small-all.pb").write_bytes(graph.SerializeToString(deterministic=True))


def small_checkpoints():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        def variable(name, shape, partitions, axis):
            partitioner = lambda shape, dtype: [partitions if at == axis else 1 for at in range(len(shape))]  # noqa: E731
            v1.get_variable(name, initializer=lambda shape, dtype, partition_info: tf.reshape(
                tf.range(np.prod(shape), dtype=tf.float32) + float(sum(partition_info.var_offset)) * 100, shape),
                shape=shape, partitioner=partitioner, use_resource=False)
        variable("rows", [6, 2], 3, 0)
        variable("columns", [2, 7], 3, 1)
        v1.get_variable("whole", initializer=np.arange(3, dtype=np.int64))
        v1.get_variable("texts", initializer=np.array(["a", "b"]))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "small-partitioned"), write_meta_graph=False, write_state=False)
    model = tf.keras.Sequential([tf.keras.layers.Input([4]),
                                 tf.keras.layers.Dense(3, name="first"), tf.keras.layers.BatchNormalization()])
    tf.train.Checkpoint(model=model).write(str(folder / "small-keras"))


small_all()
small_external()
small_graph()
small_checkpoints()
