#!/usr/bin/env bash
# What reads takes no transaction id, works in READ ONLY transactions and in parallel workers, and gives the same there.
# needs: tinycoder.gguf
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
# shellcheck source=pg_test/scripts/reads.bash
source "$(dirname "$0")/reads.bash"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
make_store "$MODELS/tinycoder.gguf"

# Nothing is forgotten: a name for each function, and as many calls as it has overloads.
check "functions that are no calls of reads.psql" "$(sql "SELECT f.signature FROM test.function f
    WHERE f.name NOT IN (SELECT name FROM test.writer UNION SELECT name FROM test.reader) ORDER BY 1")" ''
check "functions with overloads that are no calls of reads.psql" "$(sql "SELECT f.name, count(*) FROM test.function f GROUP BY 1
    HAVING count(*) > (SELECT count(*) FROM (TABLE test.writer UNION ALL TABLE test.reader) c WHERE c.name = f.name)")" ''
check "names of reads.psql without a function" "$(sql "SELECT name FROM (TABLE test.writer UNION ALL TABLE test.reader) c
    WHERE name NOT IN (SELECT name FROM test.function)")" ''

# The labels: what reads is safe in a parallel worker, but for what has a reason here.
check "readers that are not parallel safe" "$(sql "SELECT DISTINCT f.name, f.parallel FROM test.function f JOIN test.reader USING (name)
    WHERE f.parallel <> 's' AND f.name NOT IN
        ('check_integrity', -- an error of a model's must not end it: it has subtransactions, which parallel mode refuses
         'export_model') -- it writes files, which one process does
    ORDER BY 1")" ''
check "writers that are not parallel unsafe" "$(sql "SELECT f.signature FROM test.function f JOIN test.writer USING (name)
    WHERE f.parallel <> 'u' AND f.name NOT IN ('build_spatial_indexes') ORDER BY 1")" ''

# Calls that find nothing in this store, and calls that are not made in a worker.
declare -A empty=(
    [reads_ann]='(SELECT * FROM atomizer.progress)'
    [postgres]='(SELECT * FROM atomizer.progress) atomizer.check_integrity()'
)
export="atomizer.export_model('tiny', '$EXPORTS/' || gen_random_uuid())"
declare -A serial=([reads_ann]=$export [postgres]="atomizer.check_integrity() $export")

for role in reads_ann postgres; do
    read_all $role '' >"$out/read"
    number=$(sql "SET ROLE $role" "SELECT count(*) FROM ($calls_of) c")
    check_below "$role: 50, the number of calls" 50 "$number"
    check "$role: an answer to each" "$(wc -l <"$out/read")" "$number"
    check "$role: errors" "$(grep -E '^(ERROR|FATAL)' "$out/read")" ''
    check "$role: calls that take a transaction id" "$(grep -v '|$' "$out/read")" ''
    check "$role: calls without a row" "$(awk -F '|' '$(NF - 2) == 0 { print $1 }' "$out/read" | paste -sd ' ')" "${empty[$role]}"
    read_all $role 'SET default_transaction_read_only = on;' >"$out/read_only"
    same "$role: the same in READ ONLY transactions" "$out/read" "$out/read_only"

    # In a worker: there the transaction's id may not even be asked for.
    run_statements $role '' "SELECT %1\$L, * FROM ($digest) r" >"$out/serial"
    run_statements $role "$all_parallel" "SELECT %1\$L, * FROM ($digest) r" >"$out/parallel"
    same "$role: the same in parallel" "$out/serial" "$out/parallel"
    # The view progress asks the session's own process first: whether the rest pays is the planner's to say.
    check "$role: calls that no worker runs" "$(run_statements $role "$all_parallel" "SELECT %1\$L WHERE test.workers(%1\$L) = 0" |
        grep -vxF '(SELECT * FROM atomizer.progress)' | paste -sd ' ')" "${serial[$role]}"
done

# What writes says so by its name.
while IFS='|' read -r name call; do
    check "$name in a READ ONLY transaction" \
        "$(psql -X -q -v VERBOSITY=verbose -c 'SET default_transaction_read_only = on' -c "$call" 2>&1 >"$out/null" | sed -nE 's/ without path//; s/^ERROR: +//p')" \
        "25006: cannot execute $name() in a read-only transaction"
done < <(sql "SELECT name, call FROM test.writer ORDER BY name")
finish
