#!/usr/bin/env bash
# A folder is a model: its weights, and the files beside them, come back byte for byte into a folder; exports are whole
# or not there, whatever happens to them.
# needs: minilm-l6-v2/model.safetensors minilm-l6-v2/config.json minilm-l6-v2/1_Pooling/config.json minilm-sharded tinycoder-split
# needs: basic-pitch sevennet-0.pth tinycoder.gguf
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
own_server
sql 'CREATE EXTENSION atomizer CASCADE'
out=$EXPORTS/out # a folder of the server's user
install -d -m 777 "$out"

# hashes FOLDER: SHA-256 and path of every file that is not hidden.
hashes() { (cd "$1" && find . -type f -not -path '*/.*' -exec sha256sum {} + | sort -k 2); }
id() { sql "SELECT model_id FROM atomizer.model WHERE model_name = '$1'"; }
# nothing_left WHAT FOLDER: no file or folder that an export might have left, hidden ones included.
nothing_left() { check "$1: nothing is left" "$(find "$2" -mindepth 1 | head)" ''; }
message_of() { psql -X -q -A -t -v VERBOSITY=default -c "$1" 2>&1 || true; }

# Every kind of folder comes back as it was.
cp -r "$MODELS"/minilm-l6-v2 "$MODELS"/minilm-sharded "$MODELS"/tinycoder-split "$MODELS"/basic-pitch "$own/"
mkdir "$own/sevennet" && cp "$MODELS/sevennet-0.pth" "$own/sevennet/" && echo '# SevenNet' >"$own/sevennet/README.md"
touch "$own/sevennet/empty file" && echo 'x' >"$own/sevennet/größe \"2\".md"
echo 'word' >"$own/basic-pitch/labels.txt"
echo '*.safetensors filter=lfs' >"$own/minilm-l6-v2/.gitattributes"
chmod -R a+rX "$own"
for name in minilm-l6-v2 minilm-sharded tinycoder-split basic-pitch sevennet; do
    ingest "$name" "$own/$name"
    rows=$(sql "SELECT file_no, file_name, byte_length, encode(sha256, 'hex') FROM atomizer.export_model($(id $name), '$out/$name') ORDER BY 1")
    check "$name: all files" "$(hashes "$out/$name")" "$(hashes "$own/$name")"
    check "$name: nothing else" "$(find "$out/$name" -name '.*' | head)" ''
    check "$name: rows" "$(echo "$rows" | cut -d'|' -f2,4 | sort)" "$(hashes "$own/$name" | sed -E 's/^([^ ]+)  \.\/(.*)/\2|\1/' | sort)"
    check "$name: modes" "$(find "$out/$name" -type f -printf '%m\n' -o -type d -printf '%m\n' | sort -u | xargs)" '644 755'
    check "$name: verified" "$(sql "SELECT bool_and(is_identical) FROM atomizer.verify_model($(id $name))")" t
    rm -rf "${out:?}/$name"
done
check "roles" "$(sql "SELECT role, count(*), min(file_no), max(file_no) FROM atomizer.model_file WHERE model_id = $(id minilm-l6-v2) GROUP BY 1 ORDER BY 1")" \
    $'companion|11|1|11\nweights|1|0|0'
check "roles of a SavedModel" "$(sql "SELECT file_no, file_name, role FROM atomizer.model_file WHERE model_id = $(id basic-pitch) ORDER BY 1")" \
    $'0|saved_model.pb|weights\n1|variables/variables.data-00000-of-00001|weights\n2|variables/variables.index|weights\n3|labels.txt|companion'
check "the job's counters include them" "$(sql "SELECT total_bytes = bytes_processed AND total_bytes = (SELECT sum(byte_length) FROM atomizer.model_file f WHERE f.model_id = j.model_id)
    FROM atomizer.ingestion_job j WHERE model_id = $(id minilm-l6-v2)")" t
check "a stored model is read without them" "$(sql "SELECT count(*) FROM atomizer.list_tensors(model => $(id minilm-l6-v2))")" \
    "$(sql "SELECT count(*) FROM atomizer.list_tensors(model_path => '$MODELS/minilm-l6-v2.safetensors')")"
