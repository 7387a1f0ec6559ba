#!/usr/bin/env python3
# What picklescan, modelscan or fickling call dangerous is never safe here: on mutations of payloads, in containers of every kind.
# needs: python
"""Payloads are names that the three programs know as dangerous, written in every way that a pickle has, and put wherever Python
would find them. None is ever loaded here. Prints the table of docs/safety.md."""

import os
import subprocess
import sys

if "ATOMIZER_SCANNERS" not in os.environ:
    made = subprocess.run([os.path.join(os.environ["ATOMIZER_ROOT"], "tools", "python-env"), "scanners"], check=False, stdout=subprocess.PIPE, text=True)
    if made.returncode:
        print("the scanners can't be had")
        sys.exit(77)
    python = made.stdout.strip()
    os.execve(python, [python, *sys.argv], os.environ | {"ATOMIZER_SCANNERS": "1", "PYTHONWARNINGS": "ignore"})

import gzip
import io
import itertools
import json
import logging
import pickle
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
from fickling.analysis import Severity, check_safety
from fickling.fickle import StackedPickle
from modelscan.modelscan import ModelScan
from modelscan.settings import DEFAULT_SETTINGS
from picklescan.scanner import SafetyLevel, _unsafe_globals, scan_file_path

logging.disable(logging.CRITICAL)

failures = 0
LEVELS = {"safe": 0, "suspicious": 1, "dangerous": 2}


def check(what: str, actual: object, expected: object) -> None:
    global failures
    if actual == expected:
        print(f"ok      {what}: {str(actual)[:100]}")
    else:
        failures += 1
        print(f"FAILED  {what}: {str(actual)[:2000]!r} instead of {str(expected)[:300]!r}")


# Names

ANY = {"os": ["system", "popen"], "subprocess": ["Popen", "check_output"], "sys": ["exit"], "socket": ["create_connection"]}


def listed_globals() -> list[tuple[str, str]]:
    """Every global that picklescan or modelscan has on its list; of whole modules, some name."""
    names = []
    of_modelscan = {module: found for level in DEFAULT_SETTINGS["unsafe_globals"].values() for module, found in level.items()}
    for listed in (_unsafe_globals, of_modelscan):
        for module, found in listed.items():
            if found == "*":
                found = ANY.get(module, ["run", "anything"])
            names += [(module, name) for name in ([found] if isinstance(found, str) else sorted(found))]
    return sorted(set(names))


# Pickles, opcode by opcode

def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


ARGUMENT = b"X\x04\0\0\0true\x85R."


