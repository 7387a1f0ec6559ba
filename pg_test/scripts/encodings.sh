#!/usr/bin/env bash
# Paths are bytes: one that is no UTF-8 is found, written and named in errors, in databases of other encodings too.
# needs: silero-vad-16k.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

template=$PGDATABASE
clean_up() {
    dropdb --if-exists --force "$template"_encoding
    rm -f "$EXPORTS"/caf*.safetensors "$EXPORTS"/copy*.safetensors
}
trap clean_up EXIT
for encoding in LATIN1 SQL_ASCII UTF8; do
    clean_up
    PGDATABASE=$template createdb -T template0 -E $encoding --locale C "$template"_encoding
    PGDATABASE=${template}_encoding
    name=$'caf\xe9'
    [[ $encoding != UTF8 ]] || name=café
    cp "$MODELS/silero-vad-16k.safetensors" "$EXPORTS/$name.safetensors"
    chmod 644 "$EXPORTS/$name.safetensors"
    # As the server has it, whatever the client's encoding is.
    text() { echo "convert_from('\\x$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')', '$encoding')"; }
    path=$(text "$EXPORTS/$name.safetensors")
    sql "CREATE EXTENSION atomizer CASCADE" "SELECT set_config('atomizer_test.path', $path, false)" >/dev/null
    check "$encoding: the format" "$(sql "SELECT atomizer.detect_model_format(model_path => $path)")" SafeTensors
    check "$encoding: the tensors" "$(sql "SELECT count(*) > 0 FROM atomizer.list_tensors(model_path => $path)")" t
    check "$encoding: a job" "$(sqlstate_of "CALL atomizer.ingest_model('silero', $path)")" 00000
    check "$encoding: an export" "$(sqlstate_of "SELECT atomizer.export_model_file('silero', $(text "$EXPORTS/copy $name.safetensors"))")" 00000
    check "$encoding: is the file" "$(sha256 "$EXPORTS/copy $name.safetensors")" "$(sha256 "$MODELS/silero-vad-16k.safetensors")"
    check "$encoding: no such file" "$(sqlstate_of "SELECT atomizer.list_tensors(model_path => $path || 'x')")" 58P01
    check "$encoding: a path that is relative" "$(sqlstate_of "SELECT atomizer.list_tensors(model_path => $(text "$name"))")" 42602
done
finish