check "a plan says how many there are" "$(psql -XAtq -c "CALL atomizer.ingest_model('again', '$own/minilm-l6-v2')" 2>&1 | grep -c ', 11 files beside the weights')" 1
check "of the same files nothing is new" "$(sql "SELECT new_bytes FROM atomizer.ingestion_job WHERE model_id = $(id again)")" 0
check "a file's path is the file alone" "$(ingest alone "$own/minilm-l6-v2/model.safetensors" && sql "SELECT count(*) FROM atomizer.model_file WHERE model_id = $(id alone)")" 1

# What a library would load.
if [[ -n $PYTHON ]]; then
    sql "SELECT atomizer.export_model($(id minilm-l6-v2), '$out/served')" >/dev/null
    check "config, tokenizer and weights fit together" "$("$PYTHON" - "$out/served" <<'PY'
import json, sys
from pathlib import Path
from safetensors import safe_open
folder = Path(sys.argv[1])
config, tokenizer = (json.loads((folder / name).read_text()) for name in ("config.json", "tokenizer.json"))
with safe_open(folder / "model.safetensors", "np") as weights:
    words = weights.get_slice("embeddings.word_embeddings.weight").get_shape()
    layers = {key.split(".")[2] for key in weights.keys() if key.startswith("encoder.layer.")}
modules = json.loads((folder / "modules.json").read_text())
assert all((folder / module["path"]).is_dir() for module in modules if module["path"] == "1_Pooling"), modules
print(words == [config["vocab_size"], config["hidden_size"]], len(layers) == config["num_hidden_layers"],
      len(tokenizer["model"]["vocab"]) == config["vocab_size"])
PY
    )" 'True True True'
    # The library itself, where it is there: it and torch have gigabytes.
    if "$PYTHON" -c 'import torch, transformers' 2>/dev/null; then
        check "transformers computes the same with both folders" "$(HF_HUB_OFFLINE=1 "$PYTHON" - "$out/served" "$own/minilm-l6-v2" 2>/dev/null <<'PY'
import sys
import torch
from transformers import AutoModel, AutoTokenizer
def computed(folder):
    words = AutoTokenizer.from_pretrained(folder)(["served from the store", "as it was"], return_tensors="pt", padding=True)
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(**words).last_hidden_state
print(torch.equal(*map(computed, sys.argv[1:])))
PY
        )" True
    fi
    rm -rf "$out/served"
fi

# What is refused.
minilm=$(id minilm-l6-v2)
mkdir -m 777 "$out/full" && touch "$out/full/x"
check "a folder that is not empty" "$(sqlstate_of "SELECT atomizer.export_model($minilm, '$out/full')")" 58P02
check "a file for a folder" "$(sqlstate_of "SELECT atomizer.export_model($minilm, '$out/full/x')")" 42809
check "a folder of a missing folder" "$(sqlstate_of "SELECT atomizer.export_model($minilm, '$out/a/b')")" 58P01
check "a relative path" "$(sqlstate_of "SELECT atomizer.export_model($minilm, 'x')")" 42602
check "a model that is not there" "$(sqlstate_of "SELECT atomizer.export_model(99, '$out/y')")" 42704
check "no directory" "$(sqlstate_of "SELECT atomizer.export_model($minilm, NULL)")" 22004
sql "CREATE ROLE test_folders; SELECT atomizer.create_tenant('folders'); SELECT atomizer.add_tenant_member('folders', 'test_folders')" >/dev/null
as_user="SET ROLE test_folders; SELECT atomizer.export_model($minilm, '$out/y')"
check "without the right to write files" "$(sqlstate_of "$as_user")" 42501
sql 'GRANT pg_write_server_files TO test_folders'
check "another tenant's model" "$(sqlstate_of "$as_user")" 42704
check "another tenant's model is not changed" "$(sqlstate_of "SET ROLE test_folders; SELECT atomizer.update_model($minilm, model_name => 'mine')")" 42704
rm -r "$out/full"
nothing_left "what was refused" "$out"