def spellings(module: str, name: str) -> dict[str, bytes]:
    """A call of a global, in every protocol's ways."""
    m, n = module.encode(), name.encode()
    line = b"c" + m + b"\n" + n + b"\n"
    stack = short(module) + b"\x94" + short(name) + b"\x94\x93\x94"
    named = {
        "protocol 0, GLOBAL": line + b"(S'true'\ntR.",
        "protocol 0, GLOBAL and memo": line + b"p0\n(Vtrue\np1\ntp2\nRp3\n.",
        "protocol 0, INST": b"(S'true'\ni" + m + b"\n" + n + b"\n.",
        "protocol 1, OBJ": b"(" + line + b"U\x04trueo.",
        "protocol 2, GLOBAL": b"\x80\x02" + line + ARGUMENT,
        "protocol 2, NEWOBJ": b"\x80\x02" + line + b"X\x04\0\0\0true\x85\x81.",
        "protocol 3, BUILD": b"\x80\x03" + line + b")R}X\x01\0\0\0aK\x01sb.",
        "protocol 4, STACK_GLOBAL": b"\x80\x04" + stack + ARGUMENT,
        "protocol 4, frame": b"\x80\x04\x95" + struct.pack("<Q", len(stack + ARGUMENT)) + stack + ARGUMENT,
        "protocol 4, NEWOBJ_EX": b"\x80\x04" + stack + b"X\x04\0\0\0true\x85}\x92.",
        "protocol 5, STACK_GLOBAL": b"\x80\x05" + stack + ARGUMENT,
        "only imported": b"\x80\x02" + line + b".",
        "texts of BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", len(m)) + m + b"\x8d" + struct.pack("<Q", len(n)) + n + b"\x93" + ARGUMENT,
        "texts of STRING": b"\x80\x04S'" + m + b"'\nS'" + n + b"'\n\x93" + ARGUMENT,
        "texts of UNICODE with escapes": b"\x80\x04V" + "".join(f"\\u{ord(c):04x}" for c in module).encode() + b"\nV" + n + b"\n\x93" + ARGUMENT,
        "texts of SHORT_BINSTRING": b"\x80\x04U" + bytes([len(m)]) + m + b"U" + bytes([len(n)]) + n + b"\x93" + ARGUMENT,
        "memo, BINGET": b"\x80\x04" + short(module) + b"q\x000" + short(name) + b"q\x010h\0h\x01\x93" + ARGUMENT,
        "memo, far numbers": b"\x80\x04" + text(module) + b"r\xff\xff\xff\x7f0" + text(name) + b"p1234567\n0j\xff\xff\xff\x7fg1234567\n\x93" + ARGUMENT,
        "memo, overwritten": b"\x80\x04" + short("collections") + b"\x94" + short("OrderedDict") + b"\x940" + short(module) + b"q\0" + short(name) + b"q\x0100" + b"h\0h\x01\x93" + ARGUMENT,
        "memo, MEMOIZE behind PUT": b"\x80\x04" + short(module) + b"q\x070" + short(name) + b"\x940h\x07h\x01\x93" + ARGUMENT,
        "DUP and POP between": b"\x80\x04" + short(module) + b"20" + short(name) + b"20\x93" + ARGUMENT,
        "MARK and POP_MARK between": b"\x80\x04" + short(module) + b"(N1" + short(name) + b"(K\x011\x93" + ARGUMENT,
        "computed by encode": b"\x80\x04c_codecs\nencode\n" + text(module) + b"\x85R" + text(name) + b"\x93" + ARGUMENT,
        "computed by join": b"\x80\x04" + short(module[:1]) + b"0cbuiltins\nstr.join\nX\0\0\0\0](" + text(module) + b"e\x86R" + text(name) + b"\x93" + ARGUMENT,
        "thrown away": b"\x80\x02" + line + b"X\x04\0\0\0true\x85R0}.",
        "in a list": b"\x80\x02](K\x01" + line + b"X\x04\0\0\0true\x85Re.",
        "behind an empty stack": b"\x80\x02" + b"0" + line + ARGUMENT,
        "without STOP": (b"\x80\x02" + line + ARGUMENT)[:-1],
        "behind it no opcode": (b"\x80\x02" + line + ARGUMENT)[:-1] + b"\xff\xff",
        "PROTO in the midst": b"\x80\x02}\x80\x04" + b"0" + line + ARGUMENT,
        "PROTO of no protocol": b"\x80\xff" + line + ARGUMENT,
        "stacked": b"\x80\x02}." + b"\x80\x02" + line + ARGUMENT,
        "stacked, protocol 0": b"\x80\x02}.(lp0\n." + line + b"(S'true'\ntR.",
        "stacked behind data": b"\x80\x02}." + bytes(range(1, 200)) + b"\x80\x04" + stack + ARGUMENT,
    }
    inner = b"\x80\x02" + line + ARGUMENT
    named["a pickle in a pickle"] = b"\x80\x03cpickle\nloads\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R."
    named["getattr of an import"] = b"\x80\x02c__builtin__\ngetattr\nc__builtin__\n__import__\nX" + struct.pack("<I", len(m)) + m + b"\x85R" + text(name) + b"\x86R" + ARGUMENT
    return named


