#!/usr/bin/env bash
# What PUBLIC may do does not depend on what was there before the extension: default privileges, or a schema of its name.
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"

scratch=$(mktemp -d)
script=$(echo "$root"/pg_test/upgrade/atomizer--*.sql)
folder=$("$PG_CONFIG" --sharedir)/extension
fresh=$PGDATABASE
# The server's folder of extensions is one for both lanes: whoever puts the previous version there keeps the other from it.
exec 8<"$script"
flock 8
clean_up() {
    dropdb --if-exists --force "$fresh"_other
    PGDATABASE=$fresh sql "DROP ROLE IF EXISTS test_rights_app, test_rights_stranger"
    as_root rm -f "$folder/${script##*/}"
    rm -rf "$scratch"
}
trap clean_up EXIT
# What the owner alone may do is written out once something was taken back. Postgres makes the types of rows; nothing needs them.
catalog() {
    PGDATABASE=$1 psql -XAtq -v ON_ERROR_STOP=1 -f "$root/pg_test/upgrade/catalog.sql" |
        grep -vE ' type acl |^initial privileges' | sed -E "s%\| ($PGUSER=[A-Za-z]+/$PGUSER)$%| default%"
}
begin() {
    dropdb --if-exists --force "$fresh"_other
    createdb -T template0 "$fresh"_other
    PGDATABASE=${fresh}_other
}

sql "SELECT * FROM atomizer.build_spatial_indexes()" "CREATE ROLE test_rights_app" "CREATE ROLE test_rights_stranger" >/dev/null
catalog "$fresh" >"$scratch/fresh"
check "the catalog has lines" "$(($(wc -l <"$scratch/fresh") > 1000))" 1

# Default privileges, of roles and of PUBLIC, for all schemas or for this one.
for scope in '' 'IN SCHEMA atomizer'; do
    for grantee in PUBLIC test_rights_app; do
        begin
        [[ -z $scope ]] || sql "CREATE SCHEMA atomizer"
        for right in "ALL ON TABLES" "ALL ON SEQUENCES" "EXECUTE ON FUNCTIONS" "USAGE ON TYPES"; do
            sql "ALTER DEFAULT PRIVILEGES $scope GRANT $right TO $grantee"
        done
        [[ -n $scope ]] || sql "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO $grantee"
        sql "CREATE EXTENSION atomizer CASCADE" "SELECT * FROM atomizer.build_spatial_indexes()" >/dev/null
        catalog "$PGDATABASE" >"$scratch/other"
        check "default privileges ${scope:-everywhere} for $grantee change nothing" "$(diff "$scratch/fresh" "$scratch/other" | head -n 20)" ''
    done
done

# Default privileges set between an installation and its upgrade: what the upgrade makes has none of them.
previous=${script##*/atomizer--}
as_root install -m 644 "$script" "$folder/"
begin
sql "CREATE EXTENSION atomizer VERSION '${previous%.sql}' CASCADE"
for right in "ALL ON TABLES" "ALL ON SEQUENCES" "EXECUTE ON FUNCTIONS" "USAGE ON TYPES"; do
    sql "ALTER DEFAULT PRIVILEGES GRANT $right TO PUBLIC" "ALTER DEFAULT PRIVILEGES GRANT $right TO test_rights_app"
done
sql "ALTER EXTENSION atomizer UPDATE" "SELECT * FROM atomizer.build_spatial_indexes()" >/dev/null
catalog "$PGDATABASE" >"$scratch/other"
check "default privileges before an upgrade change nothing" "$(diff "$scratch/fresh" "$scratch/other" | head -n 20)" ''

# A schema in which somebody else may create functions that ours would call instead of each other.
for stranger in "CREATE SCHEMA atomizer AUTHORIZATION test_rights_stranger" \
    "CREATE SCHEMA atomizer; GRANT CREATE ON SCHEMA atomizer TO test_rights_stranger" \
    "CREATE SCHEMA atomizer; GRANT CREATE ON SCHEMA atomizer TO PUBLIC" \
    "CREATE SCHEMA atomizer; CREATE FUNCTION atomizer.length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION atomizer.length OWNER TO test_rights_stranger"; do
    begin
    sql "CREATE EXTENSION postgis" "$stranger"
    check "refused: $stranger" "$(sqlstate_of 'CREATE EXTENSION atomizer')" 55000
done
sql "DROP SCHEMA atomizer CASCADE"
check "without the schema" "$(sqlstate_of 'CREATE EXTENSION atomizer')" 00000
sql "DROP EXTENSION atomizer"
check "again, in the schema that is left" "$(sqlstate_of 'CREATE EXTENSION atomizer')" 00000
finish
