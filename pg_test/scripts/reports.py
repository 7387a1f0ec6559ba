#!/usr/bin/env python3
# Inputs made after public bug reports: each case of shared/reports gives what cases.json says, but for those that are known not to.
# needs: python shared
import os
import sys

if sys.executable != os.environ["PYTHON"] and "ATOMIZER_REPORTS" not in os.environ:
    os.execve(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv], os.environ | {"ATOMIZER_REPORTS": "1"})

import json
from pathlib import Path

from official import SHARED, check, finish, sql

# What does not hold yet, by the case's path and call. One that begins to hold fails the test until it is taken out here.
OPEN: set[str] = set()
REPORTS = Path(SHARED, "reports")


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def answer(query: str) -> list[list[str]] | str:
    """The rows of a query; the error's SQLSTATE when it ends with one."""
    statement = (
        f"DO $do$ BEGIN CREATE TEMP TABLE answer AS {query}; EXCEPTION WHEN OTHERS THEN "
        f"CREATE TEMP TABLE answer AS SELECT 'error ' || SQLSTATE; END $do$"
    )
    rows = sql(statement, "TABLE answer")
    return rows[0][0] if rows and rows[0][0].startswith("error ") else rows


def same_name(listed: str, expected: str, match: str) -> bool:
    return listed == expected or (match == "suffix" and listed.endswith(expected))


def holds_tensors(case: dict, rows: list[list[str]] | str) -> bool:
    if isinstance(rows, str):
        return False
    match = case.get("name_match", "exact")
    if not case.get("at_least") and len(rows) != len(case["tensors"]):
        return False
    for tensor in case["tensors"]:
        shape = "{" + ",".join(map(str, tensor["shape"])) + "}"
        found = [row for row in rows if same_name(row[0], tensor["name"], match)]
        if len(found) != 1 or found[0][1:3] != [shape, tensor["dtype"]] or found[0][3:] not in ([], [tensor.get("sha256", "")]):
            return False
    return True


def holds(case: dict) -> bool:
    path = quote(str(REPORTS / case["path"]))
    match case["call"]:
        case "list" | "extract" if case["expected"] == "error":
            return isinstance(answer(f"SELECT * FROM atomizer.list_tensors(model_path => {path})"), str)
        case "list":
            return holds_tensors(case, answer(f"SELECT layer_name, shape, data_type FROM atomizer.list_tensors(model_path => {path})"))
        case "extract":
            return holds_tensors(case, answer(
                f"SELECT layer_name, shape, data_type, encode(sha256(weight_data), 'hex') FROM atomizer.extract_model_weights(model_path => {path})"))
        case "detect":
            return answer(f"SELECT atomizer.detect_model_format(model_path => {path})") == [[case["format"]]]
        case "pickle_report":
            rows = answer(f"SELECT DISTINCT verdict FROM atomizer.model_pickle_report(model_path => {path})")
            levels = {"safe": 0, "unknown": 1, "suspicious": 1, "dangerous": 2}
            if isinstance(rows, str) or not rows:
                return False
            given, expected = max(levels[row[0]] for row in rows), levels[case["verdict"]]
            return given >= expected if case.get("at_least") else given == expected
    raise ValueError(case["call"])


def main() -> None:
    cases = json.loads((REPORTS / "cases.json").read_text())
    check("there are cases", len(cases) > 30, True)
    names = [f"{case['path']} {case['call']}" for case in cases]
    check("cases that are known not to hold, and are none", sorted(OPEN - set(names)), [])
    for name, case in zip(names, cases, strict=True):
        check(name, holds(case), name not in OPEN)
    finish()


if __name__ == "__main__":
    main()