def oddities() -> dict[str, bytes]:
    """Pickles that are suspicious by how they are made."""
    return {
        "extension code 1": b"\x80\x02\x82\x01)R.",
        "extension code 2": b"\x80\x02\x83\x01\x01)R.",
        "extension code 4": b"\x80\x02\x84\x01\0\1\0)R.",
        "an extension is registered": b"\x80\x02ccopyreg\nadd_extension\nX\2\0\0\0osX\6\0\0\0systemK\x07\x87R0\x82\x07" + ARGUMENT,
        "laughs": b"\x80\x04]\x94" + b"".join(b"]\x94(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(20)) + b"h\0" * 2000 + b"l.",
        "duplicates": b"\x80\x02]" + b"2" * 500 + b".",
        "PROTO twice": b"\x80\x02\x80\x02}.",
        "hidden names": b"\x80\x04" + short("collections") + short("OrderedDict") + b"N0\x93)R.",
        "itself": b"\x80\x02}q\0h\0X\1\0\0\0as.",
    }


# Files around pickles

def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


GOOD = b"\x80\x02}q\0X\x01\0\0\0aK\x01s."


def torch_zip(content: bytes, **options: int) -> bytes:
    return zip_of(("m/data.pkl", content), ("m/version", b"3\n"), ("m/data/0", bytes(64)), **options)


def legacy(content: bytes) -> bytes:
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps(sizes, 2)]
    return b"".join(head) + content + pickle.dumps([], 2)


def tar_of(*members: tuple[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def npy(descr: str, content: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + content


def patched(archive: bytes, mark: bytes, offset: int, value: bytes, last: bool = False) -> bytes:
    at = (archive.rindex(mark) if last else archive.index(mark)) + offset
    return archive[:at] + value + archive[at + len(value):]


def containers(content: bytes) -> dict[str, tuple[str, bytes]]:
    """The kinds of files that hold a pickle, with their suffixes."""
    whole = torch_zip(content)
    central = b"PK\x01\x02"
    local = b"PK\x03\x04"
    return {
        "a bare pickle": (".pkl", content),
        "a bare pickle named .pt": (".pt", content),
        "torch archive": (".pt", whole),
        "torch archive, deflated": (".pt", torch_zip(content, method=zipfile.ZIP_DEFLATED)),
        "torch archive, bzip2": (".pt", torch_zip(content, method=zipfile.ZIP_BZIP2)),
        "torch archive, lzma": (".pt", torch_zip(content, method=zipfile.ZIP_LZMA)),
        "torch archive, wrong CRC": (".pt", patched(patched(whole, central, 16, b"\1\2\3\4"), local, 14, b"\1\2\3\4")),
        "torch archive, CRC 0": (".pt", patched(patched(whole, central, 16, bytes(4)), local, 14, bytes(4))),
        "torch archive, flag of encryption": (".pt", patched(whole, central, 8, b"\1\0")),
        "torch archive, other flags": (".pt", patched(patched(whole, central, 8, b"\x60\0"), local, 6, b"\x60\0")),
        "torch archive, own header of another name": (".pt", patched(whole, local, 30, b"x/")),
        "torch archive, own header of another method": (".pt", patched(whole, local, 8, b"\x08\0")),
        "torch archive, payload named .txt": (".pt", zip_of(("m/data.pkl", GOOD), ("m/readme.txt", content))),
        "torch archive, entry twice": (".pt", zip_of(("m/data.pkl", GOOD), ("m/data.pkl", content))),
        "zip in zip": (".zip", zip_of(("inner.zip", zip_of(("data.pkl", content))))),
        "zip in zip, no suffix": (".zip", zip_of(("inner", zip_of(("data", content), method=zipfile.ZIP_DEFLATED)))),
        "archive behind a text": (".zip", b"#!/bin/sh\nexit 0\n" + whole),
        "pickle before an archive": (".pt", content + zip_of(("a.txt", b"x"))),
        "legacy torch": (".pt", legacy(content)),
        "legacy torch, stacked": (".pt", legacy(GOOD) + content),
        "tar": (".tar", tar_of(("pickle", content), ("storages", GOOD))),
        "tar named .pth": (".pth", tar_of(("sys_info", GOOD), ("tensors", content))),
        "tar, compressed": (".tar.gz", tar_of(("model/x.bin", content), mode="w:gz")),
        ".mar": (".mar", zip_of(("MAR-INF/MANIFEST.json", b"{}"), ("model.pt", whole))),
        "npy, |O": (".npy", npy("'|O'", content)),
        "npy, O": (".npy", npy("'O'", content)),
        "npy, object": (".npy", npy("'object'", content)),
        "npy, record": (".npy", npy("[('a', '<f4'), ('b', [('c', '|O8')])]", content)),
        "npy, sub-array": (".npy", npy("[('a', 'O', (2,))]", content)),
        "npy, comma": (".npy", npy("'i4,O'", content)),
        "npz": (".npz", zip_of(("a.npy", npy("'|O'", content)))),
        "npz, member without suffix": (".npz", zip_of(("a", npy("'|O'", content)))),
        "gzip": (".pkl", gzip.compress(content)),
        "zlib": (".pkl", zlib.compress(content)),
        "before HDF5": (".h5", content + bytes(-len(content) % 512) + b"\x89HDF\r\n\x1a\n" + bytes(64)),
        "before the magic of a TensorFlow table": (".index", content + bytes(40) + struct.pack("<Q", 0xDB4775248B80FB57)),
        "like safetensors": (".safetensors", b"\x80\x02N0N0N0" + content),
        "like GGUF": (".gguf", b"GGUF\x03\0\0\0\x000" + content),
        "zeros behind it": (".pkl", content + bytes(100)),
    }


# Code without a pickle

def keras_config(layer: dict) -> str:
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}})


