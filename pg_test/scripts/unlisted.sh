#!/usr/bin/env bash
# What is in a file and not listed as a tensor is told in the same way for every format: a notice with the number and the
# first reasons, all of them under one key of the metadata, and an error where the caller is strict.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

files=$EXPORTS/unlisted
cp -r "$ATOMIZER_ROOT/testdata/models" "$files"
cp "$ATOMIZER_ROOT/testdata/hdf5/types-latest.h5" "$files"
chmod -R a+rX "$files"

# The messages of a statement.
told() { psql -X -q -A -t -o /dev/null -c "$1" 2>&1; }

# check_unlisted FILE NUMBER TENSORS REASON
check_unlisted() {
    local path=$files/$1 list="FROM atomizer.list_tensors(model_path => '$files/$1'"
    local message thing='things in the model are'
    [[ $2 != 1 ]] || thing='thing in the model is'
    check "$1: tensors" "$(sql "SELECT count(*) $list)")" "$3"
    message=$(told "SELECT count(*) $list)" | head -1)
    check "$1: the number in the notice" "${message%% tensor: *}" "NOTICE:  $2 $thing not listed as a"
    check "$1: the reason in the notice" "$([[ $message == *"$4"* ]] && echo yes || echo "$message")" yes
    check "$1: the list in the metadata" \
        "$(sql "SELECT jsonb_array_length(m -> 'unlisted_tensors'), m -> 'unlisted_tensors' @> to_jsonb('$4'::text) FROM atomizer.model_metadata(model_path => '$path', full_arrays => true) m")" \
        "$2|t"
    check "$1: strict lists" "$(sqlstate_of "SELECT $list, strict => true)")" 0A000
    check "$1: strict weights" "$(sqlstate_of "SELECT FROM atomizer.extract_model_weights(model_path => '$path', strict => true)")" 0A000
    check "$1: strict streams" "$(sqlstate_of "SELECT FROM atomizer.stream_atomic_weights_chunked(model_path => '$path', strict => true)")" 0A000
    check "$1: strict ingestion" "$(sqlstate_of "CALL atomizer.ingest_model('strict', '$path', strict => true)")" 0A000
    sql "CALL atomizer.ingest_model('$1', '$path', granularity => 'tensor')"
    check "$1: the list in the stored model's metadata" \
        "$(sql "SELECT coalesce(metadata #>> '{unlisted_tensors,count}', jsonb_array_length(metadata -> 'unlisted_tensors')::text) FROM atomizer.model WHERE model_name = '$1'")" "$2"
}

check_unlisted numpy.npz 3 24 'record: of the type record, which is not known'
check_unlisted torch-more.pt 1 11 'meta: a meta tensor, which has no data'
check_unlisted small-all.onnx 3 65 'texts: a tensor of texts'
check_unlisted small-all.pb 1 53 'texts: a constant that is no number'
check_unlisted small-partitioned.index 1 3 'texts: a variable that is no number'
check_unlisted types-latest.h5 16 41 'links/dangling: a soft link to "/nowhere"'
check "a model that was refused leaves nothing" "$(sql "SELECT count(*) FROM atomizer.model WHERE model_name = 'strict'")" 0

# Files of which everything is listed, in every format.
for name in same.gguf same.safetensors same.pt same.onnx numpy-fortran.npy torch-keys-protocol2.pt keras-sharded-split.weights.json \
    savedmodel-beside savedmodel-captured savedmodel-constants savedmodel-nested savedmodel-plain; do
    check "$name: no notice" "$(told "SELECT count(*) FROM atomizer.list_tensors(model_path => '$files/$name')")" ''
    check "$name: strict" "$(sqlstate_of "SELECT FROM atomizer.extract_model_weights(model_path => '$files/$name', strict => true)")" 00000
    check "$name: a strict ingestion comes back" "$(sqlstate_of "CALL atomizer.ingest_model('$name', '$files/$name', strict => true)") $(sql "SELECT is_identical FROM atomizer.verify_model('$name')" | sort -u)" "00000 t"
done

# A wrong checksum of a tensor's record hinders nobody, and is said.
check "a wrong checksum" "$(sql "SELECT metadata -> 'warnings' ->> 0 LIKE '%checksum%' OR metadata -> 'warnings' ->> 0 LIKE '%CRC%' FROM (SELECT atomizer.model_metadata(model_path => '$files/torch-crc-tensor.pt') AS metadata) x")" t
check "checksums that were not computed" "$(sql "SELECT atomizer.model_metadata(model_path => '$files/torch-crc-none.pt') ? 'warnings'")" f
finish
