#!/usr/bin/env bash
# The previous version, filled with models, becomes by ALTER EXTENSION UPDATE what a fresh installation is, and loses nothing.
# needs: tinycoder.gguf minilm-sharded silero-vad-16k.safetensors
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

upgrade=$root/pg_test/upgrade
script=$(echo "$upgrade"/atomizer--*.sql)
previous=${script##*/atomizer--}
previous=${previous%.sql}
folder=$("$PG_CONFIG" --sharedir)/extension
scratch=$(mktemp -d)
fresh=$PGDATABASE
sharded=("$MODELS"/minilm-sharded/model.safetensors.index.json "$MODELS"/minilm-sharded/model-0000?-of-00003.safetensors)
clean_up() {
    as_root rm -f "$folder/${script##*/}"
    dropdb --if-exists --force "$fresh"_old
    dropdb --if-exists --force "$fresh"_restored
    rm -rf "$scratch"
}
trap clean_up EXIT

# The server's folder of extensions is one for both lanes: whoever puts the previous version there keeps the other from it.
exec 8<"$script"
flock 8
as_root install -m 644 "$script" "$folder/"
createdb -T template0 "$fresh"_old
createdb -T template0 "$fresh"_restored
version=$(sql "SELECT extversion FROM pg_extension WHERE extname = 'atomizer'")
PGDATABASE=${fresh}_old

# The library is the new one: every function in C that the previous version names must still be there, and take the
# same arguments (a regmodel is a bigint), for between the two the old SQL runs with it.
sql "CREATE EXTENSION atomizer VERSION '$previous' CASCADE"
check "the version" "$(sql "SELECT extversion FROM pg_extension WHERE extname = 'atomizer'")" "$previous"
symbols() {
    PGDATABASE=$1 sql "SELECT prosrc, pronargs, replace(proargtypes::regtype[]::text, 'atomizer.regmodel', 'bigint'), prorettype::regtype, proisstrict, proretset FROM pg_proc
        WHERE probin LIKE '%atomizer%' ORDER BY prosrc"
}
symbols "${fresh}_old" >"$scratch/symbols.old"
symbols "$fresh" >"$scratch/symbols.new"
# Of every version that was released, not only of the previous one.
cut -d'|' -f2- "$upgrade/symbols" >"$scratch/symbols.released"
check "released symbols that pg_test/upgrade/symbols lacks" \
    "$(sort "$scratch/symbols.old" | comm -13 <(sort "$scratch/symbols.released") - | sed "s/^/$previous|/")" ''
check "a symbol has the same signature in all versions" "$(sort -u "$scratch"/symbols.{released,old,new} | cut -d'|' -f1 | sort | uniq -d)" ''
exported="CREATE FUNCTION pg_temp.is_exported(symbol text) RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN
    EXECUTE format('CREATE FUNCTION pg_temp.probe() RETURNS void LANGUAGE c AS %L, %L', 'atomizer', symbol);
    DROP FUNCTION pg_temp.probe();
    RETURN true;
EXCEPTION WHEN undefined_function THEN RETURN false; END \$\$"
check "released symbols" "$(($(wc -l <"$scratch/symbols.released") >= 60))" 1
check "released symbols that the library lacks" "$(sql "$exported" "SELECT s FROM unnest(string_to_array('$(cut -d'|' -f1 "$scratch/symbols.released" | paste -sd ' ')', ' ')) s WHERE NOT pg_temp.is_exported(s)")" ''
check "a symbol that was never there" "$(sql "$exported" "SELECT pg_temp.is_exported('no_such_symbol_wrapper')")" f

ingest tiny "$MODELS/tinycoder.gguf" "granularity => 'weight'"
ingest minilm "${sharded[0]}"
ingest gone "$MODELS/silero-vad-16k.safetensors" "granularity => 'weight'"
id=$(sql "SELECT model_id FROM atomizer.model WHERE model_name = 'tiny'")
sql "CALL atomizer.spatialize_model($id)"
sql "CALL atomizer.spatialize_model($id, 'row')"
sql "CALL atomizer.compress_model($id, 4, min_parameters => 10000)"
sql "SELECT * FROM atomizer.build_spatial_indexes()" >/dev/null
PGDATABASE=$fresh sql "SELECT * FROM atomizer.build_spatial_indexes()" >/dev/null
sql "SELECT atomizer.create_tenant('acme', 5000000000), atomizer.add_tenant_member('acme', 'postgres')" \
    "UPDATE atomizer.tensor_atom SET importance_score = 0.5 WHERE layer_name = 'output.weight'" \
    "SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = 'gone'" >/dev/null
# With the library of this version and the SQL of the one before, a tenant reads, whatever became of other members.
sql "CREATE ROLE test_upgrade_member; CREATE ROLE test_upgrade_gone" \
    "SELECT atomizer.create_tenant('other'), atomizer.add_tenant_member('other', 'test_upgrade_member'), atomizer.add_tenant_member('other', 'test_upgrade_gone')" \
    "DROP ROLE test_upgrade_gone" >/dev/null
check "a member beside one that was dropped reads" "$(sql "SET ROLE test_upgrade_member; SELECT count(*) FROM atomizer.tenant")" 1
sql "SELECT atomizer.remove_tenant_member('other', 'test_upgrade_gone')" >/dev/null
check "an ingestion stops at its quota" "$(sqlstate_of "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_chunk_size => 70000, atom_quota => 200000)")" 53400
check "points and decompositions" "$(sql "SELECT (SELECT count(*) > 0 FROM atomizer.atom_embedding), (SELECT count(*) > 0 FROM atomizer.svd_component)")" 't|t'

