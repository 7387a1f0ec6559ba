#!/usr/bin/env bash
# Models that share tensors and weights are ingested side by side, two of them under one name, while others come and go:
# no deadlock, nothing lost, every count exact.
# needs: minilm-l6-v2.safetensors minilm-l6-v2-copy.safetensors minilm-sharded minilm-f16.safetensors minilm-bf16.safetensors tinycoder.gguf tinycoder-split
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
deadlocks() { sql "SELECT pg_stat_clear_snapshot()" "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()" | tail -n 1; }
# In the background: an ingestion in small chunks, so that the sessions meet often.
run() {
    local log=$1 name=$2 path=$3 granularity=$4
    sql "CALL atomizer.ingest_model('$name', '$path', granularity => '$granularity', atom_chunk_size => $((200000 + RANDOM * 20)))" >"$logs/$log" 2>&1 &
}

RANDOM=7
for round in 1 2; do
    workers=()
    # Four of the same tensors, in one file, another, shards, and once more; and two pairs that share only weights.
    run a1 whole "$MODELS/minilm-l6-v2.safetensors" tensor; workers+=($!)
    run a2 copy "$MODELS/minilm-l6-v2-copy.safetensors" tensor; workers+=($!)
    run a3 sharded "$MODELS/minilm-sharded/model.safetensors.index.json" tensor; workers+=($!)
    run a4 f16 "$MODELS/minilm-f16.safetensors" weight; workers+=($!)
    run a5 f16-copy "$MODELS/minilm-f16.safetensors" weight; workers+=($!)
    run a6 bf16 "$MODELS/minilm-bf16.safetensors" weight; workers+=($!)
    # The same name twice: one makes it, the other one is told so (in whatever state it finds the first), or comes when it is done.
    run b1 twice "$MODELS/tinycoder.gguf" weight; twice1=$!
    run b2 twice "$MODELS/tinycoder.gguf" weight; twice2=$!
    touch "$logs/churn"
    (
        churns=0
        while [[ -e $logs/churn ]]; do
            sql "CALL atomizer.ingest_model('churn', '$MODELS/tinycoder-split/tiny-00001-of-00003.gguf', granularity => 'weight', atom_chunk_size => 300000)" \
                "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = 'churn'" "SELECT atomizer.collect_garbage()" >/dev/null
            churns=$((churns + 1))
        done
        echo "$churns" >"$logs/churns"
    ) 2>"$logs/churn-errors" &
    churn=$!

    failed=0
    for pid in "${workers[@]}"; do wait "$pid" || failed=$((failed + 1)); done
    twice=0
    for pid in "$twice1" "$twice2"; do wait "$pid" && twice=$((twice + 1)); done
    rm "$logs/churn"
    wait "$churn" || failed=$((failed + 1))
    cat "$logs"/a? "$logs/churn-errors"

    check "round $round: sessions that failed" "$failed" 0
    check "round $round: of two sessions with one name, at least one succeeds" "$((twice >= 1))" 1
    grep -h ERROR "$logs"/b? || true
    check "round $round: what the other is told" "$(grep -h ERROR "$logs"/b? | sed -E 's/[0-9]+/N/g' | grep -cvE 'exists already|has ingestion job N already|is being processed by backend N')" 0
    check "round $round: deadlocks" "$(deadlocks)" 0
    check "round $round: complete models" "$(sql "SELECT count(*), count(*) FILTER (WHERE is_complete) FROM atomizer.model")" '7|7'
    check "round $round: complete jobs" "$(sql "SELECT count(*) FROM atomizer.ingestion_job WHERE job_status = 'Complete' AND total_atoms_processed = total_atoms")" 7
    check_below "round $round: 1 at least, models that came and went" 1 "$(cat "$logs/churns")"
    check "round $round: contents of MiniLM's tensors" "$(sql "SELECT count(DISTINCT content_hash), count(*) FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name IN ('whole', 'copy', 'sharded')")" '104|312'
    check_integrity
    check_exports copy "$MODELS/minilm-l6-v2-copy.safetensors"
    check_exports f16-copy "$MODELS/minilm-f16.safetensors"
    # All are dropped at once, while garbage is collected.
    dropping=()
    for name in whole copy sharded f16 f16-copy bf16 twice; do
        sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = '$name'" 'SELECT atomizer.collect_garbage()' >"$logs/drop-$name" 2>&1 &
        dropping+=($!)
    done
    failed=0
    for pid in "${dropping[@]}"; do wait "$pid" || failed=$((failed + 1)); done
    grep -h ERROR "$logs"/drop-* || true
    check "round $round: drops that failed" "$failed" 0
    sql 'SELECT atomizer.collect_garbage()' >/dev/null
    check "round $round: nothing is left" "$(sql 'SELECT (SELECT count(*) FROM atomizer.atom), (SELECT count(*) FROM atomizer.tensor_segment)')" '0|0'
    check "round $round: deadlocks" "$(deadlocks)" 0
done
finish
