#!/usr/bin/env bash
# A subscriber of logical replication holds what its publisher does: what was there before, and what is ingested, updated,
# dropped and collected meanwhile. It answers, exports and checks itself, and takes over.
# needs: tinycoder.gguf minilm-sharded silero-vad-16k.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

sharded=("$MODELS"/minilm-sharded/model.safetensors.index.json "$MODELS"/minilm-sharded/model-0000?-of-00003.safetensors)

# The server of all tests subscribes, one of our own publishes.
subscriber=(PGHOST="$PGHOST" PGPORT="$PGPORT" PGDATABASE="$PGDATABASE" EXPORTS="$EXPORTS")
ATOMIZER_PG_OPTS='wal_level=logical' own_server
publisher=(PGHOST="$PGHOST" PGPORT="$PGPORT" PGDATABASE=store EXPORTS="$EXPORTS")
at_publisher() { export "${publisher[@]}"; }
at_subscriber() { export "${subscriber[@]}"; }
clean_up() {
    at_subscriber
    # A database with a subscription cannot be dropped.
    if [[ $(sql "SELECT count(*) FROM pg_subscription WHERE subname = 'test_store'") == 1 ]]; then
        sql "ALTER SUBSCRIPTION test_store DISABLE; ALTER SUBSCRIPTION test_store SET (slot_name = NONE)" \
            "DROP SUBSCRIPTION test_store"
    fi
    sql "DROP ROLE IF EXISTS test_logical"
    [[ ! -e $own/cluster/location ]] || "$root/tools/cluster" stop "$own/cluster"
    rm -rf "$own"
}
trap clean_up EXIT

# Every table, row for row.
contents() {
    local relation
    for relation in $(sql "SELECT oid::regclass FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE \"C\""); do
        sql "SELECT '$relation', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM $relation t"
    done
}
# Waits until the subscriber has applied what was committed so far.
catch_up() {
    local lsn
    at_publisher
    lsn=$(sql "SELECT pg_current_wal_lsn()")
    wait_until "EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'test_store' AND replay_lsn >= '$lsn')"
}
same() {
    local theirs
    at_publisher
    theirs=$(contents)
    at_subscriber
    check "$1" "$(contents)" "$theirs"
    check "$1: errors of applying" "$(sql "SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats WHERE subname = 'test_store'")" 0
}

createdb store
at_publisher
sql "CREATE EXTENSION atomizer CASCADE"
ingest tiny "$MODELS/tinycoder.gguf" "granularity => 'weight'"
sql "SELECT atomizer.create_tenant('acme', 5000000000)" >/dev/null
sql "CREATE PUBLICATION test_store FOR TABLES IN SCHEMA atomizer"

at_subscriber
sql "CREATE ROLE test_logical LOGIN"
sql "CREATE SUBSCRIPTION test_store CONNECTION 'host=${publisher[0]#*=} port=$PGPORT dbname=store user=postgres' PUBLICATION test_store"
wait_until "(SELECT count(*) FILTER (WHERE srsubstate = 'r') = count(*) FROM pg_subscription_rel)"
check "tables that are subscribed" "$(sql "SELECT count(*) > 0, count(*) = (SELECT count(*) FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind = 'r') FROM pg_subscription_rel")" 't|t'
catch_up
same "what was there before"
check_exports tiny "$MODELS/tinycoder.gguf"

# A session of a tenant at the subscriber, which keeps what it knows.
coproc tenant { exec psql -X -q -A -t -v ON_ERROR_STOP=1 2>&1; }
# shellcheck disable=SC2154 # set by coproc, until it ends
tenant_client=$tenant_PID
ask() { echo "$1;" >&"${tenant[1]}"; read -r -t 60 answer <&"${tenant[0]}"; echo "$answer"; }
echo "SET ROLE test_logical;" >&"${tenant[1]}"
check "models that a role without a tenant sees" "$(ask "SELECT count(*) FROM atomizer.model")" 0