# Every column of the previous version, row for row, and every sequence.
sql "SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(row(%s)::text, 0)::numeric), 0) FROM %s', c.oid::regclass,
        string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), c.oid::regclass)
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind = 'r' GROUP BY c.oid ORDER BY c.relname COLLATE \"C\"" >"$scratch/columns"
contents() {
    local statement
    while IFS= read -r statement; do sql "$statement"; done <"$scratch/columns"
    sql "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'atomizer' ORDER BY 1"
}
catalog() { PGDATABASE=$1 psql -XAtq -v ON_ERROR_STOP=1 -f "$upgrade/catalog.sql"; }
before=$(contents)
echo "$before"
# A right that an administrator gave, and a view of a user's, outlive the upgrade.
sql "CREATE ROLE test_upgrade_operator; GRANT EXECUTE ON FUNCTION atomizer.check_integrity() TO test_upgrade_operator" \
    "CREATE VIEW jobs AS SELECT ingestion_job_id, error_code FROM atomizer.ingestion_progress"

sql "ALTER EXTENSION atomizer UPDATE"
check "the version" "$(sql "SELECT extversion FROM pg_extension WHERE extname = 'atomizer'")" "$version"
check "nothing is lost" "$(contents)" "$before"
check "the member is one" "$(sql "SET ROLE test_upgrade_member; SELECT tenant_name FROM atomizer.tenant")" other
check "the administrator's grant" "$(sql "SELECT has_function_privilege('test_upgrade_operator', 'atomizer.check_integrity()', 'EXECUTE')")" t
check "the user's view" "$(sql 'SELECT count(*) FROM jobs')" 3
sql "DROP VIEW jobs; REVOKE EXECUTE ON FUNCTION atomizer.check_integrity() FROM test_upgrade_operator; DROP ROLE test_upgrade_operator"
catalog "$fresh" >"$scratch/fresh"
catalog "${fresh}_old" >"$scratch/upgraded"
check "the catalog has lines" "$(($(wc -l <"$scratch/fresh") > 1000))" 1
check "an upgraded catalog is a fresh one (tools/make-upgrade writes the script again)" "$(diff "$scratch/fresh" "$scratch/upgraded" | head -n 40)" ''
check_exports tiny "$MODELS/tinycoder.gguf"
check_exports minilm "${sharded[@]}"
check_integrity

# A dump of what was upgraded, restored.
pg_dump -Fc -Z0 -f "$scratch/dump"
PGDATABASE=${fresh}_restored
if pg_restore --exit-on-error -d "$PGDATABASE" "$scratch/dump"; then echo "restored"; else check "pg_restore" failed fine; fi
check "nothing is lost by dump and restore" "$(contents)" "$before"
sql "SELECT * FROM atomizer.build_spatial_indexes()" >/dev/null
catalog "$PGDATABASE" >"$scratch/restored"
check "a restored catalog is a fresh one" "$(diff "$scratch/fresh" "$scratch/restored" | head -n 40)" ''
check_exports tiny "$MODELS/tinycoder.gguf"
check_integrity
sql "CALL atomizer.ingest_model('half', '$MODELS/silero-vad-16k.safetensors', atom_quota => 400000)"
check_exports half "$MODELS/silero-vad-16k.safetensors"

# Versions that ended when the one before them did get a time of their own, and none is lost.
dropdb --force "$PGDATABASE"
createdb -T template0 "$PGDATABASE"
sql "CREATE EXTENSION atomizer VERSION '$previous' CASCADE"
ingest tiny "$MODELS/tinycoder.gguf"
for score in 0.1 0.2; do
    sql "BEGIN; UPDATE atomizer.tensor_atom SET importance_score = $score; UPDATE atomizer.tensor_atom SET importance_score = $score + 1;
         UPDATE atomizer.tensor_atom SET importance_score = $score + 2; COMMIT"
done
sql "UPDATE atomizer.tensor_atom SET importance_score = 4" "SELECT atomizer.create_tenant('x')" >/dev/null
versions="SELECT count(*), count(DISTINCT tensor_atom_id), count(DISTINCT (tensor_atom_id, valid_to)) FROM atomizer.tensor_atom_history"
tensors=$(sql "SELECT count(*) FROM atomizer.tensor_atom")
check "versions, two of seven end when others do" "$(sql "$versions")" "$((7 * tensors))|$tensors|$((3 * tensors))"
sql "ALTER EXTENSION atomizer UPDATE"
check "versions after the upgrade" "$(sql "$versions")" "$((7 * tensors))|$tensors|$((7 * tensors))"
check "each begins when the one before it ends" "$(sql "SELECT count(*), string_agg(DISTINCT scores::text, ' ') FROM (
        SELECT bool_and(valid_from < valid_to AND valid_from = ended) AS chained, array_agg(importance_score ORDER BY valid_to) AS scores
        FROM (SELECT *, coalesce(lag(valid_to) OVER (PARTITION BY tensor_atom_id ORDER BY valid_to), valid_from) AS ended
              FROM (TABLE atomizer.tensor_atom_history UNION ALL TABLE atomizer.tensor_atom) v) v
        GROUP BY tensor_atom_id) t WHERE chained")" "$tensors|{NULL,0.1,1.1,2.1,0.2,1.2,2.2,4}"
finish
