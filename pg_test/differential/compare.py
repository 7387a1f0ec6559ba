#!/usr/bin/env python3
"""Compares what extract_model_weights gives of model files with what their official readers find.

usage: compare.py FOLDER PATTERN...    FOLDER: of model files; PATTERN: of their paths in it, all when none is given

Prints a line for each kind of file, and one for each difference: a tensor that is missing or has another type, shape or bytes."""

import collections
import fnmatch
import os
import subprocess
import sys

from readers import read

SEPARATOR = "\x1f"
# What the official readers do not read: torch writes these types in its old format and cannot load them again; CoreML's weights.
UNREAD = ["*torch-uint16-legacy*.pt", "*torch-uint32-legacy*.pt", "*torch-uint64-legacy*.pt", "*torch-float8_*-legacy*.pt", "*.mlpackage/*"]


def listed(path: str) -> dict[str, tuple[str, tuple[int, ...], str]] | str:
    """Type, shape and SHA-256 of every tensor that SQL gives; the error, if it is one."""
    query = "SELECT layer_name, data_type, shape, encode(sha256(weight_data), 'hex') FROM atomizer.extract_model_weights(model_path => :'path')"
    psql = subprocess.run(["psql", "-XAtq", "-F", SEPARATOR, "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-v", f"path={path}"], check=False,
                          input=query, capture_output=True, text=True)
    if psql.returncode:
        return psql.stderr.strip()
    rows = [row.split(SEPARATOR) for row in psql.stdout.rstrip("\n").split("\x1e") if row]
    return {name: (dtype, tuple(int(n) for n in shape.strip("{}").split(",") if n), digest) for name, dtype, shape, digest in rows}


def models(folder: str, patterns: list[str]) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        if "saved_model.pb" in files:
            found.append(place)
            folders.clear()
            continue
        found += [os.path.join(place, file) for file in files]
    names = sorted(os.path.relpath(path, folder) for path in found)
    return [os.path.join(folder, name) for name in names if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


def main() -> None:
    folder, *patterns = sys.argv[1:]
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for path in models(folder, patterns):
        name = os.path.relpath(path, folder)
        kind = "SavedModel" if os.path.isdir(path) else os.path.splitext(path)[1]
        if any(fnmatch.fnmatch(name, pattern) for pattern in UNREAD):
            continue
        try:
            expected = read(path)
        except Exception as error:  # whatever it is, nothing was compared
            print(f"UNREAD  {name}: {type(error).__name__}: {str(error)[:150]}")
            counts[kind]["differences"] += 1
            continue
        if expected is None:
            continue
        count = counts[kind]
        found = listed(path)
        count["files"] += 1
        count["tensors"] += len(expected)
        differences = [found] if isinstance(found, str) else [
            f"{layer}: {found.get(layer, 'missing')} instead of {tuple(tensor)}" for layer, tensor in expected.items() if found.get(layer) != tensor
        ]
        if kind != ".jit" and not isinstance(found, str):  # torch.jit gives neither constants nor plain attributes
            differences += [f"{layer}: not in the official reader's list" for layer in found if layer not in expected]
        count["differences"] += len(differences)
        for difference in differences[:5]:
            print(f"DIFFERS {name}: {difference[:300]}")
        if len(differences) > 5:
            print(f"        and {len(differences) - 5} more")
    for kind, count in sorted(counts.items()):
        print(f"{kind}: {count['files']} files, {count['tensors']} tensors, {count['differences']} differences")
    total = sum(counts.values(), collections.Counter())
    print(f"{total['files']} files, {total['tensors']} tensors, {total['differences']} differences")
    sys.exit(total["differences"] != 0 or total["files"] == 0)


if __name__ == "__main__":
    main()
