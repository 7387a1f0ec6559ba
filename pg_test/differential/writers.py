"""Model files of every data type, shape and option of the official writers, into a folder."""

import os

import gguf
import h5py
import ml_dtypes
import numpy as np
import onnx
import safetensors.torch
import torch
from kinds import write_kinds
from onnx import TensorProto, helper

SHAPES = [(), (1,), (3,), (0,), (2, 3), (2, 0, 3), (1, 1, 5), (4, 3, 2), (2, 3, 4, 5), (300, 7)]
random = np.random.default_rng(7)


def numbers(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Any bits, but for booleans."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape))
    return np.frombuffer(random.bytes(count * dtype.itemsize), dtype.newbyteorder("=")).astype(dtype).reshape(shape)


TORCH_TYPES = ["float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
               "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


def any_bits(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    dtype = getattr(torch, name)
    if not (count := int(np.prod(shape))):
        return torch.empty(shape, dtype=dtype)
    size = torch.empty((), dtype=dtype).element_size()
    raw = random.integers(0, 2 if name == "bool" else 256, count * size, dtype=np.uint8)
    return torch.from_numpy(raw).view(dtype).reshape(shape)


def write_torch(folder: str) -> None:
    files = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}, "protocol3": {"pickle_protocol": 3}, "protocol4": {"pickle_protocol": 4},
             "protocol5": {"pickle_protocol": 5}, "legacy4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4}}
    for name in TORCH_TYPES:
        dtype = getattr(torch, name)

        def whole(shape: tuple[int, ...], name=name) -> torch.Tensor:
            return any_bits(name, shape)

        state: dict = {"whole": {str(number): whole(shape) for number, shape in enumerate(SHAPES)}}
        base = whole((6, 8, 4))
        state["views"] = {"transposed": base.transpose(0, 2), "part": base[1:4, ::2], "one": base[2, 3], "row": base[5], "shared": base,
                          "expanded": whole((1, 5)).expand(3, 5), "permuted": base.permute(2, 0, 1)[:, 1:], "strided": base.as_strided((3, 2), (5, 7), 11)}
        state["list"] = [whole((2,)), (whole((3,)), {"deep": whole((1, 2))})]
        state[7] = whole((2, 2))
        if dtype.is_complex:
            state["conj"] = {"plain": base.conj(), "adjoint": whole((3, 5)).adjoint(), "neg": whole((4,)).conj().imag, "real": whole((4,)).real}
        if dtype.is_floating_point and dtype.itemsize >= 2:
            state["parameter"] = torch.nn.Parameter(whole((3, 3)))
            state["grad"] = whole((3,)).requires_grad_()
        for option, arguments in files.items():
            torch.save(state, f"{folder}/torch-{name}-{option}.pt", **arguments)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    for option, arguments in files.items():
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, f"{folder}/torch-checkpoint-{option}.pt", **arguments)
        torch.save(model, f"{folder}/torch-module-{option}.pt", **arguments)
        sparse = torch.sparse_coo_tensor([[0, 2], [1, 0]], [1.5, -2.0], (3, 3))
        quantized = torch.quantize_per_tensor(torch.randn(4, 4), 0.1, 3, torch.quint8)
        torch.save({"sparse": sparse, "quantized": quantized}, f"{folder}/torch-kinds-{option}.pt", **arguments)
    torch.jit.script(model).save(f"{folder}/torch-script.jit")


def write_safetensors(folder: str) -> None:
    for name in TORCH_TYPES:
        if name == "complex128":  # the format has none
            continue
        tensors = {f"tensor.{number}": any_bits(name, shape) for number, shape in enumerate(SHAPES)}
        safetensors.torch.save_file(tensors, f"{folder}/safetensors-{name}.safetensors", {"format": "pt"})


def write_gguf(folder: str) -> None:
    for kind in gguf.GGMLQuantizationType:
        _, size = gguf.GGML_QUANT_SIZES[kind]
        if kind.name == "Q8_1":  # 40 bytes in the package, 36 in ggml
            continue
        for alignment in (32, 128):
            writer = gguf.GGUFWriter(f"{folder}/gguf-{kind.name}-{alignment}.gguf", "llama")
            if alignment != 32:
                writer.add_custom_alignment(alignment)
            writer.add_array("words", ["one", "two", "three"])
            for number, rows in enumerate([(), (1,), (3,), (2, 3), (2, 3, 2)]):
                raw = random.integers(0, 256, (*rows, 2 * size), dtype=np.uint8)
                writer.add_tensor(f"blk.{number}.weight", raw, raw_dtype=kind)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()


def write_numpy(folder: str) -> None:
    kinds = ["f2", "f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
    for kind in kinds:
        for byte_order in "<>":
            dtype = np.dtype(byte_order + kind)
            arrays = {f"array{number}": numbers(dtype, shape) for number, shape in enumerate(SHAPES)}
            arrays |= {f"fortran{number}": np.asfortranarray(array) for number, array in enumerate(arrays.values())}
            label = f"{folder}/numpy-{kind.replace('?', 'bool')}-{'little' if byte_order == '<' else 'big'}"
            np.savez(f"{label}.npz", **arrays)
            np.savez_compressed(f"{label}-compressed.npz", **arrays)
            for version in [(1, 0), (2, 0), (3, 0)]:
                for name, array in arrays.items():
                    with open(f"{label}-{version[0]}-{name}.npy", "wb") as file:
                        np.lib.format.write_array(file, array, version)


def write_hdf5(folder: str) -> None:
    kinds = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
    options = {
        "plain": {}, "chunked": {"chunks": True}, "gzip": {"compression": "gzip"}, "shuffled": {"compression": "gzip", "shuffle": True},
        "fletcher": {"chunks": True, "fletcher32": True}, "lzf": {"compression": "lzf"}, "growing": {"chunks": True, "maxshape": None},
    }
    for library in ("earliest", "v108", "latest"):
        for option, arguments in options.items():
            with h5py.File(f"{folder}/hdf5-{library}-{option}.h5", "w", libver=library, track_order=option == "growing") as file:
                for kind in kinds:
                    for order in "<>":
                        group = file.create_group(f"{kind.replace('?', 'bool')}{'little' if order == '<' else 'big'}/deep")
                        for number, shape in enumerate(SHAPES):
                            given = {} if shape == () or 0 in shape else dict(arguments)
                            if "maxshape" in given:
                                given["maxshape"] = (None,) * len(shape)
                            data = numbers(np.dtype(order + kind), shape)
                            group.create_dataset(f"d{number}", data=data, **given)
                file.attrs["note"] = "made for a test"


def write_onnx(folder: str) -> None:
    types = {TensorProto.FLOAT: "f4", TensorProto.DOUBLE: "f8", TensorProto.FLOAT16: "f2", TensorProto.INT8: "i1", TensorProto.INT16: "i2",
             TensorProto.INT32: "i4", TensorProto.INT64: "i8", TensorProto.UINT8: "u1", TensorProto.UINT16: "u2", TensorProto.UINT32: "u4",
             TensorProto.UINT64: "u8", TensorProto.BOOL: "?", TensorProto.COMPLEX64: "c8", TensorProto.COMPLEX128: "c16",
             TensorProto.BFLOAT16: ml_dtypes.bfloat16, TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn, TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2,
             TensorProto.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz, TensorProto.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz}
    for way in ("raw", "typed", "external"):
        tensors = []
        for number, kind in types.items():
            for index, shape in enumerate(SHAPES):
                array = numbers(kind, shape)
                name = f"{TensorProto.DataType.Name(number)}.{index}"
                if way == "typed":
                    if array.dtype.kind in "fc" and array.dtype.itemsize >= 4:
                        array = np.nan_to_num(array)  # Python's floats lose the payload of a NaN
                    wide = array.dtype.isbuiltin == 2 or array.dtype == np.float16
                    values = array.view(np.uint8 if array.dtype.itemsize == 1 else np.uint16) if wide else array
                    proto = TensorProto(name=name, data_type=number, dims=shape)
                    if values.dtype.kind == "c":
                        values = values.reshape(-1).view(values.real.dtype)
                    field = {"f4": "float_data", "f8": "double_data", "i8": "int64_data", "u8": "uint64_data", "u4": "uint64_data"}.get(
                        values.dtype.str[1:], "int32_data")
                    getattr(proto, field).extend(np.asarray(values, int).reshape(-1).tolist() if values.dtype == bool else values.reshape(-1).tolist())
                else:
                    proto = helper.make_tensor(name, number, shape, array.tobytes(), raw=True)
                tensors.append(proto)
        half = len(tensors) // 2
        inner = helper.make_graph([helper.make_node("Identity", ["inner"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", 1, None)],
                                  [helper.make_tensor("inner", 1, (2,), [1.0, 2.0])])
        nodes = [helper.make_node("Constant", [], [proto.name], value=proto) for proto in tensors[half:]]
        nodes.append(helper.make_node("If", ["BOOL.1"], ["y"], name="branch", then_branch=inner, else_branch=inner))
        graph = helper.make_graph(nodes, "graph", [], [helper.make_tensor_value_info("y", 1, None)], tensors[:half])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        path = f"{folder}/onnx-{way}.onnx"
        if way == "external":
            many = onnx.ModelProto.FromString(model.SerializeToString())  # saving changes what is saved
            onnx.save_model(model, path, save_as_external_data=True, location="onnx-external.data", size_threshold=0, convert_attribute=True)
            os.makedirs(f"{folder}/onnx-many", exist_ok=True)
            onnx.save_model(many, f"{folder}/onnx-many/model.onnx", save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=16)
        else:
            onnx.save_model(model, path)


def write_tensorflow(folder: str) -> None:
    import keras
    import tensorflow as tf

    variables = {}
    for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16", ml_dtypes.bfloat16):
        for number, shape in enumerate(SHAPES):
            array = numbers(kind, shape)
            variables[f"{array.dtype.name}_{number}"] = tf.Variable(array)
    tf.train.Checkpoint(**variables).write(f"{folder}/tensorflow-object")
    with tf.Graph().as_default():
        partitioned = tf.compat.v1.get_variable("partitioned", initializer=tf.random.normal((12, 5)), partitioner=tf.compat.v1.fixed_size_partitioner(3))
        named = [tf.compat.v1.get_variable(f"scope/v{number}", initializer=tf.random.normal(shape)) for number, shape in enumerate(SHAPES)]
        saver = tf.compat.v1.train.Saver([*partitioned, *named])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            saver.save(session, f"{folder}/tensorflow-v1", write_meta_graph=False)

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.Flatten(),
                              keras.layers.Dense(5), keras.layers.Reshape((5, 1)), keras.layers.LSTM(3)])
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 3)), verbose=0)
    model.save(f"{folder}/keras-whole.keras")
    model.save(f"{folder}/keras-legacy.h5")
    model.save_weights(f"{folder}/keras-only.weights.h5")
    model.export(f"{folder}/keras-exported", verbose=False)


def write_all(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    for write in (write_torch, write_safetensors, write_gguf, write_numpy, write_hdf5, write_onnx, write_tensorflow, write_kinds):
        print(f"{write.__name__.removeprefix('write_')}: writing", flush=True)
        write(folder)
