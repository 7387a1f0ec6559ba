# What reads.sh and standby.sh share; sourced after lib.bash, never run.
# shellcheck shell=bash

# Settings under which Postgres runs in parallel whatever it may. The first was renamed in PostgreSQL 16.
# shellcheck disable=SC2034 # used by reads.sh
all_parallel="SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;"

# A store for the calls of reads.psql, of a tenant for which the role reads_ann acts.
make_store() {
    sql "DROP ROLE IF EXISTS reads_ann" "CREATE ROLE reads_ann LOGIN" "GRANT pg_read_server_files, pg_write_server_files TO reads_ann" \
        "SELECT atomizer.create_tenant('acme'), atomizer.add_tenant_member('acme', 'reads_ann')" >/dev/null
    ingest tiny "$1" "tenant => 'acme'"
    sql "CALL atomizer.spatialize_model(1)" "CALL atomizer.spatialize_model(1, granularity => 'row')" \
        "CALL atomizer.compress_model(1, rank => 4, min_parameters => 10000)" "CALL atomizer.analyze_model(1, min_parameters => 10000)" \
        "SELECT atomizer.build_spatial_indexes()" \
        "SELECT lo_import('$1', 4711)" "GRANT SELECT ON LARGE OBJECT 4711 TO reads_ann" >/dev/null
    psql -X -q -v ON_ERROR_STOP=1 -v path="$1" -v exports="$EXPORTS" -f "$ATOMIZER_ROOT/pg_test/reads.psql"
}

# The calls that a role may make, as they stand in FROM.
calls_of="SELECT call FROM test.relation WHERE has_table_privilege('atomizer.' || quote_ident(name), 'SELECT')
    UNION ALL SELECT r.call FROM test.reader r
    WHERE EXISTS (SELECT FROM test.function f WHERE f.name = r.name AND has_function_privilege(f.oid, 'EXECUTE'))"

# run_statements ROLE SETUP STATEMENT: a format of a call, each in a transaction of its own.
run_statements() {
    psql -X -q -A -t -U "$1" 2>&1 <<SQL
SET client_min_messages = warning;
\o /dev/null
$2
\o
SELECT format(\$f\$ $3 \$f\$, call) FROM ($calls_of) c ORDER BY call COLLATE "C" \gexec
SQL
}

# What each call gives: rows, and a digest of them.
digest="SELECT count(*) AS rows, md5(string_agg(read_row::text, ',' ORDER BY read_row::text COLLATE \"C\")) AS digest FROM %1\$s AS read_row"

# read_all ROLE SETUP: each call with its rows and digest, and the transaction id it took, if any.
read_all() { run_statements "$1" "$2" "SELECT %1\$L, rows, digest, pg_current_xact_id_if_assigned() FROM ($digest OFFSET 0) r"; }

# same WHAT FILE OTHER: the lines that two files do not have in common.
same() { check "$1" "$(diff "$2" "$3" | head -n 40)" ''; }
