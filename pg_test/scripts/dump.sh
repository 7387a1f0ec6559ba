#!/usr/bin/env bash
# pg_dump and pg_restore, into a server of its own, lose nothing: contents, counts, history, tenants, half-done jobs, the place of sequences.
# needs: tinycoder.gguf minilm-sharded silero-vad-16k.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

sharded=("$MODELS"/minilm-sharded/model.safetensors.index.json "$MODELS"/minilm-sharded/model-0000?-of-00003.safetensors)

ingest tiny "$MODELS/tinycoder.gguf" "granularity => 'weight'"
ingest minilm "${sharded[0]}"
ingest gone "$MODELS/silero-vad-16k.safetensors"
sql "SELECT atomizer.create_tenant('acme', 5000000000), atomizer.add_tenant_member('acme', 'postgres')" \
    "CREATE ROLE test_dump_gone; SELECT atomizer.add_tenant_member('acme', 'test_dump_gone'); DROP ROLE test_dump_gone" \
    "UPDATE atomizer.tensor_atom SET importance_score = 0.5 WHERE layer_name = 'output.weight'" \
    "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = 'gone'" >/dev/null
check "an ingestion stops at its quota" "$(sqlstate_of "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_chunk_size => 70000, atom_quota => 200000)")" 53400

# Every table, row for row, and every sequence.
contents() {
    local relation
    for relation in $(sql "SELECT oid::regclass FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE \"C\""); do
        sql "SELECT '$relation', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM $relation t"
    done
    sql "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'atomizer' ORDER BY 1"
}
check "members, one of them dropped" "$(sql "SELECT count(*), count(*) FILTER (WHERE member_role::text ~ '^[0-9]+$') FROM atomizer.tenant_member")" '2|1'
dump=$EXPORTS/dump
began=$(now)
pg_dump -Fc -Z0 -f "$dump"
echo "dumped in $(since "$began") s, $(stat -c %s "$dump") bytes"
# A number could be another role's where the dump is restored.
sql "DELETE FROM atomizer.tenant_member WHERE member_role::text ~ '^[0-9]+$'"
before=$(contents)
echo "$before"
check "history" "$(sql 'SELECT count(*), count(DISTINCT model_id) FROM atomizer.tensor_atom_history')" '16|2'

own_server
createdb restored
export PGDATABASE=restored
began=$(now)
if pg_restore --exit-on-error -d restored "$dump"; then echo "restored in $(since "$began") s"; else check "pg_restore" failed fine; fi

check "every table and sequence is the same" "$(contents | sha256sum)" "$(sha256sum <<<"$before")"
rm "$dump"
check_exports tiny "$MODELS/tinycoder.gguf"
check_exports minilm "${sharded[@]}"
check_integrity
sql "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_quota => 400000)"
check "the half-done job resumed" "$(sql "SELECT job_status, chunks_committed FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'half'")" 'Complete|5'
check_exports half "$MODELS/silero-vad-16k.safetensors"
ingest again "$MODELS/tinycoder.gguf" "granularity => 'weight'"
check "new numbers come after the old ones" "$(sql "SELECT model_id > (SELECT max(model_id) FROM atomizer.model WHERE model_name <> 'again'),
    (SELECT min(tensor_atom_id) FROM atomizer.tensor_atom t WHERE t.model_id = m.model_id) > (SELECT max(tensor_atom_id) FROM atomizer.tensor_atom t WHERE t.model_id <> m.model_id)
    FROM atomizer.model m WHERE model_name = 'again'")" 't|t'
check "the same file adds nothing" "$(sql "SELECT new_bytes FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'again'")" 0
check_integrity
finish
