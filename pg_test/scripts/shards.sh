#!/usr/bin/env bash
# A model in shards and the same model in one file share all tensors; every file is given back as it was.
# needs: minilm-l6-v2.safetensors minilm-sharded tinycoder.gguf tinycoder-split
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

tensors() { sql "SELECT count(*), sum(byte_length) FROM atomizer.atom WHERE kind = 'tensor'"; }
# Encoded bytes of contents that a tensor has.
stored() { sql "SELECT sum(length(payload)) FROM atomizer.tensor_segment WHERE content_hash IN (SELECT content_hash FROM atomizer.tensor_atom)"; }

sharded=("$MODELS"/minilm-sharded/model.safetensors.index.json "$MODELS"/minilm-sharded/model-0000?-of-00003.safetensors)
split=("$MODELS"/tinycoder-split/tiny-0000?-of-00003.gguf)

ingest sharded "${sharded[0]}"
before="$(tensors) $(stored)"
ingest whole "$MODELS/minilm-l6-v2.safetensors"
check "the whole MiniLM adds no tensor and no byte of one" "$(tensors) $(stored)" "$before"
check "tensors of MiniLM" "$(sql "SELECT count(*) FROM atomizer.tensor_atom")" 208
check "each content has two tensors" "$(sql "SELECT DISTINCT reference_count FROM atomizer.atom WHERE kind = 'tensor' AND byte_length > 4096")" 2
check_below "new bytes of the whole one: its header" "$(sql "SELECT new_bytes FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id) WHERE model_name = 'whole'")" 20000

ingest tiny "$MODELS/tinycoder.gguf"
before="$(tensors) $(stored)"
ingest split "${split[1]}" # any part leads to all
check "the split tinycoder adds no tensor and no byte of one" "$(tensors) $(stored)" "$before"

same="SELECT count(*) FROM (SELECT layer_name, shape, data_type, content_hash FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = '%s'
      EXCEPT SELECT layer_name, shape, data_type, content_hash FROM atomizer.tensor_atom JOIN atomizer.model USING (model_id) WHERE model_name = '%s') x"
# shellcheck disable=SC2059
for pair in 'sharded whole' 'whole sharded' 'tiny split' 'split tiny'; do
    check "tensors of ${pair% *} that are not in ${pair#* }" "$(sql "$(printf "$same" $pair)")" 0
done
check "metadata of tinycoder, but for what tells the parts" \
    "$(sql "SELECT (SELECT metadata FROM atomizer.model WHERE model_name = 'split') - '{split.no,split.count,split.tensors.count}'::text[] = (SELECT metadata FROM atomizer.model WHERE model_name = 'tiny')")" t

check_exports sharded "${sharded[@]}"
check_exports whole "$MODELS/minilm-l6-v2.safetensors"
check_exports tiny "$MODELS/tinycoder.gguf"
check_exports split "${split[@]}"
check_integrity

# Without its index file, a shard is a model of its own; a missing one is an error.
cp -r "$MODELS/minilm-sharded" "$EXPORTS/missing"
rm "$EXPORTS/missing/model-00002-of-00003.safetensors"
chmod -R a+rX "$EXPORTS/missing"
check "a shard is missing" "$(sqlstate_of "CALL atomizer.ingest_model('missing', '$EXPORTS/missing/model.safetensors.index.json')")" 58P01
cp "$MODELS/minilm-sharded/model-00003-of-00003.safetensors" "$EXPORTS/missing/model-00002-of-00003.safetensors"
check "a shard is not the one of the index" "$(sqlstate_of "CALL atomizer.ingest_model('missing', '$EXPORTS/missing/model.safetensors.index.json')")" 22P03
rm -r "$EXPORTS/missing"
sql "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name IN ('sharded', 'tiny', 'missing')" 'SELECT atomizer.collect_garbage()' >/dev/null
check_exports whole "$MODELS/minilm-l6-v2.safetensors"
check_exports split "${split[@]}"
check_integrity
finish
