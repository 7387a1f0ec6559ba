#!/usr/bin/env python3
# Runs every SQL and Python block of the documentation and compares what is shown; holds docs/reference.md against the catalog.
# CONTRIBUTING.md, "Documentation", says how to write a block. The log shows what each block printed.
# needs: smollm2-135m-q4_1.gguf minilm-l6-v2.safetensors minilm-bf16.safetensors minilm-sharded tinycoder-split silero-vad.onnx sevennet-0.pth tinycoder.gguf
import ast
import itertools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(os.environ["ATOMIZER_ROOT"])
REFERENCE = ROOT / "docs/reference.md"
# As documents write them, and where they are here.
FOLDERS = {"/models/": os.environ["MODELS"] + "/", "/tmp/exports/": os.environ["EXPORTS"] + "/"}
MARK = "=== block "
# A wheel of two gigabytes: its blocks run where it is there.
MAY_LACK = {"torch"}
failures = 0
skipped_python: dict[str, int] = {}  # by reason


class Block(NamedTuple):
    line: int  # of the fence, from 1
    info: str  # what follows the fence: "sql", "text", …
    text: str


class Example(NamedTuple):
    line: int
    language: str
    text: str
    expected: str | None  # what the document shows below it


def fail(message: str) -> None:
    global failures
    failures += 1
    print(f"FAILED  {message}")


def blocks(document: Path) -> list[Block]:
    """Fenced blocks, and hidden ones (<!-- sql … -->), which prepare what a reader would have."""
    text = document.read_text(encoding="utf-8")
    pattern = r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$|^<!-- (?P<hidden>sql)\n(?P<sql>.*?)^-->$"
    return [Block(text.count("\n", 0, m.start()) + 1, (m["info"] or m["hidden"] or "").strip(), m["text"] or m["sql"] or "")
            for m in re.finditer(pattern, text, re.M | re.S)]


def examples(document: Path, found: list[Block]) -> list[Example]:
    lines = document.read_text(encoding="utf-8").splitlines()
    result = []
    for block, following in itertools.pairwise([*found, None]):
        if block.info not in ("sql", "python"):
            continue
        end = block.line + block.text.count("\n") + 1  # the line that closes it
        shown = following and following.info == "text" and not any(map(str.strip, lines[end:following.line - 1]))
        result.append(Example(block.line, block.info, block.text, following.text if following and shown else None))
    return result


def psql(database: str, script: str) -> subprocess.CompletedProcess[str]:
    # Line by line, or notices would overtake rows.
    return subprocess.run(["stdbuf", "-oL", "psql", "-X", "-q", "-d", database], check=False, input=script, text=True, encoding="utf-8",
                          env=os.environ | {"LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def query(database: str, sql: str) -> list[list[str]]:
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql],
                          text=True, encoding="utf-8", stdout=subprocess.PIPE, check=True)
    return [row.split("\x1f") for row in done.stdout.removesuffix("\n").split("\x1e") if row]


