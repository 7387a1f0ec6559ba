"""Opening real files of every format and listing their tensors, through SQL and by the official readers, one run.

Neither is to read weights: a reader is asked for what is nearest to that. Prints medians in milliseconds, and the ratio
(reader's time / ours). Ours is a statement's time as psql measures it.

usage: python benches/opening.py MODELS [PYTHON...]     MODELS: a folder the server can read; PYTHON: interpreters that have the readers
"""

import os
import statistics
import subprocess
import sys

ROUNDS = 9
# Format, file, and what its reader does with `path`.
READERS = [
    ("GGUF", "smollm2-135m-q4_1.gguf", "gguf", "[(t.name, t.shape, t.tensor_type) for t in gguf.GGUFReader(path).tensors]"),
    ("safetensors", "minilm-l6-v2.safetensors", "safetensors",
     "(lambda f: [(k, f.get_slice(k).get_shape(), f.get_slice(k).get_dtype()) for k in f.keys()])(safetensors.safe_open(path, 'np'))"),
    ("PyTorch, zip", "sevennet-0.pth", "torch", "torch.load(path, map_location='meta')"),
    ("PyTorch, legacy", "facenet-onet.pt", "torch", "torch.load(path, map_location='meta')"),
    ("TorchScript", "silero-vad.jit", "torch", "torch.jit.load(path, map_location='cpu').state_dict()"),
    ("ONNX", "silero-vad.onnx", "onnx", "[(t.name, t.dims, t.data_type) for t in onnx.load(path, load_external_data=False).graph.initializer]"),
    ("Keras HDF5", "spliceai1.h5", "h5py", "h5py.File(path).visititems(lambda n, o: None if isinstance(o, h5py.Group) else (found.append((n, o.shape, o.dtype)), None)[1])"),
    ("Keras HDF5", "fer-emotion.hdf5", "h5py", "h5py.File(path).visititems(lambda n, o: None if isinstance(o, h5py.Group) else (found.append((n, o.shape, o.dtype)), None)[1])"),
    ("SavedModel", "basic-pitch", "tensorflow", "tensorflow.train.list_variables(path + '/variables/variables')"),
]
TIMED = """
import statistics, sys, time, warnings, os
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
warnings.simplefilter('ignore')
import {module}
path, found, times = sys.argv[1], [], []
for _ in range({rounds} + 1):
    begun = time.perf_counter()
    {expression}
    times.append(time.perf_counter() - begun)
print({module}.__version__ if hasattr({module}, '__version__') else '', 1000 * statistics.median(times[1:]))
"""


def reader(pythons, module, expression, path):
    """Version and milliseconds of the first interpreter that has the reader."""
    script = TIMED.format(module=module, rounds=ROUNDS, expression=expression)
    for python in pythons:
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            done = subprocess.run([python, "-c", script, path], capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{module} fails: {done.stderr.strip().splitlines()[-1][:60]}", None
            *version, ms = done.stdout.split()
            return " ".join([module, *version]), float(ms)
    return f"{module} is not installed", None


def ours(path):
    statement = f"SELECT count(*) FROM atomizer.list_tensors(model_path => '{path}');\n"
    done = subprocess.run([os.environ["PSQL"], "-XqAt", "-v", "ON_ERROR_STOP=1"], input="\\timing on\n" + statement * (ROUNDS + 1),
                          check=True, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.splitlines()
    return lines[0], statistics.median(float(line.split()[1]) for line in lines[3::2])


def size(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names) if os.path.isdir(path) else os.path.getsize(path)


def main():
    models, *pythons = sys.argv[1:]
    subprocess.run([os.environ["PSQL"], "-Xq", "-c", "CREATE EXTENSION IF NOT EXISTS atomizer CASCADE"], check=True, stderr=subprocess.DEVNULL)
    print(f"\n{'opening and listing':<18} {'file':<28} {'MB':>6} {'tensors':>7} {'ours ms':>8} {'reader ms':>10} {'ratio':>6}  reader")
    for kind, name, module, expression in READERS:
        path = os.path.join(models, name)
        if not os.path.exists(path):
            print(f"{kind:<18} {name:<28} is not there")
            continue
        tensors, ms = ours(path)
        version, theirs = reader([sys.executable, *pythons], module, expression, path)
        end = f"{theirs:>10.2f} {theirs / ms:>5.1f}x" if theirs else f"{'':>10} {'':>6}"
        print(f"{kind:<18} {name:<28} {size(path) / 1e6:>6.1f} {tensors:>7} {ms:>8.2f} {end}  {version}", flush=True)


main()
