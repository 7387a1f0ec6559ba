#!/usr/bin/env bash
# The source file changes under an ingestion: truncated, overwritten, replaced, grown, deleted, without rights. Each time a clear error,
# kept in the job, a server that goes on, and an ingestion that resumes when the file is back.
# needs: minilm-f16.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

original=$MODELS/minilm-f16.safetensors
file=$EXPORTS/model.safetensors
size=$(stat -c %s "$original")
start=$(server_start)
restore() {
    rm -f "$file"
    cp "$original" "$file"
    chmod 644 "$file"
}

# disturb HOW PATTERN COMMAND...: begins an ingestion of small chunks, runs the command in its midst, and restores the file.
disturb() {
    local how=$1 pattern=$2 job state
    shift 2
    restore
    sql "CALL atomizer.ingest_model('$how', '$file', atom_chunk_size => 100000)" >/dev/null 2>"$EXPORTS/error" &
    wait_until "EXISTS (SELECT FROM atomizer.ingestion_job WHERE chunks_committed > 5)"
    "$@"
    if wait $!; then check "$how: the ingestion ends with an error" no yes; fi
    job=$(sql "SELECT ingestion_job_id FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = '$how'")
    grep '^ERROR' "$EXPORTS/error" || true
    check "$how: the job keeps the error" "$(sql "SELECT job_status, error_code ~ '^($pattern)$', error_message = \$\$$(sed -n 's/^ERROR:  //p' "$EXPORTS/error")\$\$, lease_token IS NULL, is_complete
        FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE ingestion_job_id = $job")" 'Failed|t|t|t|f'
    check "$how: the same server" "$(server_start)" "$start"
    state=$(sql "SELECT current_atom_offset FROM atomizer.ingestion_job WHERE ingestion_job_id = $job")
    restore
    sql "CALL atomizer.atomize_model_governed($job)" || true
    check "$how: resumed and complete" "$(sql "SELECT job_status, total_atoms_processed, $state BETWEEN 1 AND total_atoms FROM atomizer.ingestion_job WHERE ingestion_job_id = $job")" 'Complete|22713728|t'
    check "$how: verified" "$(sql "SELECT is_identical FROM atomizer.verify_model((SELECT model_id FROM atomizer.model WHERE model_name = '$how'))")" t
    if [[ $(sql "SELECT is_complete FROM atomizer.model WHERE model_name = '$how'") == t ]]; then check_exports "$how" "$original"; fi
    check_integrity
    sql 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' 'SELECT atomizer.collect_garbage()' >/dev/null
}

cut_in_half() { truncate -s $((size / 2)) "$file"; }
cut_to_nothing() { truncate -s 0 "$file"; }
grow() { head -c 4096 /dev/urandom >>"$file"; }
remove() { rm "$file"; }
make_folder() { rm "$file" && mkdir "$file" && chmod 755 "$file"; }
# The second half, which has not been read yet; the length stays.
overwrite() { head -c $((size / 2)) /dev/urandom | dd of="$file" bs=1M oflag=seek_bytes seek=$((size / 2)) conv=notrunc status=none; }
replace() {
    { head -c $((size / 2)) "$original"; head -c $((size - size / 2)) /dev/urandom; } >"$file.new"
    chmod 644 "$file.new"
    mv "$file.new" "$file"
}

disturb 'cut in half' '58030|55000' cut_in_half
disturb 'cut to nothing' '58030|55000' cut_to_nothing
disturb 'grown' '55000' grow
disturb 'deleted' '58P01' remove
disturb 'overwritten' 'XX001|55000|58030' overwrite
disturb 'replaced' 'XX001|55000|58030' replace
rm -f "$file"

# The file is a folder, or nothing but rights is amiss.
restore
sql "SELECT atomizer.set_atom_quota(atomizer.create_ingestion_job(atomizer.register_model('m'), '$file'), 1)" >/dev/null
job=$(sql 'SELECT max(ingestion_job_id) FROM atomizer.ingestion_job')
check "the quota stops it" "$(sqlstate_of "CALL atomizer.atomize_model_governed($job)")" 53400
make_folder
check "an empty folder, which is no model" "$(sqlstate_of "CALL atomizer.atomize_model_governed($job)")" 0A000
rmdir "$file"
restore
chmod 000 "$file"
((EUID)) || chown root "$file"
check "no right to read it" "$(sqlstate_of "CALL atomizer.atomize_model_governed($job)")" 42501
restore
sql "SELECT atomizer.set_atom_quota($job, NULL)" "CALL atomizer.atomize_model_governed($job)" >/dev/null
check_exports m "$original"
check "the same server all along" "$(server_start)" "$start"
rm -f "$file" "$EXPORTS/error"
finish
