"""Curves, projection and spatial indexes through SQL, beside PostGIS in the same server, one run. Prints medians and ratios.

The server does without parallel workers and JIT: what is measured is one backend, but for the line that says otherwise.

usage: python benches/space.py [SVG]     SVG: also boxes of 10^7 points (some minutes), and a plot of the boxes into this file
"""

import math
import os
import statistics
import subprocess
import sys

PSQL = [os.environ["PSQL"], "-XqAt", "-v", "ON_ERROR_STOP=1"]
ENV = {**os.environ, "PGOPTIONS": "-c search_path=public,atomizer -c client_min_messages=warning -c jit=off "
                                  "-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 -c maintenance_work_mem=512MB"}
POINTS, VECTORS, DIMENSION, ROUNDS = 1_000_000, 40_000, 1536, 5


def psql(script):
    done = subprocess.run(PSQL, input=script, env=ENV, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def timed(statements, before=""):
    """Milliseconds of each statement, measured by psql in one session."""
    lines = psql(f"{before}\n\\timing on\n" + "\n".join(f"{statement};" for statement in statements))
    return [float(line.split()[1]) for line in lines if line.startswith("Time:")]


def median(statement, before=""):
    return statistics.median(timed([statement] * ROUNDS, f"{before}\n{statement};"))


def rate(name, count, unit, ms, floor):
    print(f"{name:<44} {count / ms / 1000:>9.2f} M {unit}/s   {ms:>8.1f} ms, of which the scan takes {floor:.1f}")


def points(count):
    return f"""SELECT p, compute_hilbert_value(p) AS h FROM (SELECT setseed(0.5)) s, generate_series(1, {count}) i,
        LATERAL (SELECT ST_MakePoint((random() - 0.5) * 200 + i * 0, (random() - 0.5) * 200, (random() - 0.5) * 200) AS p OFFSET 0) l"""


def huge_pages():
    """Without huge pages each parallel worker maps the server's memory anew, 4 KB at a time."""
    with open("/proc/meminfo") as lines:
        pages = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    used = pages["HugePages_Total"] - pages["HugePages_Free"] + pages["HugePages_Rsvd"]
    return "huge pages" if used else "pages of 4 KB: vm.nr_hugepages is too small for huge ones"


def functions():
    psql(f"""DROP TABLE IF EXISTS bench_points, bench_vectors;
        CREATE TABLE bench_points AS {points(POINTS)};
        CREATE TABLE bench_vectors (v real[], b bytea);
        ALTER TABLE bench_vectors ALTER v SET STORAGE PLAIN;
        INSERT INTO bench_vectors (v) SELECT (SELECT array_agg((random() - 0.5 + 0 * i * j)::real) FROM generate_series(1, {DIMENSION}) j)
            FROM generate_series(1, {VECTORS // 4}) i;
        INSERT INTO bench_vectors SELECT * FROM bench_vectors;
        INSERT INTO bench_vectors SELECT * FROM bench_vectors;
        VACUUM ANALYZE bench_points; VACUUM ANALYZE bench_vectors;""")
    floor = median("SELECT count(p) FROM bench_points")
    for name, call in [("compute_hilbert_value(p)", "compute_hilbert_value(p)"), ("morton_value(p)", "morton_value(p)"), ("PostGIS: ST_X(p)", "ST_X(p)"),
                       ("PostGIS: ST_X, ST_Y and ST_Z, added", "ST_X(p) + ST_Y(p) + ST_Z(p)")]:
        rate(name, POINTS, "points", median(f"SELECT count({call}) FROM bench_points"), floor)
    rate("hilbert_to_point(h)", POINTS, "points", median("SELECT count(hilbert_to_point(h)) FROM bench_points"), floor)
    floor = median("SELECT count(v) FROM bench_vectors")
    call = "SELECT count(project_to_3d(v)) FROM bench_vectors"
    rate(f"project_to_3d(real[{DIMENSION}])", VECTORS, "vectors", median(call), floor)
    workers = max(min(2, os.cpu_count() - 1), 1)  # the server's default, but no more processes than cores
    parallel = f"SET max_parallel_workers_per_gather = {workers};"
    if not any("Gather" in line for line in psql(f"{parallel} EXPLAIN {call};")):
        raise SystemExit("the server plans no parallel scan")
    rate(f"project_to_3d(real[{DIMENSION}]), {1 + workers} processes", VECTORS, "vectors", median(call, parallel), median("SELECT count(v) FROM bench_vectors", parallel))
    print(f"memory of the server in {huge_pages()}")


def builds():
    # Once: GiST takes a good part of a minute.
    a, b = timed(["CREATE INDEX bench_btree ON bench_points (h)", "CREATE INDEX bench_gist ON bench_points USING gist (p gist_geometry_ops_nd)"])
    size = psql("SELECT pg_size_pretty(pg_relation_size('bench_btree')), pg_size_pretty(pg_relation_size('bench_gist'));")[0].split("|")
    print(f"\nindex of {POINTS} points: btree {a:.0f} ms, {size[0]}; GiST ND {b:.0f} ms, {size[1]}; ratio {b / a:.1f}x")


INSIDE = "ST_X(p) BETWEEN {x} AND {x} + {s} AND ST_Y(p) BETWEEN {y} AND {y} + {s} AND ST_Z(p) BETWEEN {z} AND {z} + {s}"
LINE = "ST_MakeLine(ST_MakePoint({x}, {y}, {z}), ST_MakePoint({x} + {s}, {y} + {s}, {z} + {s}))"
QUERIES = {
    "scan": f"SELECT count(*) FROM bench_some WHERE {INSIDE}",
    "GiST ND": f"SELECT count(*) FROM bench_some WHERE p &&& {LINE} AND {INSIDE}",
    "Hilbert": f"SELECT count(*) FROM hilbert_ranges(Box3D({LINE})) r, LATERAL (SELECT FROM bench_some WHERE h BETWEEN r.range_start AND r.range_end AND {INSIDE} OFFSET 0) e",
}


def plot(path, table):
    """Draws milliseconds over numbers of points, both by powers of ten."""
    colours = dict(zip(QUERIES, ["#888888", "#c0504d", "#1f77b4"], strict=True))
    low, high = math.floor(math.log10(min(map(min, table.values())))), math.ceil(math.log10(max(map(max, table.values()))))
    first, last = min(table), max(table)
    def x(exponent):
        return 60 + 480 * (exponent - first) / (last - first)
    def y(ms):
        return 320 - 280 * (math.log10(ms) - low) / (high - low)
    def text(at, to, words, anchor="middle", fill="#333"):
        return f'<text x="{at:.0f}" y="{to:.0f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 370" font-family="sans-serif" font-size="13">', '<rect width="660" height="370" fill="white"/>']
    for power in range(low, high + 1):
        out += [f'<line x1="60" x2="540" y1="{y(10**power):.0f}" y2="{y(10**power):.0f}" stroke="#ddd"/>', text(52, y(10**power) + 4, f"{10**power:g} ms", "end")]
    out += [text(x(exponent), 340, f'10<tspan dy="-5" font-size="9">{exponent}</tspan>') for exponent in table]
    out.append(text(300, 362, "points; a box holds about 100 of them"))
    for no, (name, colour) in enumerate(colours.items()):
        line = " ".join(f"{x(exponent):.1f},{y(row[no]):.1f}" for exponent, row in table.items())
        out += [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>', text(548, y(table[last][no]) + 4, name, "start", colour)]
    with open(path, "w") as file:
        file.write("\n".join([*out, "</svg>", ""]))


def boxes(svg):
    """A box of about 100 points at every size, in ten places."""
    table = {}
    print(f"\nboxes of about 100 points, milliseconds{'':<5}{'':>12}" + "".join(f"{name:>12}" for name in QUERIES))
    for exponent in range(4, 8 if svg else 7):
        count = 10**exponent
        psql(f"""DROP TABLE IF EXISTS bench_some; CREATE TABLE bench_some AS {points(count)};
            CREATE INDEX ON bench_some (h); CREATE INDEX ON bench_some USING gist (p gist_geometry_ops_nd); VACUUM ANALYZE bench_some;""")
        side = 200 * (100 / count) ** (1 / 3)
        places = [{"x": -90 + 13.7 * i, "y": 80 - 17.1 * i, "z": -70 + 11.9 * i, "s": side} for i in range(10)]
        row, answers = [], []
        for query in QUERIES.values():
            statements = [query.format(**place) for place in places]
            answers.append(psql(";".join(statements) + ";"))
            row.append(statistics.median(timed(statements, ";".join(statements) + ";")))
        assert answers[0] == answers[1] == answers[2], answers
        print(f"{count:>44} points  " + "".join(f"{ms:>12.2f}" for ms in row), flush=True)
        table[exponent] = row
    if svg:
        plot(svg, table)
    psql("DROP TABLE bench_some, bench_points, bench_vectors;")


def main():
    psql("CREATE EXTENSION IF NOT EXISTS atomizer CASCADE;")
    print("\nspace, in one backend")
    functions()
    builds()
    boxes(sys.argv[1] if len(sys.argv) > 1 else None)


main()
