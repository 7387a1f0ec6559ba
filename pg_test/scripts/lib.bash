# What the scripts share; sourced, never run.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source=tools/lib.bash
source "$ATOMIZER_ROOT/tools/lib.bash"
failures=0

# One or more statements; prints the rows, columns parted by "|".
sql() {
    local statement args=()
    for statement in "$@"; do args+=(-c "$statement"); done
    psql -X -q -A -t -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' "${args[@]}"
}

# The SQLSTATE a statement ends with, 00000 if it succeeds.
sqlstate_of() {
    psql -X -q -A -t -v VERBOSITY=sqlstate -o /dev/null 2>&1 <<SQL | sed -n 's/^state //p'
SET client_min_messages = error;
SET statement_timeout = '${TIMEOUT:-60s}';
$1;
\echo state :SQLSTATE
SQL
}

# check WHAT ACTUAL EXPECTED
check() {
    if [[ $2 == "$3" ]]; then
        echo "ok      $1${2:+: ${2:0:100}}"
    else
        echo "FAILED  $1: \"${2:0:300}\" instead of \"${3:0:300}\""
        failures=$((failures + 1))
    fi
}

# check_below WHAT ACTUAL LIMIT: numbers.
check_below() {
    if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a <= b) }'; then
        echo "ok      $1: $2, at most $3"
    else
        echo "FAILED  $1: $2 is above $3"
        failures=$((failures + 1))
    fi
}

# What every script ends with.
finish() {
    if ((failures)); then
        echo "$failures checks failed"
        exit 1
    fi
    exit 0
}

skip() {
    echo "$*"
    exit 77
}

check_integrity() { check "check_integrity() finds nothing" "$(sql 'SELECT * FROM atomizer.check_integrity()')" ''; }

# ingest NAME PATH [ARGUMENT...]
ingest() {
    local name=$1 path=$2
    shift 2
    sql "CALL atomizer.ingest_model('$name', '$path'$(printf ', %s' "$@" | sed 's/, $//'))"
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# check_exports NAME FILE...: every file of a model, exported by the server, is that file.
check_exports() {
    local name=$1 id no=0 file out
    shift
    id=$(sql "SELECT model_id FROM atomizer.model WHERE model_name = '$name'")
    check "$name: number of files" "$(sql "SELECT count(*) FROM atomizer.model_file WHERE model_id = $id")" $#
    for file in "$@"; do
        out=$EXPORTS/export.$no
        sql "SELECT atomizer.export_model_file($id, '$out', $no, true)" >/dev/null
        check "$name: export of $(basename "$file")" "$(sha256 "$out")" "$(sha256 "$file")"
        rm -f "$out"
        no=$((no + 1))
    done
}

# Changes when the server is started anew, and when it recovers from the crash of one backend.
server_start() {
    sql "SELECT pg_postmaster_start_time(), backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
}

# A server of the script's own, which ends with the script: clients are led to it, and EXPORTS is where it may write.
own_server() {
    own=$(mktemp -d)
    trap '"$root/tools/cluster" stop "$own/cluster"; rm -rf "$own"' EXIT
    "$root/tools/cluster" start "$own/cluster"
    eval "$("$root/tools/cluster" env "$own/cluster")"
    EXPORTS=$(<"$own/cluster/location")
}

wait_for_server() {
    local _
    for _ in {1..600}; do
        if sql 'SELECT 1' >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    echo "the server does not come back"
    exit 1
}

# wait_until CONDITION: of SQL; fails after a minute.
wait_until() {
    local _
    for _ in {1..1200}; do
        if [[ $(sql "SELECT $1") == t ]]; then return; fi
        sleep 0.05
    done
    echo "FAILED  waiting for $1"
    exit 1
}

now() { echo "${EPOCHREALTIME/,/.}"; }
since() { awk -v a="$1" -v b="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.2f", b - a }'; }

# write_safetensors FILE BYTES...: a tensor "t0", "t1", … of bytes that hardly compress for each number given. Type: BF16.
write_safetensors() {
    local file=$1 header='' offset=0 no=0 bytes length
    shift
    for bytes in "$@"; do
        header+="${header:+,}\"t$no\":{\"dtype\":\"BF16\",\"shape\":[$((bytes / 2))],\"data_offsets\":[$offset,$((offset + bytes))]}"
        offset=$((offset + bytes))
        no=$((no + 1))
    done
    header="{$header}"
    while ((${#header} % 8)); do header+=' '; done
    length=$(printf '%016x' ${#header} | sed -E 's/(..)(..)(..)(..)(..)(..)(..)(..)/\\x\8\\x\7\\x\6\\x\5\\x\4\\x\3\\x\2\\x\1/')
    { printf '%b%s' "$length" "$header"; head -c "$offset" /dev/urandom; } >"$file"
    chmod 644 "$file"
}