def normalized(output: str) -> list[str]:
    """Widths of columns are those of their longest value: they do not count. Nor do notices of progress, one a second."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in output.strip().splitlines()
             if not re.match(r"NOTICE: +([a-z ]+: (\d+ % of|[\d.]+ )|comparing rows$)", line)]
    return ["---" if re.fullmatch(r"[-+]{3,}", line) else re.sub(r"^-\[ RECORD (\d+) \][-+]*$", r"-[ RECORD \1 ]", line) for line in lines if line]


def matches(actual: str, expected: str) -> bool:
    """A line "…" stands for any lines, "…" in a line for anything in it."""
    pattern = ""
    for line in normalized(expected):
        pattern += r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in normalized(actual))) is not None


def lacking(program: str) -> set[str]:
    """The modules that a program imports and our Python has not."""
    nodes = list(ast.walk(ast.parse(program)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {name.split(".")[0] for name in names}
    find = "import sys, importlib.util as u; print(*[name for name in sys.argv[1:] if not u.find_spec(name)])"
    return set(subprocess.run([os.environ["PYTHON"], "-c", find, *names], stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def may_run(example: Example) -> bool:
    """Whether this is no Python that cannot run here: without a Python, or without a module that may be lacking."""
    if example.language != "python":
        return True
    reason = "no Python" if not os.environ["PYTHON"] else " ".join(sorted(lacking(example.text) & MAY_LACK))
    if reason:
        skipped_python[reason] = skipped_python.get(reason, 0) + 1
    return not reason


def run(document: Path, database: str, wanted: list[Example], folder: str) -> None:
    """All blocks of a document in one session; each of Python in a process and a session of its own."""
    script = ""
    for example in wanted:
        may_fail = example.expected is not None and re.search("^ERROR:", example.expected, re.M)
        text = example.text
        for shown, real in FOLDERS.items():
            text = text.replace(shown, real)
        if example.language == "python":
            program = Path(folder, f"{document.stem}-{example.line}.py")
            program.write_text(text, encoding="utf-8")
            text = f"\\! PGDATABASE={database} {shlex.quote(os.environ['PYTHON'])} {shlex.quote(str(program))} 2>&1"
        script += f"\\set ON_ERROR_STOP {'off' if may_fail else 'on'}\n\\echo {MARK}{example.line}\n{text}\n"
    done = psql(database, script + f"\\echo {MARK}end\n")
    output = done.stdout
    for shown, real in FOLDERS.items():
        output = output.replace(real, shown)
    parts = re.split(rf"^{MARK}(\w+)\n", output, flags=re.M)
    outputs = dict(zip(parts[1::2], parts[2::2], strict=True))
    name = document.relative_to(ROOT)
    for example in wanted:
        where = f"{name}:{example.line}"
        actual = outputs.get(str(example.line))
        if actual is None:
            fail(f"{where}: not reached")
            continue
        print(f"--- {where}\n{actual}", end="")
        if example.expected is None and re.search("^ERROR:|^Traceback ", actual, re.M):
            fail(f"{where}: ends in an error")
        elif example.expected is not None and not matches(actual, example.expected):
            fail(f"{where}: shows something else:\n{example.expected}")


OBJECTS = """
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.proname, pg_get_function_arguments(p.oid),
       coalesce(pg_get_function_result(p.oid), ''), has_function_privilege('public', p.oid, 'EXECUTE')
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE p.pronamespace = 'atomizer'::regnamespace
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, c.relname, '',
       (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       has_any_column_privilege('public', c.oid, 'SELECT')
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'atomizer'::regnamespace
UNION ALL
SELECT 'type', t.typname, '', (SELECT coalesce(string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder), '') FROM pg_enum e WHERE e.enumtypid = t.oid), true
FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
WHERE t.typtype = 'e' OR t.typtype = 'b' AND t.typelem = 0
"""
MEMBERS = """WITH members AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE e.extname = 'atomizer' AND d.deptype = 'e')"""


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("( ", "(").strip()


def signature(name: str, arguments: str, result: str) -> str:
    """As the reference writes it: defaults without their types, OUT arguments as what is returned."""
    arguments = re.sub(r"DEFAULT '(-?\d+)'::\w+", r"DEFAULT \1", arguments)
    arguments = re.sub(r"(DEFAULT (?:NULL|'[^']*'))::[a-z0-9_ ]+(?=,|$)", r"\1", arguments)
    parts = [part.removeprefix("IN ") for part in re.split(r", (?![^(]*\))", arguments)]
    returned = [part.removeprefix("OUT ") for part in parts if part.startswith("OUT ")]
    if returned:
        result = ("TABLE(" if result.startswith("SETOF") else "record(") + ", ".join(returned) + ")"
    taken = ", ".join(part for part in parts if not part.startswith("OUT "))
    return squeezed(f"{name}({taken})" + (f" → {result}" if result else ""))


def documented() -> dict[tuple[str, str, str], bool]:
    """(kind, name, definition) of each object in the reference; whether it is open to all."""
    text = REFERENCE.read_text(encoding="utf-8")
    result = {}
    for block in blocks(REFERENCE):
        words = block.info.split()
        if words[:2] == ["sql", "signature"]:
            # One signature a paragraph or line: each begins at the margin.
            for entry in re.split(r"\n(?=\S)", block.text.strip()):
                kind = "procedure" if entry.startswith("CALL ") else "function"
                definition = squeezed(entry.removeprefix("CALL "))
                result[kind, definition.split("(")[0], definition] = "administrators" not in words
    # ### table `model`, *Administrators.* …, | `column` | type | text |
    for m in re.finditer(r"^### (table|view|type) `(\w+)`\n\n(\*Administrators\.\*)?(.*?)(?=^##|\Z)", text, re.M | re.S):
        kind, name, administrators, body = m.groups()
        if kind == "type":
            labels = re.search(r"^Labels: (.*?)\.$", body, re.M | re.S)
            definition = squeezed(labels[1].replace("`", "")) if labels else ""
        elif same := re.search(r"^The columns are those of \[`(\w+)`\]", body, re.M):
            definition = next(key[2] for key in result if key[:2] == ("table", same[1]))
        else:
            rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", body, re.M)
            definition = ", ".join(f"{column} {kind_of.strip()}" for column, kind_of in rows)
        result[kind, name, definition] = not administrators
    return result


def check_reference(database: str) -> None:
    rows = query(database, f"SET search_path = atomizer, public; {MEMBERS} {OBJECTS}")
    catalog = {(kind, name, signature(name, arguments, rest) if kind in ("function", "procedure") else squeezed(rest)): public == "t"
               for kind, name, arguments, rest, public in rows}
    reference = documented()
    for key in sorted(catalog.keys() - reference.keys()):
        fail(f"{REFERENCE.name} lacks {key[0]} {key[1]}: {key[2]}")
    for key in sorted(reference.keys() - catalog.keys()):
        fail(f"{REFERENCE.name} has {key[0]} {key[1]}, which does not exist: {key[2]}")
    for key in sorted(catalog.keys() & reference.keys()):
        if catalog[key] != reference[key]:
            fail(f"{REFERENCE.name}: {key[0]} {key[1]} is for {'everybody' if catalog[key] else 'administrators'}")
    # Each is used by a block that runs.
    run_sql = "\n".join(block.text for block in blocks(REFERENCE) if block.info == "sql")
    for kind, name in sorted({key[:2] for key in catalog}):
        call = r"\s*\(" if kind in ("function", "procedure") else r"\b"
        if not re.search(rf"\b{name}{call}", run_sql):
            fail(f"{REFERENCE.name}: no example uses {kind} {name}")
    print(f"{len(catalog)} public objects, {len(reference)} in {REFERENCE.name}")


def main() -> int:
    documents = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    skipped = run_count = python_count = compared = 0
    for number, document in enumerate(documents):
        found = blocks(document)
        for block in found:
            if not block.info and re.search(r"^(SELECT|CALL|CREATE|ALTER|INSERT|SET) ", block.text, re.M):
                fail(f"{document.relative_to(ROOT)}:{block.line}: SQL in a block without a language does not run")
        skipped += sum(block.info.startswith("sql norun") for block in found)
        wanted = list(filter(may_run, examples(document, found)))
        if not wanted:
            continue
        database = f"{os.environ['PGDATABASE']}_{number}"
        subprocess.run(["createdb", database], check=True)
        try:
            with tempfile.TemporaryDirectory() as folder:
                run(document, database, wanted, folder)
            if document == REFERENCE:
                check_reference(database)
        finally:
            subprocess.run(["dropdb", "--force", database], check=True)
        run_count += len(wanted)
        python_count += sum(example.language == "python" for example in wanted)
        compared += sum(example.expected is not None for example in wanted)
    for reason, count in skipped_python.items():
        print(f"skipped: {count} Python blocks ({reason})")
    print(f"{run_count} blocks ran ({python_count} of Python), {compared} of them compared with what is shown; {skipped} do not run; {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