# Names from the store lead nowhere else.
for name in ../x /tmp/x a/../../x . '' 'config.json/x'; do
    sql "BEGIN; UPDATE atomizer.model_file SET file_name = '$name' WHERE model_id = $minilm AND file_no = 2;
         DO \$\$ BEGIN PERFORM atomizer.export_model($minilm, '$out/y'); RAISE 'exported'; EXCEPTION WHEN invalid_name THEN NULL; END \$\$; ROLLBACK"
done
nothing_left "bad names" "$out"

# A wrong byte: nothing is there, nor in a folder that was.
mkdir -m 777 "$out/empty"
for folder in new empty; do
    check "a damaged content, $folder folder" "$(sqlstate_of "BEGIN; UPDATE atomizer.model_file SET sha256 = sha256(sha256) WHERE model_id = $minilm AND file_no = 11; SELECT atomizer.export_model($minilm, '$out/$folder')")" XX001
done
nothing_left "a damaged content" "$out/empty"
check "the new folder is not there" "$(ls -A "$out")" empty

# One of several files is named.
for call in "export_model_file($minilm, '$out/f')" "export_model_file($minilm)"; do
    check "$call" "$(sqlstate_of "SELECT atomizer.$call")" 22023
done
check "the files are listed" "$(message_of "SELECT atomizer.export_model_file($minilm)" | grep -c 'file_no => 0 is "model.safetensors", file_no => 1 is "1_Pooling/config.json"')" 1
sql "SELECT atomizer.export_model_file($minilm, '$out/f', 4)" >/dev/null
check "one file, by number" "$(sha256 "$out/f")" "$(sha256 "$own/minilm-l6-v2/config_sentence_transformers.json")"
check "its mode" "$(stat -c %a "$out/f")" 644
sql "COPY (SELECT 1) TO '$out/copied'"
check "that of COPY" "$(stat -c %a "$out/copied")" "$(stat -c %a "$out/f")"
check "it is not overwritten" "$(sqlstate_of "SELECT atomizer.export_model_file($minilm, '$out/f', 3)")" 58P02
sql "SELECT atomizer.export_model_file($minilm, '$out/f', 3, overwrite => true)" >/dev/null
check "unless that is asked for" "$(sha256 "$out/f")" "$(sha256 "$own/minilm-l6-v2/config.json")"
rm -f "$out/f" "$out/copied"

# Messages have the path that was given.
mkdir "$out/locked" && chmod 555 "$out/locked"
for call in "export_model_file($minilm, '$out/locked/f', 0)" "export_model($minilm, '$out/locked/f')"; do
    message=$(message_of "SELECT atomizer.$call")
    check "$call" "$(grep -c 'partial' <<<"$message"), $(grep -c "cannot create \"$out/locked/f\"" <<<"$message")" '0, 1'
done
rm -rf "$out/locked"

# Whatever ends an export, and wherever it is: nothing is left, and the next one works.
names() { find "$out" -mindepth 1 -maxdepth 1 -printf '%P\n' | LC_ALL=C sort | paste -sd ' '; }
export_begun() { # the export of a server's process has its first file open
    local _
    for _ in {1..400}; do
        pid=$(sql "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT atomizer.export_model%' AND state = 'active'" | head -1)
        if [[ -n $pid ]] && [[ -n $(find "/proc/$pid/fd" -lname "$out*" 2>/dev/null) ]]; then return; fi
        sleep 0.01
    done
    check "an export has begun" no yes
}
for signal in INT TERM KILL; do
    for call in "export_model($minilm, '$out/new')" "export_model($minilm, '$out/empty')" "export_model_file($minilm, '$out/file', 0)"; do
        sql "SELECT atomizer.$call" >/dev/null 2>&1 &
        export_begun
        kill -$signal "$pid"
        if wait $!; then check "$signal: $call ends" no yes; fi
        wait_for_server
        check "$signal: $call leaves nothing" "$(find "$out" -mindepth 1 -printf '%P\n' | LC_ALL=C sort | paste -sd ' ')" empty
    done
done
sql "SELECT atomizer.export_model($minilm, '$out/new')" "SELECT atomizer.export_model($minilm, '$out/empty')" >/dev/null
for folder in new empty; do check "the next export, $folder folder" "$(hashes "$out/$folder")" "$(hashes "$own/minilm-l6-v2")"; done
check "nothing else is there" "$(names)" 'empty new'
rm -rf "$out/new" "$out/empty"