LAMBDA = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None], "function_type": "lambda"}}
LAMBDA3 = {"module": "keras.layers", "class_name": "Lambda", "registered_name": None,
           "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}}}


def h5(config: str) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["model_config"] = config
        file["w"] = np.zeros(3, np.float32)
    return out.getvalue()


def others() -> dict[str, tuple[str, bytes]]:
    return {
        "Keras h5, Lambda": (".h5", h5(keras_config(LAMBDA))),
        "Keras archive, Lambda": (".keras", zip_of(("config.json", keras_config(LAMBDA3).encode()), ("metadata.json", b"{}"), ("model.weights.h5", b""))),
        "Keras archive, os.system": (".keras", zip_of(("config.json", keras_config({"module": "os", "class_name": "system", "config": {}}).encode()), ("metadata.json", b"{}"))),
        "7-Zip": (".7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(64)),
    }


# The scanners

def of_picklescan(path: Path) -> int:
    try:
        found = scan_file_path(str(path))
    except Exception:
        return 0
    return 2 if any(one.safety == SafetyLevel.Dangerous for one in found.globals) else 0


def of_modelscan(path: Path) -> int:
    try:
        found = ModelScan().scan(path)
    except BaseException:
        return 0
    return 2 if found["issues"] else 0


def of_fickling(path: Path) -> int:
    try:
        with path.open("rb") as file:
            stack = StackedPickle.load(file)
        worst = max((check_safety(one).severity for one in stack), default=Severity.LIKELY_SAFE)
    except BaseException:
        return 0
    return 2 if worst >= Severity.LIKELY_UNSAFE else 0


SCANNERS = {"picklescan": of_picklescan, "modelscan": of_modelscan, "fickling": of_fickling}


def of_atomizer(paths: list[Path]) -> list[str]:
    # The folder's own configurations do not count: each file is alone in what it is.
    statement = ("SELECT (SELECT verdict FROM atomizer.model_safety_report(model_path => p) LIMIT 1) "
                 "FROM unnest(string_to_array(:'paths', E'\\n')) WITH ORDINALITY AS u(p, i) ORDER BY i;\n")
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "paths=" + "\n".join(map(str, paths))]
    done = subprocess.run(command, input=statement, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("psql failed")
    return done.stdout.split()


def published() -> list[tuple[str, str, bytes]]:
    """The scanners' own test inputs, which no package holds, where SCANNER_INPUTS says that there are: a folder for
    each scanner, with whatever is in its repository's tests. And the files that users reported, where there are."""
    roots = [Path(os.environ["SCANNER_INPUTS"], name) for name in SCANNERS] if "SCANNER_INPUTS" in os.environ else []
    reports = Path(os.environ["ATOMIZER_ROOT"], "..", "shared", "reports")
    cases = []
    for root in [*roots, reports]:
        for path in sorted(root.rglob("*")) if root.is_dir() else []:
            if path.is_file() and path.suffix not in (".py", ".md") and path.name != "cases.json":
                whose = "users' reports" if root is reports else f"inputs of {root.name}"
                cases.append((whose, path.suffix, path.read_bytes()))
    return cases


def main() -> None:
    names = listed_globals()
    check("names that scanners call dangerous", len(names) > 100, True)
    cases: list[tuple[str, str, bytes]] = []
    for kind, content in oddities().items():
        cases.append((kind, ".pkl", content))
    # Every name once, every spelling and every container many times: with names in turn.
    turn = itertools.cycle(names)
    for name in names:
        cases.append(("names of the lists", ".pkl", spellings(*name)["protocol 4, STACK_GLOBAL"]))
    every = list(spellings("os", "system"))
    for kind in every:
        for _ in range(4):
            cases.append((kind, ".pkl", spellings(*next(turn))[kind]))
    for container in containers(b""):
        for kind in every[:: 5]:
            suffix, content = containers(spellings(*next(turn))[kind])[container]
            cases.append((container, suffix, content))
    for kind, (suffix, content) in others().items():
        cases.append((kind, suffix, content))
    of_others = published()
    cases += of_others

    table: dict[str, Counter] = {}
    missed = []
    with tempfile.TemporaryDirectory(dir=os.environ["EXPORTS"]) as folder:
        Path(folder).chmod(0o755)
        paths = []
        for number, (_, suffix, content) in enumerate(cases):
            path = Path(folder, str(number), "model" + suffix)
            path.parent.mkdir()
            path.write_bytes(content)
            paths.append(path)
        for first in range(0, len(paths), 200):
            ours = of_atomizer(paths[first : first + 200])
            for (kind, _, _), path, verdict in zip(cases[first:], paths[first : first + 200], ours, strict=False):
                row = table.setdefault(kind, Counter())
                row["files"] += 1
                row[verdict] += 1
                found = {name: scan(path) for name, scan in SCANNERS.items()}
                for name, level in found.items():
                    row[name] += level == 2
                if any(found.values()) and verdict == "safe":
                    missed.append((kind, path.name, [name for name, level in found.items() if level]))
    check("files", sum(row["files"] for row in table.values()), len(cases))
    check("called dangerous by a scanner, and safe here", missed, [])
    exempt = {*oddities(), *others(), *(kind for kind, _, _ in of_others)}
    check("payloads that are safe here", [kind for kind, row in table.items() if row["safe"] and kind not in exempt], [])
    check("what the scanners find at all", all(sum(row[name] for row in table.values()) > 20 for name in SCANNERS), True)
    print("\n| kind | files | dangerous | suspicious | picklescan | modelscan | fickling |\n|---|---|---|---|---|---|---|")
    for kind, row in table.items():
        print(f"| {kind} | {row['files']} | {row['dangerous']} | {row['suspicious']} | {row['picklescan']} | {row['modelscan']} | {row['fickling']} |")
    total = sum(table.values(), Counter())
    print(f"| all | {total['files']} | {total['dangerous']} | {total['suspicious']} | {total['picklescan']} | {total['modelscan']} | {total['fickling']} |")

    # On clean models nothing is dangerous.
    models = sorted(path for path in Path(os.environ["MODELS"]).iterdir() if not path.name.startswith("."))
    dangerous = [path.name for path, verdict in zip(models, of_atomizer(models), strict=True) if verdict == "dangerous"]
    check("models", len(models) > 20, True)
    check("clean models that are dangerous", dangerous, [])
    if failures:
        sys.exit(f"{failures} checks failed")


if __name__ == "__main__":
    main()
