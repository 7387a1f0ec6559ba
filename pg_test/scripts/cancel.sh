#!/usr/bin/env bash
# Ctrl-C (pg_cancel_backend) and cancel_ingestion_job() stop a large ingestion within about a second, wherever it is, and it resumes.
# alone
# needs: minilm-l6-v2.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
limit=2.0 # seconds: one, and the noise of a busy machine

(($(df --output=avail -k "$EXPORTS" | tail -n 1) > 3000000)) || skip "needs 3 GB of disk"
file=$EXPORTS/big.safetensors
trap 'rm -f "$file" "$EXPORTS/pid" "$EXPORTS/out"' EXIT
write_safetensors "$file" 200000000 130000000 70000000

# begin [ARGUMENT...]: starts an ingestion in the background; sets session to its process, pid to its backend.
begin() {
    : >"$EXPORTS/pid"
    sql 'SELECT pg_backend_pid()' "CALL atomizer.ingest_model('big', '$file')" >"$EXPORTS/pid" 2>"$EXPORTS/out" &
    session=$!
    until read -r pid <"$EXPORTS/pid"; do sleep 0.01; done
}
progress() { sql "SELECT coalesce(bytes_processed, 0) FROM atomizer.ingestion_job"; }
state() { sql "SELECT job_status, error_code, lease_token IS NULL FROM atomizer.ingestion_job"; }

# Where the ingestion is: its plan reads the file, chunks follow, and the fold reads everything again.
planning="EXISTS (SELECT FROM atomizer.ingestion_job WHERE lease_token IS NOT NULL AND total_bytes IS NULL)"
storing="EXISTS (SELECT FROM atomizer.ingestion_job WHERE lease_token IS NOT NULL AND bytes_processed > %s AND bytes_processed < total_bytes)"
folding="EXISTS (SELECT FROM atomizer.ingestion_job WHERE lease_token IS NOT NULL AND bytes_processed = total_bytes AND job_status = 'Processing')"

# interrupt WHERE CONDITION DELAY
interrupt() {
    local where=$1 condition=$2 begun
    begin
    wait_until "$condition"
    sleep "$3"
    begun=$(now)
    sql "SELECT pg_cancel_backend($pid)" >/dev/null
    if wait "$session"; then check "$where: Ctrl-C ends it" no yes; fi
    check_below "$where: seconds until Ctrl-C has effect" "$(since "$begun")" $limit
    # The cancellation may fall between two steps: the lease then ends with the session.
    check "$where: it can be called again at once" "$(sql "SELECT atomizer_internal.is_held(j) FROM atomizer.ingestion_job j")" f
    done_before=$(progress)
}

interrupt plan "$planning" 0.1
check "plan: nothing is planned" "$(sql 'SELECT count(*) FROM atomizer.tensor_atom')" 0
# shellcheck disable=SC2059
interrupt chunk "$(printf "$storing" 0)" 0.5
check_below "chunk: 1, the bytes that were kept" 1 "$done_before"
first=$done_before

# From another session: the function itself, and the end of the ingestion.
begin
# shellcheck disable=SC2059
wait_until "$(printf "$storing" "$first")"
job=$(sql 'SELECT ingestion_job_id FROM atomizer.ingestion_job')
begun=$(now)
check "cancel_ingestion_job" "$(sql "SELECT atomizer.cancel_ingestion_job($job)" | sed 's/stops before its next step/cancelled/')" cancelled
check_below "seconds until cancel_ingestion_job() returns" "$(since "$begun")" $limit
wait "$session" || true
check_below "seconds until the ingestion ends" "$(since "$begun")" $limit
check "it is cancelled" "$(state)" 'Cancelled||t'
check_below "its checkpoint, after that of before ($first)" "$first" "$(progress)"

interrupt fold "$folding" 0.3
check "fold: everything is stored, nothing published" "$(sql 'SELECT bytes_processed = total_bytes, (SELECT count(valid_from) FROM atomizer.tensor_atom), (SELECT count(*) FROM atomizer.model WHERE is_complete) FROM atomizer.ingestion_job')" 't|0|0'

