"""Reading the catalogue and weights. What row-level security costs: a tenant beside a superuser, by pgbench, one client, in turns, by the prepared
protocol and the simple one. What parallel workers give: two of them beside none. Prints medians, and medians of each turn's ratio.

usage: python benches/catalogue.py MODEL...     files that both the bench and the server can read; each becomes a model of several tenants
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.path.dirname(os.environ["PSQL"])
TENANTS, ROUNDS, SECONDS, REPEATS = 8, 15, 1, 5
SCRIPTS = {
    "a tensor by its key": """\\set id random(:first, :last)
SELECT layer_name, shape, data_type, weight_count FROM atomizer.tensor_atom WHERE tensor_atom_id = :id;""",
    "a page of a model's tensors": """\\set offset random(0, 2) * 20
SELECT tensor_atom_id, layer_name, shape, data_type FROM atomizer.tensor_atom WHERE model_id = :model AND tensor_no >= :offset ORDER BY tensor_no LIMIT 20;""",
}
STATEMENTS = {
    "kinds of layers of all points": "SELECT layer_type, count(*) FROM atomizer.atom_points GROUP BY 1 ORDER BY 1",
    "statistics of a model's tensors": """SELECT sum((s).mean) FROM (SELECT atomizer.tensor_stats(tensor_atom_id) AS s
        FROM atomizer.tensor_atom WHERE model_id = :model) x""",
}


def psql(statement, *before):
    words = [os.environ["PSQL"], "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", "SET client_min_messages = warning"]
    words += [word for each in (*before, statement) for word in ("-c", each)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def rate(role, protocol, script, variables):
    names = [argument for name, value in variables.items() for argument in ("-D", f"{name}={value}")]
    done = subprocess.run([f"{BIN}/pgbench", "-n", "-U", role, "-M", protocol, "-T", str(SECONDS), "-f", script, *names],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return next(float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps ="))


def machine():
    with open("/proc/cpuinfo") as lines:
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores"


def main():
    psql("CREATE EXTENSION IF NOT EXISTS atomizer CASCADE")
    for tenant in range(TENANTS):
        psql(f"CREATE ROLE policies_{tenant} LOGIN")
        psql(f"SELECT atomizer.create_tenant('t{tenant}'), atomizer.add_tenant_member('t{tenant}', 'policies_{tenant}')")
        for number, path in enumerate(sys.argv[1:]):
            psql(f"CALL atomizer.ingest_model('m{number}', model_path => '{path}', tenant => 't{tenant}')")
    psql("VACUUM ANALYZE")
    first, last, model = psql(f"""SELECT min(tensor_atom_id) || ' ' || max(tensor_atom_id) || ' ' || min(model_id) FROM atomizer.tensor_atom
        JOIN atomizer.tenant USING (tenant_id) WHERE tenant_name = 't{TENANTS // 2}'""")
    variables = {"first": first, "last": last, "model": model}
    tensors, = psql("SELECT count(*) FROM atomizer.tensor_atom")
    print(f"PostgreSQL {psql('SHOW server_version')[0]}, atomizer {psql('SELECT extversion FROM pg_extension WHERE extname = $$atomizer$$')[0]}, "
          f"{machine()}; {tensors} tensors of {TENANTS} tenants; {ROUNDS} turns of {SECONDS} s")
    for name, text in SCRIPTS.items():
        for protocol in ("prepared", "simple"):
            with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
                script.write(text)
                script.flush()
                rates = {"postgres": [], f"policies_{TENANTS // 2}": []}
                for _ in range(ROUNDS):
                    for role, found in rates.items():
                        found.append(rate(role, protocol, script.name, variables))
            superuser, tenant = (statistics.median(found) for found in rates.values())
            ratio = statistics.median(b / a for a, b in zip(*rates.values(), strict=True))
            print(f"{name:<32} {protocol:<10} superuser {superuser:>9,.0f}/s   tenant {tenant:>9,.0f}/s   ratio {ratio:.2f}")
    psql(f"CALL atomizer.spatialize_model({model}, granularity => 'row')")
    psql("VACUUM ANALYZE")
    for name, statement in STATEMENTS.items():
        times = {workers: [] for workers in (0, 2)}
        for _ in range(REPEATS):
            for workers, found in times.items():
                begun = time.perf_counter()
                psql(statement.replace(":model", model), f"SET max_parallel_workers_per_gather = {workers}; SET parallel_setup_cost = 0")
                found.append(time.perf_counter() - begun)
        none, two = (statistics.median(found) for found in times.values())
        ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
        print(f"{name:<32} serial {none:>7.3f} s   two workers {two:>7.3f} s   ratio {ratio:.2f}")


main()