# Rows that C writes, rows that SQL writes; updates of all kinds, deletions, cascades; out-of-line values that stay.
at_publisher
began=$(now)
id=$(sql "SELECT model_id FROM atomizer.model WHERE model_name = 'tiny'")
sql "CALL atomizer.ingest_model('minilm', '${sharded[0]}', tenant => 'acme')"
ingest gone "$MODELS/silero-vad-16k.safetensors" "granularity => 'weight'"
sql "CALL atomizer.spatialize_model($id)"
sql "CALL atomizer.spatialize_model($id, 'row')"
sql "CALL atomizer.compress_model($id, 4, min_parameters => 10000)"
sql "UPDATE atomizer.tensor_atom SET importance_score = 0.5 WHERE layer_name = 'output.weight'" \
    "BEGIN; UPDATE atomizer.tensor_atom SET importance_score = 0.25 WHERE layer_name = 'output.weight';
     UPDATE atomizer.tensor_atom SET importance_score = 0.75 WHERE layer_name = 'output.weight'; COMMIT" \
    "UPDATE atomizer.model SET properties = '{\"note\": 1}' WHERE model_name = 'tiny'" \
    "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = 'gone'" \
    "SELECT count(*) FROM atomizer.collect_garbage()" >/dev/null
check "an ingestion stops at its quota" "$(sqlstate_of "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_chunk_size => 70000, atom_quota => 200000)")" 53400
echo "ingested in $(since "$began") s"
catch_up
echo "applied $(since "$began") s after the beginning"
same "ingested, updated, dropped and collected"
check "rows that are there" "$(sql "SELECT (SELECT count(*) FROM atomizer.tensor_segment) > 1000, (SELECT count(*) FROM atomizer.atom_embedding) > 100,
    (SELECT count(*) FROM atomizer.svd_component) > 0, (SELECT count(*) FROM atomizer.tensor_atom_history WHERE model_id = $id) > 3")" 't|t|t|t'
check "columns that are generated" "$(sql "SELECT count(*) FROM atomizer.tensor_atom WHERE row_count IS NULL OR row_width IS DISTINCT FROM coalesce(shape[cardinality(shape)], 1)")" 0
check_exports tiny "$MODELS/tinycoder.gguf"
check_exports minilm "${sharded[@]}"
check_integrity
check "rows like a row" "$(sql "SELECT count(*) FROM atomizer.similar_rows((SELECT tensor_atom_id FROM atomizer.tensor_atom WHERE layer_name = 'output.weight'), 0, k => 5)")" 5

# The open session hears of its tenant, and of its end.
at_publisher
sql "CREATE ROLE test_logical" "SELECT atomizer.add_tenant_member('acme', 'test_logical')" >/dev/null
catch_up
check "models that the new member sees" "$(ask "SELECT string_agg(model_name, ' ') FROM atomizer.model")" minilm
sql "SELECT atomizer.remove_tenant_member('acme', 'test_logical')" >/dev/null
catch_up
check "models that the former member sees" "$(ask "SELECT count(*) FROM atomizer.model")" 0
echo '\q' >&"${tenant[1]}"
wait "$tenant_client"

# The publisher is lost: the subscriber goes on by itself, as docs/operating.md says.
at_subscriber
sql "ALTER SUBSCRIPTION test_store DISABLE; ALTER SUBSCRIPTION test_store SET (slot_name = NONE)" "DROP SUBSCRIPTION test_store"
"$root/tools/cluster" stop "$own/cluster"
sql "SET search_path = atomizer, public; $(sed -n '/^-- Sequences/,/^```/p' "$root/docs/operating.md" | sed '$d')" >/dev/null
sql "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_quota => 400000)"
check "the half-done job resumed" "$(sql "SELECT job_status, chunks_committed FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'half'")" 'Complete|5'
check_exports half "$MODELS/silero-vad-16k.safetensors"
ingest again "$MODELS/tinycoder.gguf" "granularity => 'weight'"
check "the same file adds nothing" "$(sql "SELECT new_bytes FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'again'")" 0
check_integrity
finish
