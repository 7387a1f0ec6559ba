#!/usr/bin/env bash
# The runner itself: what it says of tests that pass, fail, are skipped, take too long, or leave a server or a client running; and that
# nothing of theirs goes on after it.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

toys=$(mktemp -d)
trap 'rm -rf "$toys"' EXIT
mkdir -p "$toys/sql" "$toys/expected" "$toys/scripts"
echo 'SELECT 1 AS one;' >"$toys/sql/same.sql"
printf 'SELECT 1 AS one;\n one \n-----\n   1\n(1 row)\n\n' >"$toys/expected/same.out"
cp "$toys/sql/same.sql" "$toys/sql/other.sql"
: >"$toys/expected/other.out"
echo 'SHOW parallel_setup_cost;' >"$toys/sql/mode.sql"
printf 'SHOW parallel_setup_cost;\n parallel_setup_cost \n---------------------\n 1000\n(1 row)\n\n' >"$toys/expected/mode.out"
toy() {
    { printf '#!/usr/bin/env bash\nsource "%s"\n' "$root/pg_test/scripts/lib.bash"; cat; } >"$toys/scripts/$1.sh"
    chmod +x "$toys/scripts/$1.sh"
}
toy passes <<<'check "the extension is there" "$(sql "SELECT count(*) FROM pg_extension WHERE extname = '"'atomizer'"'")" 1; finish'
toy fails <<<'check "one" 1 2; finish'
toy skips <<<'skip "not today"'
toy needs <<<'# needs: no-such-model.gguf'
toy too_long <<<'sleep 60'
toy restarts <<<'"$root/tools/cluster" restart "$ATOMIZER_CLUSTER" immediate; check "it is back" "$(sql "SELECT 1")" 1; finish'
toy stops <<<'own_server; check "a server of its own" "$(sql "SELECT 1")" 1; finish'
# As dump.sh once did: the wrong folder is stopped.
toy leaves_server <<TOY
"\$root/tools/cluster" start "$toys/forgotten"
! "\$root/tools/cluster" stop "$toys"
finish
TOY
toy leaves_client <<<'sql "SELECT pg_sleep(60)" >/dev/null & finish'

# Without our server and our mark: the inner run has its own.
status=0
env -u ATOMIZER_CLUSTER -u ATOMIZER_TEST ATOMIZER_TESTS="$toys" ATOMIZER_TEST_TIMEOUT=10 "$root/pg_test/run" >"$toys/log" 2>&1 || status=$?
cat "$toys/log"
said() { sed -nE "s#^(PASS|FAIL|SKIPPED) +$1 +([0-9.]+ s)?( +(.*))?\$#\1 \4#p" "$toys/log"; }
check "its exit status" "$status" 1
check "its last line" "$(tail -n 1 "$toys/log")" '6 passed, 7 failed, 2 skipped'
check "as expected" "$(said sql/same)" 'PASS '
check "not as expected" "$(said sql/other | cut -c1-4)" 'FAIL'
check "sql tests once more in parallel" "$(said parallel/same)$(said parallel/other | cut -c1-4)" 'PASS FAIL'
check "only there" "$(said sql/mode)|$(said parallel/mode | cut -c1-4)" 'PASS |FAIL'
check "passes" "$(said scripts/passes)" 'PASS '
check "fails" "$(said scripts/fails)" 'FAIL ended with 1'
check "is skipped" "$(said scripts/skips)" 'SKIPPED not today'
check "needs what is absent" "$(said scripts/needs)" "SKIPPED no-such-model.gguf can't be had"
check "takes too long" "$(said scripts/too_long)" 'FAIL timed out'
check "restarts the runner's server" "$(said scripts/restarts)" 'PASS '
check "ends its own server" "$(said scripts/stops)" 'PASS '
check "leaves a server" "$(said scripts/leaves_server)" 'FAIL left 1 processes running'
check "leaves a client" "$(said scripts/leaves_client | sed 's/[0-9] proc/N proc/')" 'FAIL left N processes running'

check "nothing of theirs runs" "$(grep -lzE '^ATOMIZER_TEST=(leaves_|too_long)' /proc/[0-9]*/environ 2>/dev/null)" ''
forgotten=$(<"$toys/forgotten/location")
check "nor in the folder of the forgotten server" "$(find /proc -maxdepth 2 -name cwd -printf '%l\n' 2>/dev/null | grep -F "$forgotten")" ''
check "the forgotten server's folder" "$(ls -d "$forgotten" 2>/dev/null)" ''
check "the inner run's own server" "$(ls "$toys/out/cluster" 2>/dev/null)" ''
finish
