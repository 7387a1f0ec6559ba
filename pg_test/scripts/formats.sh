#!/usr/bin/env bash
# Models of every format: each tensor has the name, shape, type and SHA-256 that the official reader gives it
# (testdata/manifests), and every file is given back as it was.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

# Small files of the engine's own tests, where the server can read them.
small=$EXPORTS/small
cp -r "$ATOMIZER_ROOT/testdata/models" "$small"
chmod -R a+rX "$small"

# Where the model of a manifest is; nothing where it is absent. A checkpoint is named by its index.
find_model() {
    local folder
    for folder in "$small" "$MODELS" ${SHARED:+"$SHARED/fixtures" "$SHARED/fixtures/tf-frozen"}; do
        for path in "$folder/$1" "$folder/$1.index"; do
            [[ -e $path ]] && echo "$path" && return
        done
    done
}

sql "CREATE TABLE manifest (layer_name text, shape text, data_type text, sha256 text)"
found="SELECT layer_name, array_to_string(shape, ',') AS shape, data_type::text, encode(content_hash, 'hex') AS sha256
       FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = :'name'"
compared=0
for manifest in "$ATOMIZER_ROOT"/testdata/manifests/*.tsv; do
    name=$(basename "$manifest" .tsv)
    path=$(find_model "$name") || path=
    if [[ -z $path ]]; then
        echo "skipped $name: the model is absent"
        continue
    fi
    sql "CALL atomizer.ingest_model('$name', '$path', granularity => 'tensor')"
    sql "TRUNCATE manifest"
    psql -X -q -c "\\copy manifest FROM '$manifest'"
    difference=$(psql -X -q -A -t -v name="$name" <<<"
        SELECT count(*) FROM manifest \\gset
        (TABLE manifest EXCEPT $found) UNION ALL ($found EXCEPT TABLE manifest) LIMIT 3;
        SELECT 'the manifest is empty' WHERE :count = 0;")
    check "$name: tensors that differ" "$difference" ''
    check "$name: files that are not identical" \
        "$(sql "SELECT file_name FROM atomizer.model, atomizer.verify_model(model_id) WHERE model_name = '$name' AND NOT is_identical")" ''
    folder=$path
    [[ -d $path ]] || folder=$(dirname "$path")
    while IFS='|' read -r model_id file_no file_name; do
        sql "SELECT atomizer.export_model_file($model_id, '$EXPORTS/exported', $file_no, overwrite => true)"
        cmp -s "$EXPORTS/exported" "$folder/$file_name" || check "$name: $file_name is exported as it was" "another file" ''
    done < <(sql "SELECT model_id, file_no, file_name FROM atomizer.model_file JOIN atomizer.model USING (model_id) WHERE model_name = '$name'")
    compared=$((compared + 1))
done
echo "$compared models compared"
check_below "models of the engine's own tests, which are always there" 15 "$compared"

# The store reads its own models as it read the files: tensors that are computed, too.
if [[ -e $MODELS/silero-vad.jit ]]; then
    check "extract_model_weights from the store and from the file" "$(sql "
        SELECT count(*) FROM (SELECT layer_name, weight_data FROM atomizer.extract_model_weights(model_path => '$MODELS/silero-vad.jit')
        EXCEPT SELECT layer_name, weight_data FROM atomizer.model, atomizer.extract_model_weights(model => model_id) WHERE model_name = 'silero-vad.jit') x")" 0
    check "each computed tensor has its digest" "$(sql "
        SELECT bool_and(sha256(weight_data) = content_hash) FROM atomizer.model
        JOIN atomizer.tensor_atom USING (model_id), LATERAL (SELECT * FROM atomizer.extract_model_weights(model => model_id)) w
        WHERE model_name = 'silero-vad.jit' AND w.layer_name = tensor_atom.layer_name")" t
fi
check_integrity

# One tensor in four formats (testdata/generate/same_tensor.py) is one atom.
for format in pt safetensors onnx gguf; do
    sql "CALL atomizer.ingest_model('same.$format', '$small/same.$format')"
done
check "formats, names, contents and reference_count of the same tensor" "$(sql "
    SELECT count(DISTINCT model_format), count(DISTINCT layer_name), count(DISTINCT t.content_hash), min(reference_count), max(reference_count)
    FROM atomizer.model JOIN atomizer.tensor_atom t USING (model_id) JOIN atomizer.atom a ON a.content_hash = t.content_hash AND a.kind = 'tensor'
    WHERE model_name LIKE 'same.%'")" '4|1|1|4|4'

sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model" "SELECT atomizer.collect_garbage()" >/dev/null
check "nothing is left" "$(sql "SELECT count(*) FROM atomizer.atom" "SELECT count(*) FROM atomizer.tensor_segment")" $'0\n0'
finish