# What a kill leaves in the moment in which files get their names, the next export removes.
mkdir "$out/.new.partial" && touch "$out/.new.partial/config.json" "$out/.f.partial" && chmod 777 "$out/.new.partial"
sql "SELECT atomizer.export_model($minilm, '$out/new')" >/dev/null
check "over a hidden folder that was left" "$(hashes "$out/new")" "$(hashes "$own/minilm-l6-v2")"
check "it is gone" "$(names)" '.f.partial new'
sql "SELECT atomizer.export_model_file($minilm, '$out/f', 3)" "SELECT atomizer.export_model_file($minilm, '$out/f', 4, overwrite => true)" >/dev/null
check "so is a hidden file" "$(names)" 'f new'
rm -rf "$out/new" "$out/f"
# One that another export is writing is left alone.
mkdir -m 777 "$out/.new.partial"
exec 7<"$out/.new.partial" && flock 7
check "a place that another export writes to" "$(sqlstate_of "SELECT atomizer.export_model($minilm, '$out/new')")" 55006
exec 7<&-
rmdir "$out/.new.partial"
nothing_left "another export" "$out"

# Folders that are no model.
mkdir "$own/two" && cp "$MODELS/tinycoder.gguf" "$own/two/a.gguf" && cp "$MODELS/tinycoder.gguf" "$own/two/b.gguf" && chmod -R a+rX "$own/two"
check "two models" "$(sqlstate_of "CALL atomizer.ingest_model('two', '$own/two')")" 0A000
check "both are named" "$(message_of "CALL atomizer.ingest_model('two', '$own/two')" | grep -c '"a.gguf", "b.gguf"')" 1
ln -s /etc/passwd "$own/minilm-l6-v2/passwd"
check "a link" "$(sqlstate_of "CALL atomizer.ingest_model('link', '$own/minilm-l6-v2')")" 22P03
rm "$own/minilm-l6-v2/passwd"
check "nothing is registered" "$(sql "SELECT count(*) FROM atomizer.model WHERE model_name IN ('two', 'link')")" 0

