"""Writes one F16 tensor in four formats, each with the format's official writer: testdata/models/same.*

Writers: torch 1.13.1 (Debian's python3-torch), safetensors 0.8.0, onnx 1.19.0, gguf 0.19.0, numpy 1.26.4:

    /usr/bin/python3 -m venv --system-site-packages V && V/bin/pip install safetensors==0.8.0 onnx==1.19.0 \\
        gguf==0.19.0 numpy==1.26.4
    V/bin/python testdata/generate/same_tensor.py
"""

from pathlib import Path

import gguf
import numpy as np
import onnx
import safetensors.numpy
import torch
from onnx import helper, numpy_helper

FOLDER = Path(__file__).parent.parent / "models"
NAME = "blk.0.ffn_down.weight"

weights = np.random.default_rng(4).normal(0, 0.1, (48, 32)).astype("<f2")

torch.save({NAME: torch.from_numpy(weights.copy())}, FOLDER / "same.pt")
safetensors.numpy.save_file({NAME: weights}, FOLDER / "same.safetensors")
graph = helper.make_graph([], "same", [], [], initializer=[numpy_helper.from_array(weights, NAME)])
onnx.save(helper.make_model(graph), FOLDER / "same.onnx")
writer = gguf.GGUFWriter(str(FOLDER / "same.gguf"), "llama")
writer.add_tensor(NAME, weights)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
