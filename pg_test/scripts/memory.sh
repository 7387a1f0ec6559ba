#!/usr/bin/env bash
# A large file is ingested, verified and exported in little memory of the backend's own: one of 290 MB, with make soak of
# more than a gigabyte.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
limit=100 # MB
part=4
[[ -z ${ATOMIZER_SOAK:-} ]] || part=1

(($(df --output=avail -k "$EXPORTS" | tail -n 1) > 5000000 / part)) || skip "needs $((5 / part)) GB of disk"
file=$EXPORTS/large.safetensors
trap 'rm -f "$file" "$EXPORTS/pid" "$EXPORTS/out"' EXIT
write_safetensors "$file" $((600000000 / part)) $((524288000 / part)) $((26214400 / part))
check_below "bytes of the file, $((1100 / part)) MB at least" $((1100000000 / part)) "$(stat -c %s "$file")"

# measure WHAT STATEMENT: the peak of what the backend has in memory that is not shared, above what it had before.
measure() {
    local what=$1 pid before peak=0 now
    : >"$EXPORTS/pid"
    sql 'SELECT pg_backend_pid()' 'SELECT pg_sleep(0.5)' "$2" >"$EXPORTS/pid" 2>"$EXPORTS/out" &
    until read -r pid <"$EXPORTS/pid"; do sleep 0.01; done
    before=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")
    while now=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ -n $now ]]; do
        if ((now > peak)); then peak=$now; fi
        sleep 0.02
    done
    wait $! || { cat "$EXPORTS/out"; check "$what" failed fine; }
    check_below "$what: peak MB of the backend's own memory" "$(((peak - before) / 1024))" $limit
}

measure 'ingestion' "CALL atomizer.ingest_model('large', '$file')"
check "complete" "$(sql 'SELECT job_status, total_bytes = bytes_processed FROM atomizer.ingestion_job')" 'Complete|t'
measure 'verification' "SELECT count(*) FROM atomizer.verify_model((SELECT model_id FROM atomizer.model))"
measure 'statistics' "SELECT atomizer.tensor_stats(tensor_atom_id) FROM atomizer.tensor_atom"
measure 'export' "SELECT atomizer.export_model_file((SELECT model_id FROM atomizer.model), '$EXPORTS/large.out')"
check "the export is the file" "$(sha256 "$EXPORTS/large.out")" "$(sha256 "$file")"
rm -f "$EXPORTS/large.out"
measure 'bytes for the client' \
    "SELECT sum(octet_length(bytes)) FROM atomizer.read_model_file((SELECT model_id FROM atomizer.model))"
check "they are those of the file" "$(psql -qAtX -c "COPY (SELECT encode(bytes, 'hex') FROM atomizer.model, atomizer.read_model_file(model_id)) TO STDOUT" |
    perl -ne 'chomp; print pack("H*", $_)' | sha256sum | cut -d' ' -f1)" "$(sha256 "$file")"
measure 'single weights, 3,000 of them in one statement' \
    "SELECT count(atomizer.tensor_weight(t.tensor_atom_id, i * 13, 0)) FROM atomizer.tensor_atom t, generate_series(1, 3000) i WHERE tensor_no = 2"
measure 'reading the view, a million weights' "SELECT count(*) FROM (SELECT weight FROM atomizer.tensor_atom_coefficient LIMIT 1000000) x"
measure 'twenty statistics in one statement' \
    "SELECT max(s.max) FROM generate_series(1, 20) i, atomizer.tensor_atom t, atomizer.tensor_stats(t.tensor_atom_id + 0 * i) s WHERE tensor_no = 2"
measure 'ingestion of what is there already' "CALL atomizer.ingest_model('again', '$file')"
check "nothing new but the name" "$(sql "SELECT new_bytes FROM atomizer.ingestion_job ORDER BY ingestion_job_id DESC LIMIT 1")" 0
finish
