#!/usr/bin/env bash
# Every malformed or malicious file of ../shared/hostile is refused, or read as far as it is harmless, as its manifest says.
# needs: shared
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
TIMEOUT=20s

[[ -r $SHARED/hostile/manifest.json ]] || skip "there are no hostile files"
canary=$(find "${TMPDIR:-/tmp}" /tmp -maxdepth 1 -name models_hostile_canary)
check "no canary before" "$canary" ''
start=$(server_start)
rows() { sql "SELECT (SELECT count(*) FROM atomizer.atom), (SELECT count(*) FROM atomizer.tensor_segment), (SELECT count(*) FROM atomizer.tensor_atom), (SELECT count(*) FROM atomizer.model_file)"; }

# What the manifest expects: "reject", "accept, …", either ("reject or …"), or what reading must keep to ("bounded").
verdict() {
    local state=$1 expect=$2
    case $state in
        XX000 | XX001 | XX002 | 57014 | 57P0? | 08* | '') echo "bad" ;;
        00000) [[ $expect == reject* && $expect != *" or "* ]] && echo "accepted" || echo "as expected" ;;
        *) [[ $expect == accept* && $expect != *reject* ]] && echo "refused" || echo "as expected" ;;
    esac
}

files=0
while IFS='|' read -r name format expect; do
    files=$((files + 1))
    path=$SHARED/hostile/$name
    # The folder has no file "w16.bin": a test of the engine opens this one with it.
    [[ $name != onnx/ext_unknown_key.onnx ]] || expect=reject
    states=
    for call in "SELECT count(*) FROM atomizer.list_tensors(model_path => '$path')" \
        "SELECT count(*) FROM atomizer.extract_model_weights(model_path => '$path')" \
        "SELECT count(*) FROM atomizer.model_metadata(model_path => '$path', full_arrays => true)" \
        "SELECT count(*) FROM atomizer.stream_atomic_weights_chunked(model_path => '$path')" \
        "SELECT count(*) FROM atomizer.list_tensors(pg_read_binary_file('$path'))" \
        "CALL atomizer.ingest_model('hostile', '$path')"; do
        state=$(sqlstate_of "$call")
        states+="$state "
        check "$name ($expect): $(sed -E 's/.*atomizer\.([a-z_]+).*/\1/' <<<"$call") ends with $state" "$(verdict "$state" "$expect")" "as expected"
    done
    # What is wrong with these stands in their headers, which all calls read.
    [[ $format != gguf && $format != safetensors ]] ||
        check "$name: all say the same" "$(tr ' ' '\n' <<<"${states% }" | sort -u | wc -l)" 1
    if [[ $state == 00000 ]]; then
        check_exports hostile "$path"
    else
        # What is left is the job with its error, and the model it is for.
        check "$name: nothing is stored" "$(rows)" '0|0|0|0'
        check "$name: jobs that are not failed with this error" \
            "$(sql "SELECT count(*) FROM atomizer.ingestion_job WHERE job_status <> 'Failed' OR error_code <> '$state' OR total_atoms_processed > 0")" 0
    fi
    sql 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' 'SELECT atomizer.collect_garbage()' >/dev/null
    check "$name: nothing is left" "$(rows) $(sql 'SELECT (SELECT count(*) FROM atomizer.model), (SELECT count(*) FROM atomizer.ingestion_job)')" '0|0|0|0 0|0'
done < <(sql "SELECT e ->> 'name', e ->> 'format', e ->> 'expect' FROM jsonb_array_elements(pg_read_file('$SHARED/hostile/manifest.json')::jsonb) e ORDER BY 1")
check_below "files" 80 "$files"

# The formats are told apart by their content, also under another's name.
for path in "$SHARED"/hostile/{torch,onnx,h5,keras,tf}/00_control_valid*; do
    [[ ! -e $path ]] || check "$(basename "$path") named a GGUF" "$(verdict "$(sqlstate_of "SELECT atomizer.list_tensors(pg_read_binary_file('$path'), 'GGUF')")" reject)" 'as expected'
done
for path in "$SHARED"/hostile/torch/exec_{reduce,proto0,hidden,stack_global}.pt; do
    [[ ! -e $path ]] || check "$(basename "$path") is dangerous" "$(sql "SELECT count(*) > 0 FROM atomizer.model_pickle_report(model_path => '$path') WHERE verdict = 'dangerous'")" t
done

check "no canary after" "$(find "${TMPDIR:-/tmp}" /tmp -maxdepth 1 -name models_hostile_canary)" ''
check "the same server all along" "$(server_start)" "$start"
check_integrity
finish
