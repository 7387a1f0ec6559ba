#!/usr/bin/env bash
# No backtrace reaches a client, whatever the environment of the server asks for.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

export RUST_LIB_BACKTRACE=full # it goes before RUST_BACKTRACE, which the tools take away
own_server
check "the server's environment" "$(sql "CREATE TEMP TABLE environment (value text)" \
    "COPY environment FROM PROGRAM 'echo \$RUST_LIB_BACKTRACE'" "TABLE environment")" full
sql "CREATE EXTENSION atomizer CASCADE"
answer() { psql -XqAt -v VERBOSITY=verbose -c "$1" 2>&1 | grep -vE '^(ERROR|HINT|LOCATION|LINE 1|QUERY|CONTEXT|SQL function|PL/pgSQL function)|^ *\^$' || true; }
for statement in "SELECT atomizer.list_tensors(model => 777)" "SELECT atomizer.drop_model('nobody''s')" "SELECT atomizer.list_tensors('\x00')" \
    "SELECT atomizer.tensor_weights(1)" "CALL atomizer.spatialize_model(777)" "SELECT atomizer.quantize('{1}', 'Q4_0')"; do
    check "it fails: $statement" "$([[ $(sqlstate_of "$statement") == 00000 ]] && echo no)" ''
    check "nothing but a message and a hint" "$(answer "$statement")" ''
done
# In the process the variable is as it was, for other libraries.
check "the environment is left as it was" "$(sql "SELECT atomizer.segment_bytes() > 0" "CREATE TEMP TABLE environment (value text)" \
    "COPY environment FROM PROGRAM 'echo \$RUST_LIB_BACKTRACE'" "TABLE environment")" $'t\nfull'
finish
