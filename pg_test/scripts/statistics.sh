#!/usr/bin/env bash
# The planner may take full tables for empty, as when they were analyzed before they grew: what writes costs the same, and an
# ingestion and the placing of points mend it.
# needs: silero-vad-16k.safetensors minilm-bf16.safetensors tinycoder.gguf
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
tables="SELECT relname FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind = 'r'"

# Autovacuum would come by at any time.
sql "SELECT format('ALTER TABLE atomizer.%I SET (autovacuum_enabled = off);', relname) FROM ($tables) t" | psql -Xq -v ON_ERROR_STOP=1

milliseconds() {
    local begun
    begun=$(date +%s%N)
    sql "SET statement_timeout = '120s'" "$1" >/dev/null || return 1
    echo $((($(date +%s%N) - begun) / 1000000))
}
take_for_empty() {
    local ids="SELECT format('atomizer.%I', relname)::regclass FROM ($tables) t"
    sql "UPDATE pg_class SET reltuples = 0 WHERE oid IN ($ids)" "DELETE FROM pg_statistic WHERE starelid IN ($ids)"
}
unknown() {
    sql "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
         WHERE oid IN (SELECT format('atomizer.%I', relname)::regclass FROM ($tables) t) AND reltuples <= 0 AND relname = ANY ('{$1}')"
}

# A store in which weights have atoms; each step once with the statistics as they are, and once without.
sql "CALL atomizer.ingest_model('vad', '$MODELS/silero-vad-16k.safetensors', granularity => 'weight')"
sql "CALL atomizer.ingest_model('tiny', '$MODELS/tinycoder.gguf', granularity => 'weight')"
check 'an ingestion leaves no table unknown' "$(unknown atom,tensor_atom,model,model_file)" ''
declare -A known
for statistics in known stale; do
    for step in \
        "CALL atomizer.ingest_model('bf16', '$MODELS/minilm-bf16.safetensors')" \
        "CALL atomizer.ingest_model('again', '$MODELS/tinycoder.gguf', granularity => 'weight')" \
        "CALL atomizer.spatialize_model('bf16')" \
        "CALL atomizer.spatialize_model('bf16', granularity => 'row')" \
        "CALL atomizer.analyze_model('vad')" \
        "CALL atomizer.compress_model('vad', rank => 4, min_parameters => 0)" \
        "SELECT atomizer.drop_model('again')" \
        "SELECT atomizer.drop_model('bf16')" \
        "SELECT * FROM atomizer.collect_garbage()"; do
        if [[ $statistics == stale ]]; then
            take_for_empty
            check_below "${step:0:60}, ms" "$(milliseconds "$step")" $((3 * known[$step] + 1000))
        else
            known[$step]=$(milliseconds "$step")
        fi
        [[ $step != *"'row'"* ]] || check 'nor does the placing of points' "$(unknown atom_embedding)" ''
        [[ $step != *analyze_model* ]] || check 'nor do measures' "$(unknown spectral_measure)" ''
        [[ $step != *compress_model* ]] || check 'nor do decompositions' "$(unknown svd_component)" ''
    done
    check 'what is left' "$(sql 'SELECT model_name FROM atomizer.model ORDER BY 1' | paste -sd ' ')" 'tiny vad'
done

# A table that somebody else has locked is left out, without a word to the client.
psql -Xq -c "BEGIN; LOCK atomizer.atom IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(600)" >/dev/null 2>&1 &
wait_until "EXISTS (SELECT FROM pg_locks WHERE relation = 'atomizer.atom'::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted)"
take_for_empty
check 'what is said of a table that is locked' "$(sql "CALL atomizer.ingest_model('bf16', '$MODELS/minilm-bf16.safetensors')" 2>&1)" ''
check 'it is left as it is' "$(unknown atom,tensor_atom)" atom
sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'atomizer.atom'::regclass AND mode = 'ShareUpdateExclusiveLock'" >/dev/null
wait || true
check_integrity
finish
