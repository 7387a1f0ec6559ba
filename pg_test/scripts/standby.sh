#!/usr/bin/env bash
# A streaming standby serves every read as the primary does, and what it can't do it refuses by its name.
# needs: tinycoder.gguf
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
# shellcheck source=pg_test/scripts/reads.bash
source "$(dirname "$0")/reads.bash"
file=$MODELS/tinycoder.gguf
bin=$(pg_bindir)
out=$(mktemp -d)
standby=
stop_standby() {
    [[ -z $standby ]] || (cd / && as_server "$bin/pg_ctl" -D "$standby/data" -m fast stop >/dev/null) || true
    rm -rf "$out" "${standby:-$out}"
}
trap stop_standby EXIT
make_store "$file"
for role in reads_ann postgres; do read_all $role '' >"$out/primary.$role"; done

# As operating.md says: a base backup that streams.
standby=$(mktemp -d /tmp/standby.XXXXXX)
((EUID)) || chown postgres: "$standby"
(cd / && as_server "$bin/pg_basebackup" -h "$PGHOST" -p "$PGPORT" -U "$PGUSER" -D "$standby/data" -R -X stream -c fast)
(cd / && as_server "$bin/pg_ctl" -D "$standby/data" -l "$standby/log" -w -o "-c unix_socket_directories='$standby'" start >/dev/null </dev/null)
primary=$PGHOST PGHOST=$standby
check "it is a standby, and streams" "$(sql 'SELECT pg_is_in_recovery(), status FROM pg_stat_wal_receiver')" 't|streaming'

for role in reads_ann postgres; do
    read_all $role '' >"$out/standby.$role"
    same "$role: every read is as on the primary" "$out/primary.$role" "$out/standby.$role"
done

# A file of the standby's server, and the bytes for a client.
export PGUSER=reads_ann
sql "SELECT atomizer.export_model_file(1, '$EXPORTS/standby.gguf')"
check "export to a file" "$(sha256 "$EXPORTS/standby.gguf")" "$(sha256 "$file")"
sql "SELECT atomizer.export_model('tiny', '$EXPORTS/standby')" >/dev/null
check "export to a folder" "$(sha256 "$EXPORTS/standby/tinycoder.gguf")" "$(sha256 "$file")"
psql -qAtX -c "COPY (SELECT encode(bytes, 'hex') FROM atomizer.read_model_file(1)) TO STDOUT" |
    perl -ne 'chomp; print pack("H*", $_)' >"$out/client.gguf"
check "read_model_file() to the client" "$(sha256 "$out/client.gguf")" "$(sha256 "$file")"
PGUSER=postgres

# What can't work says so by its name, and what to do.
while IFS='|' read -r name call; do
    check "$name is refused" \
        "$(psql -X -q -v VERBOSITY=verbose -c "$call" 2>&1 >"$out/null" | grep -E '^(ERROR|HINT)' | sed -E 's/ without path|( Or .*)//' | paste -sd ' ')" \
        "ERROR:  25006: cannot execute $name() during recovery HINT:  This server is a standby, which can only read: call it on the primary."
done < <(sql "SELECT name, call FROM test.writer ORDER BY name")

# What the primary writes arrives, and a session that knew its tenants hears of new ones.
cat >"$out/session.sql" <<SQL
SELECT cardinality(atomizer.my_tenant_ids());
\! PGHOST=$primary PGUSER=postgres psql -X -q -A -t -o /dev/null -c "SELECT atomizer.create_tenant('bolt'), atomizer.add_tenant_member('bolt', 'reads_ann')" -c "CALL atomizer.ingest_model('second', '$file', tenant => 'bolt')" 2>/dev/null
\! until [ "\$(psql -X -A -t -c "SELECT pg_last_wal_replay_lsn() >= '\$(PGHOST=$primary PGUSER=postgres psql -X -A -t -c 'SELECT pg_current_wal_flush_lsn()')'")" = t ]; do sleep 0.1; done
SELECT cardinality(atomizer.my_tenant_ids());
SELECT model_name, is_identical FROM atomizer.model, atomizer.verify_model(model_id) ORDER BY 1;
SQL
check "what is new on the primary" "$(PGUSER=reads_ann psql -X -q -A -t -f "$out/session.sql" | paste -sd ' ')" '1 2 second|t tiny|t'
finish