# A file that comes to the folder meanwhile is not mixed into the model.
job=$(sql "SELECT atomizer.create_ingestion_job(atomizer.register_model('grows'), '$own/sevennet')")
sql "DO \$\$ DECLARE token uuid := atomizer_internal.claim_ingestion_job($job); BEGIN PERFORM atomizer_internal.ingestion_step($job, token); PERFORM atomizer_internal.release_ingestion_job($job, token, 'Pending'); END \$\$"
echo new >"$own/sevennet/LICENSE" && chmod a+r "$own/sevennet/LICENSE"
check "a new file" "$(sqlstate_of "CALL atomizer.atomize_model_governed($job)")" 55000
rm "$own/sevennet/LICENSE"
# While another session works on it, nothing of it is changed.
sql "SELECT atomizer_internal.claim_ingestion_job($job)" "SELECT pg_sleep(600)" >/dev/null 2>&1 &
until [[ $(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active' AND pid <> pg_backend_pid()") == 1 ]]; do sleep 0.1; done
check "a job of another session" "$(sqlstate_of "CALL atomizer.ingest_model('grows', '$own/sevennet', provider => 'me')")" 55P03
check "nothing of it is changed" "$(sql "SELECT provider IS NULL FROM atomizer.model WHERE model_name = 'grows'")" t
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()" >/dev/null
wait $! || true
check "without it the job goes on" "$(sqlstate_of "CALL atomizer.atomize_model_governed($job)")" 00000

# A large object is removed when its model is complete, by its owner only.
lo=$(sql "SELECT lo_import('$MODELS/tinycoder.gguf')")
sql "GRANT SELECT ON LARGE OBJECT $lo TO test_folders"
check "not by others" "$(sqlstate_of "SET ROLE test_folders; CALL atomizer.ingest_model('lo', model_lo => $lo, unlink => true)")" 42501
check "not of a path" "$(sqlstate_of "CALL atomizer.ingest_model('lo', '$MODELS/tinycoder.gguf', unlink => true)")" 22023
check "not before it is complete" "$(sqlstate_of "CALL atomizer.ingest_model('lo', model_lo => $lo, atom_quota => 10, atom_chunk_size => 10, unlink => true)")" 53400
check "the object is there" "$(sql "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = $lo")" 1
sql "SELECT atomizer.set_atom_quota(ingestion_job_id, NULL) FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'lo'" \
    "CALL atomizer.ingest_model('lo', model_lo => $lo, unlink => true)" >/dev/null
check "the object is gone" "$(sql "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = $lo")" 0
check_exports lo "$MODELS/tinycoder.gguf"
lo=$(sql "SELECT lo_import('$MODELS/tinycoder.gguf')")
sql "CALL atomizer.ingest_model('kept', model_lo => $lo)"
check "without unlink it stays" "$(sql "SELECT lo_unlink($lo)")" 1

# A background worker takes the same arguments, and what belongs to another role is kept by it.
wait_for_job() {
    local _
    for _ in {1..600}; do
        [[ $(sql "SELECT job_status FROM atomizer.ingestion_job WHERE ingestion_job_id = $1") != @(Pending|Processing) ]] && break
        sleep 0.1
    done
}
lo=$(sql "SELECT lo_import('$MODELS/tinycoder.gguf')")
job=$(sql "SELECT atomizer.start_ingestion('behind', model_lo => $lo, model_type => 'LLM', provider => 'me', properties => '{\"a\": 1}', unlink => true)")
wait_for_job "$job"
check "in the background: what was said" "$(sql "SELECT is_complete, model_type, provider, properties FROM atomizer.model WHERE model_name = 'behind'")" 't|LLM|me|{"a": 1}'
check "in the background: the object is gone" "$(sql "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = $lo")" 0
job=$(sql "SELECT atomizer.start_ingestion('folder behind', model_path => '$own/minilm-l6-v2')")
wait_for_job "$job"
check "in the background: a folder" "$(sql "SELECT count(*), bool_and(is_identical) FROM atomizer.verify_model('folder behind')")" '12|t'
sql "CREATE ROLE test_owner; SELECT atomizer.add_tenant_member('folders', 'test_owner')" >/dev/null
lo=$(sql "SELECT lo_import('$MODELS/tinycoder.gguf')")
sql "ALTER LARGE OBJECT $lo OWNER TO test_owner" "GRANT SELECT ON LARGE OBJECT $lo TO test_folders"
check "a quota ends the owner's job" "$(sqlstate_of "SET ROLE test_owner; CALL atomizer.ingest_model('theirs', model_lo => $lo, tenant => 'folders', atom_quota => 10, atom_chunk_size => 10, unlink => true)")" 53400
job=$(sql "SELECT atomizer.set_atom_quota(ingestion_job_id, NULL), ingestion_job_id FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'theirs'" | cut -d'|' -f2)
check "another member of the tenant ends it, with a warning" \
    "$(psql -X -q -c 'SET ROLE test_folders' -c "CALL atomizer.atomize_model_governed($job)" 2>&1 | grep -c "WARNING:  large object $lo is kept: it is not yours to remove")" 1
check "the object is kept" "$(sql "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = $lo")" 1
check "the model is complete" "$(sql "SELECT is_complete FROM atomizer.model WHERE model_name = 'theirs'")" t

# A statement does not find a large object that it makes itself; the next one does.
one=$(id lo)
check "lo_get() of an export in one statement" "$(sqlstate_of "SELECT lo_get(atomizer.export_model_file($one))")" 42704
check "in two statements" "$(psql -X -q -A -t -v ON_ERROR_STOP=1 <<SQL
SELECT atomizer.export_model_file($one) AS copy \\gset
SELECT encode(sha256(lo_get(:copy)), 'hex'), lo_unlink(:copy);
SQL
)" "$(sha256 "$MODELS/tinycoder.gguf")|1"
check "without a large object" "$(sql "SELECT encode(sha256(string_agg(bytes, '' ORDER BY piece_no)), 'hex') FROM atomizer.read_model_file($one)")" \
    "$(sha256 "$MODELS/tinycoder.gguf")"
check_integrity
finish