# Called to stop while it reads, it stops before its first chunk.
sql "CALL atomizer.atomize_model_governed($job)"
check "resumed and complete" "$(state)" 'Complete||t'
check_exports big "$file"
sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model" >/dev/null
# A plan and a fold are one transaction each, too.
for where in planning folding; do
    begin
    wait_until "${!where}"
    sleep 0.1
    sql 'SELECT pg_sleep(2)' >/dev/null &
    bystander=$!
    begun=$(now)
    check "$where: cancel_ingestion_job" "$(sql "SELECT atomizer.cancel_ingestion_job(ingestion_job_id) FROM atomizer.ingestion_job")" cancelled
    check_below "$where: seconds until cancel_ingestion_job() returns" "$(since "$begun")" $limit
    wait "$session" || true
    check_below "$where: seconds until the ingestion ends" "$(since "$begun")" $limit
    check "$where: it is cancelled" "$(state)" 'Cancelled||t'
    wait "$bystander" && status=0 || status=$?
    check "$where: another session's statement goes on" "$status" 0
done

# Interrupted again and again in one session, at every moment, also between two chunks: the next call always gets the job.
sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model" "SELECT atomizer.collect_garbage()" >/dev/null
job=$(sql "SELECT atomizer.create_ingestion_job(atomizer.register_model('big'), '$file', atom_chunk_size => 1)")
{
    echo "SET statement_timeout = 1500; CALL atomizer.atomize_model_governed($job);"
    for ((i = 0; i < 40; i++)); do
        echo "SET statement_timeout = $((40 + i)); CALL atomizer.atomize_model_governed($job);"
        echo '\echo :SQLSTATE'
    done
} | psql -X -q -v VERBOSITY=sqlstate 2>/dev/null >"$EXPORTS/out"
check "forty calls in one session, each interrupted" "$(sort "$EXPORTS/out" | uniq -c | xargs)" '40 57014'
sql "CALL atomizer.atomize_model_governed($job)"
check "complete after forty calls" "$(state)" 'Complete||t'
sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model" >/dev/null

# What reads for long can be interrupted, too.
sql "CALL atomizer.ingest_model('big', '$file')"
model="(SELECT model_id FROM atomizer.model WHERE model_name = 'big')"
id=$(sql "SELECT $model")
sql "CALL atomizer.ingest_model('matrices', '$MODELS/minilm-l6-v2.safetensors')"
matrices=$(sql "SELECT model_id FROM atomizer.model WHERE model_name = 'matrices'")
while IFS='|' read -r what statement; do
    begun=$(now)
    check "$what ends at its timeout" "$(TIMEOUT=200ms sqlstate_of "$statement")" 57014
    check_below "$what: seconds" "$(since "$begun")" "$(awk -v l=$limit 'BEGIN { print l + 0.2 }')"
done <<STATEMENTS
verify_model|SELECT count(*) FROM atomizer.verify_model($model)
read_model_file|SELECT sum(octet_length(bytes)) FROM atomizer.read_model_file($model)
export_model_file|SELECT atomizer.export_model_file($model, '$EXPORTS/never')
tensor_stats|SELECT atomizer.tensor_stats(tensor_atom_id) FROM atomizer.tensor_atom
tensor_bytes|SELECT sum(octet_length(atomizer.tensor_bytes(tensor_atom_id))) FROM atomizer.tensor_atom, generate_series(1, 20)
tensor_float32_bytes|SELECT sum(octet_length(atomizer.tensor_float32_bytes(tensor_atom_id))) FROM atomizer.tensor_atom, generate_series(1, 20)
the view|SELECT count(*) FROM atomizer.tensor_atom_coefficient
check_integrity|SELECT atomizer.check_integrity()
spatialize_model|CALL atomizer.spatialize_model($id)
compress_model|CALL atomizer.compress_model($matrices, rank => 64, min_parameters => 1)
STATEMENTS
# What they showed is gone with them, and long work tells its client.
check "nothing is in progress" "$(sql 'SELECT count(*) FROM atomizer.progress')" 0
check "check_integrity tells how far it is" "$(psql -X -q -A -t -c 'SELECT count(*) FROM atomizer.check_integrity()' 2>&1 | grep -cE 'NOTICE:  (verifying|decoding contents): [0-9]+ % of 4[0-9]+ MB, [0-9.]+ [MG]B/s' | awk '{ print ($1 > 0) }')" 1
check "an interrupted export leaves no file" "$(find "$EXPORTS" -name '*never*')" ''
check_integrity
finish
