#!/usr/bin/env bash
# The ingesting backend is killed at random moments, which restarts the server: what was committed is kept, no more and no less, the
# ingestion resumes at once, and in the end model and store are whole. In a server of its own, durable as by default.
# needs: minilm-f16.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
wanted=${ATOMIZER_KILLS:-30}
RANDOM=${ATOMIZER_SEED:-42}

own_server
sql 'CREATE EXTENSION atomizer CASCADE'
file=$MODELS/minilm-f16.safetensors

# How long a whole ingestion and a drop take.
begun=$(now)
sql "CALL atomizer.ingest_model('m', '$file', granularity => 'weight', atom_chunk_size => 300000)"
whole=$(since "$begun")
begun=$(now)
sql 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' 'SELECT atomizer.collect_garbage()' >/dev/null
drop=$(since "$begun")
echo "an ingestion takes $whole s, to drop it $drop s; seed ${ATOMIZER_SEED:-42}"

# killed AT STATEMENT...: runs statements and kills their backend at a random moment within AT seconds; false when they were done before.
killed() {
    local at=$1 pid=
    shift
    : >"$own/pid"
    sql 'SELECT pg_backend_pid()' "$@" >"$own/pid" 2>"$own/log" &
    until read -r pid <"$own/pid"; do sleep 0.01; done
    sleep "$(awk -v at="$at" -v r="$RANDOM" 'BEGIN { printf "%.3f", at * r / 32768 }')"
    # Somebody else may have got the number meanwhile.
    if [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == postgres:* ]]; then kill -9 "$pid"; fi 2>/dev/null
    # Killed while it ended with everything done, it takes the server down just the same.
    if wait $!; then sleep 0.3; wait_for_server; return 1; fi
    wait_for_server
    grep -q 'server closed the connection\|terminating connection\|connection to server was lost' "$own/log" || { cat "$own/log"; check "the backend is killed" no yes; }
}

state() {
    sql "SELECT coalesce(total_atoms_processed, 0), CASE WHEN total_atoms IS NULL THEN 'plan' WHEN job_status = 'Complete' THEN 'complete' WHEN bytes_processed < total_bytes THEN 'chunk' ELSE 'fold' END,
         total_atoms_processed = current_atom_offset AND total_atoms_processed <= coalesce(total_atoms, 0), chunks_committed, error_code IS NULL FROM atomizer.ingestion_job"
}

declare -A in_phase=([plan]=0 [chunk]=0 [fold]=0 [drop]=0)
kills=0 rounds=0
missed() { local phase; for phase in "${!in_phase[@]}"; do if ((in_phase[$phase] == 0)); then return 0; fi; done; return 1; }
while ((kills < wanted)) || { missed && ((kills < 4 * wanted)); }; do
    rounds=$((rounds + 1))
    sql "SELECT atomizer.create_ingestion_job(atomizer.register_model('m'), '$file', granularity => 'weight', atom_chunk_size => 300000)" >/dev/null
    job=$(sql 'SELECT ingestion_job_id FROM atomizer.ingestion_job')
    atoms=0 resumed=0
    # The first kill comes early, when the files are read to plan, and earlier in each round, however quick the machine is just then;
    # later ones come anywhere in what is left to do.
    while killed "$(awk -v w="$whole" -v n="$resumed" -v round="$rounds" 'BEGIN { print (n ? 0.6 : 0.12 / round) * w }')" "CALL atomizer.atomize_model_governed($job)"; do
        kills=$((kills + 1)) resumed=$((resumed + 1))
        IFS='|' read -r now_atoms phase sound _ no_error < <(state)
        [[ $phase == complete ]] || in_phase[$phase]=$((in_phase[$phase] + 1))
        if ((now_atoms < atoms)) || [[ $sound != t || $no_error != t ]]; then
            check "round $rounds, kill $kills: after $atoms atoms" "$now_atoms, $sound, $no_error" "as many or more, t, t"
        fi
        atoms=$now_atoms
        ((resumed < 30)) || { check "round $rounds: comes to an end" no yes; break; }
    done
    check "round $rounds: complete after $resumed kills" "$(state)" "22713728|complete|t|$(sql 'SELECT chunks_committed FROM atomizer.ingestion_job')|t"
    check "round $rounds: verified" "$(sql 'SELECT is_identical FROM atomizer.model, atomizer.verify_model(model_id)')" t
    check "round $rounds: weights" "$(sql "SELECT sum(reference_count) FROM atomizer.atom WHERE kind = 'weight'")" 22713728
    check_integrity
    # To drop it takes all or nothing, too. After a crash it takes longer than before; three kills a round leave the rest to others.
    for ((i = 1; i <= 3; i++)); do
        killed "$drop" 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' 'SELECT atomizer.collect_garbage()' || break
        kills=$((kills + 1)) in_phase[drop]=$((in_phase[drop] + 1))
        check_integrity
    done
    sql 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' >/dev/null
    sql 'SELECT atomizer.collect_garbage()' >/dev/null
    check "round $rounds: nothing is left" "$(sql 'SELECT (SELECT count(*) FROM atomizer.atom), (SELECT count(*) FROM atomizer.tensor_segment), (SELECT count(*) FROM atomizer.model)')" '0|0|0'
done
echo "$kills kills in $rounds rounds: ${in_phase[plan]} in a plan, ${in_phase[chunk]} in a chunk, ${in_phase[fold]} in a fold, ${in_phase[drop]} in a drop"
for phase in plan chunk fold drop; do check "some kills came in a $phase" "$((in_phase[$phase] > 0))" 1; done
sql "CALL atomizer.ingest_model('after', '$file')"
check_exports after "$file"
check_integrity
finish
