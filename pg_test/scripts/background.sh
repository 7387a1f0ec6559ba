#!/usr/bin/env bash
# start_ingestion(): background workers run jobs with the rights of whoever started them, a bounded number at a time, and are seen while
# they work. One that is terminated, cancelled or killed leaves a job that goes on; databases and extensions can be dropped meanwhile.
# needs: smollm2-135m-q4_1.gguf minilm-f16.safetensors tinycoder.gguf
# shellcheck source=pg_test/scripts/lib.bash
source "$(dirname "$0")/lib.bash"
# shellcheck disable=SC2154 # of own_server
own_server
(($(df --output=avail -k "$own" | tail -n 1) > 2000000)) || skip "needs 2 GB of disk"
sql 'CREATE EXTENSION atomizer CASCADE' "ALTER SYSTEM SET atomizer.max_workers = 2" 'SELECT pg_reload_conf()' >/dev/null
smol=$MODELS/smollm2-135m-q4_1.gguf
big=$EXPORTS/big.safetensors
other=$EXPORTS/other.safetensors
for file in "$big" "$other"; do
    write_safetensors "$file" 80000000 40000000
    chmod a+r "$file"
done

as() { local role=$1; shift; sql "SET SESSION AUTHORIZATION $role" "$@"; }
state() { sql "SELECT job_status, error_code, queued_at IS NULL FROM atomizer.ingestion_job WHERE ingestion_job_id = $1"; }
is_complete() { wait_until "EXISTS (SELECT FROM atomizer.ingestion_job WHERE ingestion_job_id = $1 AND job_status = 'Complete')"; }
# Where a worker is in its job.
stores="EXISTS (SELECT FROM atomizer.progress WHERE ingestion_job_id = %s AND alive AND phase = 'storing' AND done > 0)"
storing() {
    # shellcheck disable=SC2059
    wait_until "$(printf "$stores" "$1")"
}
workers() { sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'atomizer%'"; }
no_workers() { wait_until "NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type LIKE 'atomizer%')"; }
pid_of() { sql "SELECT pid FROM atomizer.progress WHERE ingestion_job_id = $1 AND alive"; }
shown() { sql "SELECT phase, alive, hint IS NOT NULL FROM atomizer.progress WHERE ingestion_job_id = $1"; }
log_lines() { grep -c "$1" "$EXPORTS/log" || true; }
drop_all() { sql 'SELECT atomizer.drop_model(model_id) FROM atomizer.model' 'SELECT atomizer.collect_garbage()' >/dev/null; }

# One model: the call returns at once, other sessions see the work, the result is the file.
begun=$(now)
job=$(sql "SELECT atomizer.start_ingestion('smol', model_path => '$smol')")
check_below "seconds until start_ingestion() returns" "$(since "$begun")" 2.0
storing "$job"
check "another session sees it" "$(sql "SELECT what, model, unit, percent > 0, rate LIKE '%MB/s', eta > started, total FROM atomizer.progress WHERE ingestion_job_id = $job AND phase = 'storing'")" \
    "ingest_model|smol|bytes|t|t|t|$(stat -c %s "$smol")"
is_complete "$job"
check_exports smol "$smol"
no_workers
check "nothing is in progress" "$(sql 'SELECT count(*) FROM atomizer.progress')" 0
check "a complete job is not started again" "$(sqlstate_of "SELECT atomizer.start_ingestion($job)")" 55000

# What cannot be started is refused at once and leaves nothing behind.
check "a path that is not there" "$(sqlstate_of "SELECT atomizer.start_ingestion('never', '/nowhere/x.gguf')")" 58P01
check "bytes" "$(sqlstate_of "SELECT atomizer.start_ingestion(atomizer.create_ingestion_job(atomizer.register_model('never')))")" 22023
check "neither path nor large object" "$(sqlstate_of "SELECT atomizer.start_ingestion('never')")" 22023
sql "BEGIN" "SELECT atomizer.start_ingestion('never', '$smol')" "ROLLBACK" >/dev/null
no_workers
check "a transaction that is rolled back starts nothing" "$(sql "SELECT count(*) FROM atomizer.model WHERE model_name = 'never'")" 0
check "a setting that there is not" "$(sqlstate_of 'SELECT atomizer.segment_bytes(); SET atomizer.max_worker = 3')" 42602
drop_all

# A large object; two tenants. Each sees its own. A role that may not log in has no worker.
sql "CREATE ROLE ann LOGIN" "CREATE ROLE bob LOGIN" "CREATE ROLE nologin NOLOGIN" "CREATE ROLE cat LOGIN" "CREATE ROLE eve LOGIN" "GRANT pg_read_server_files TO ann, bob" "GRANT bob TO cat" \
    "SELECT atomizer.create_tenant('a'), atomizer.create_tenant('b')" \
    "SELECT atomizer.add_tenant_member('a', 'ann'), atomizer.add_tenant_member('b', 'bob'), atomizer.add_tenant_member('b', 'eve')" >/dev/null
ann=$(as ann "SELECT atomizer.start_ingestion('of ann', model_path => '$big')")
bob=$(as cat 'SET ROLE bob' "SELECT atomizer.start_ingestion('of bob', model_path => '$other')")
storing "$ann"
storing "$bob"
check "ann sees her own" "$(as ann 'SELECT model FROM atomizer.progress')" 'of ann'
check "bob sees his own" "$(as cat 'SET ROLE bob' 'SELECT model FROM atomizer.progress')" 'of bob'
check "a role without a tenant sees none" "$(as pg_monitor 'SELECT count(*) FROM atomizer.progress')" 0
check "the workers' roles" "$(sql "SELECT string_agg(usename, ' ' ORDER BY usename) FROM pg_stat_activity WHERE backend_type = 'atomizer ingestion'")" 'ann bob'
is_complete "$ann"
is_complete "$bob"
sql "GRANT pg_read_server_files TO nologin" "SELECT atomizer.add_tenant_member('b', 'nologin')"
check "a role that may not log in" "$(sqlstate_of "SET ROLE nologin; SELECT atomizer.start_ingestion('x', model_path => '$smol')")" 42501
lo=$(sql "SELECT lo_from_bytea(0, pg_read_binary_file('$MODELS/tinycoder.gguf'))")
sql "ALTER LARGE OBJECT $lo OWNER TO ann"
job=$(as ann "SELECT atomizer.start_ingestion('an object', model_lo => $lo)")
is_complete "$job"
check "a large object of another role" "$(sqlstate_of "SET SESSION AUTHORIZATION cat; SET ROLE bob; SELECT atomizer.start_ingestion('an object', model_lo => $lo)")" 42501
check "a path without the right to read files" "$(sqlstate_of "SET SESSION AUTHORIZATION eve; SELECT atomizer.start_ingestion('x', model_path => '$smol')")" 42501
check "another tenant's job" "$(sqlstate_of "SET SESSION AUTHORIZATION ann; SELECT atomizer.start_ingestion($bob)")" 42704
drop_all

# What a role or the owner of a database sets for sessions changes nothing: no function of theirs is called, and nobody waits for them.
sql "ALTER ROLE bob SET default_transaction_read_only = on" "ALTER ROLE bob SET search_path = evil, pg_catalog" "CREATE SCHEMA evil AUTHORIZATION bob" \
    "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''XX001'', MESSAGE = current_user; END'" \
    "CREATE FUNCTION evil.minus(timestamptz, timestamptz) RETURNS interval LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''XX001'', MESSAGE = current_user; END'" \
    "CREATE OPERATOR evil.- (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.minus)" "CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false)"
bob=$(as bob "SELECT atomizer.start_ingestion('of bob', model_path => '$MODELS/tinycoder.gguf')")
ann=$(as ann "SELECT atomizer.start_ingestion('of ann', model_path => '$MODELS/tinycoder.gguf')")
is_complete "$bob"
is_complete "$ann"
check "with that path in the caller's session" "$(sql 'SET client_min_messages = warning' 'SET search_path = evil, pg_catalog' "CALL atomizer.ingest_model('here', '$MODELS/tinycoder.gguf')" 'SELECT 1' 2>&1)" 1
check "and other procedures" "$(sql 'SET client_min_messages = error' 'SET search_path = evil, pg_catalog' "CALL atomizer.spatialize_model('here')" "CALL atomizer.compress_model('here', rank => 4)" "CALL atomizer.analyze_model('here')" 'SELECT 1' 2>&1)" 1
sql "ALTER ROLE bob RESET ALL" "DROP SCHEMA evil CASCADE"
drop_all

# Cancelled at any moment between its start and its claim, it stays cancelled.
for ((i = 0; i < 12; i++)); do
    job=$(sql "SELECT atomizer.start_ingestion('brief', model_path => '$MODELS/tinycoder.gguf')")
    sleep "0.0$((i * 8 / 10))$((i * 8 % 10))"
    said=$(sql "SELECT atomizer.cancel_ingestion_job($job)" 2>&1) || true
    no_workers
    left=$(sql "SELECT job_status FROM atomizer.ingestion_job WHERE ingestion_job_id = $job")
    [[ $said == 'stops before its next step' && $left == Cancelled || ${said,,} == "${left,,}" || $said == *"is complete"* && $left == Complete ]] || check "round $i: $said" "$left" Cancelled
    drop_all
done

# Of five jobs that one statement starts two run at a time, the oldest first.
sql "SELECT atomizer.start_ingestion('m' || i, '$MODELS/minilm-f16.safetensors', atom_chunk_size => 2000000) FROM generate_series(1, 5) AS i" >/dev/null
most=0 queued=0
for ((i = 0; i < 1200; i++)); do
    IFS='|' read -r running waiting complete < <(sql "SELECT count(*) FILTER (WHERE alive), count(*) FILTER (WHERE phase = 'queued' AND NOT alive AND hint LIKE '%start_ingestion%'), (SELECT count(*) FROM atomizer.model WHERE is_complete) FROM atomizer.progress")
    ((running > most)) && most=$running
    ((waiting > queued)) && queued=$waiting
    ((complete < 5)) || break
    sleep 0.05
done
check "complete" "$complete" 5
check "jobs at a time" "$most" 2
check_below "2, the jobs that were seen waiting" 2 "$queued"
check "the order in which they began" "$(sql "SELECT string_agg(model_name, ' ' ORDER BY started_at) FROM atomizer.ingestion_job JOIN atomizer.model USING (model_id)" | cut -d' ' -f3-)" 'm3 m4 m5'
no_workers
check_integrity
drop_all

# A worker that is terminated: the view says so, and the job goes on.
job=$(sql "SELECT atomizer.start_ingestion('big', '$big', atom_chunk_size => 4000000)")
storing "$job"
begun=$(now)
sql "SELECT pg_terminate_backend($(pid_of "$job"))" >/dev/null
no_workers
check_below "seconds until a worker that is terminated ends" "$(since "$begun")" 2.0
check "the view says so" "$(shown "$job")" 'interrupted|f|t'
sql "SELECT atomizer.start_ingestion($job)" >/dev/null
check "started twice" "$(sql "SELECT atomizer.start_ingestion($job)" 2>&1 | sed -E 's/backend [0-9]+/backend N/' | head -n 1 | grep -cE "^$job$|is being processed by backend N")" 1
storing "$job"

# One that is cancelled, by its number and by its job.
begun=$(now)
sql "SELECT pg_cancel_backend($(pid_of "$job"))" >/dev/null
no_workers
check_below "seconds until pg_cancel_backend() has effect" "$(since "$begun")" 2.0
check "it waits for nobody" "$(state "$job")" 'Pending|57014|t'
check "the log has the error once" "$(log_lines "ingestion job $job failed: canceling statement")" 1
sql "SELECT atomizer.start_ingestion($job)" >/dev/null
storing "$job"
begun=$(now)
sql "SELECT atomizer.cancel_ingestion_job($job)" >/dev/null
no_workers
check_below "seconds until cancel_ingestion_job() has effect" "$(since "$begun")" 3.0
check "it is cancelled" "$(state "$job")" 'Cancelled||t'
sql "SELECT atomizer.start_ingestion($job)" >/dev/null
is_complete "$job"
check_exports big "$big"
no_workers
drop_all

# An error ends in the job's columns, and in the log once.
job=$(sql "SELECT atomizer.start_ingestion('small', '$MODELS/tinycoder.gguf', atom_quota => 1000)")
wait_until "EXISTS (SELECT FROM atomizer.ingestion_job WHERE job_status = 'Failed')"
no_workers
check "the job has the error" "$(sql "SELECT error_code, error_phase, error_message LIKE '%quota of 1000%', error_hint LIKE 'Raise the quota%' FROM atomizer.ingestion_job")" '53400|store|t|t'
check "and the log" "$(log_lines "ingestion job $job failed: the next")" 1

# Jobs wait while both places are taken: one is cancelled, one loses its right to the file, one its role.
sql "CREATE ROLE dan LOGIN IN ROLE pg_read_server_files" "SELECT atomizer.add_tenant_member('a', 'dan')" >/dev/null
first=$(sql "SELECT atomizer.start_ingestion('first', '$big', atom_chunk_size => 4000000)")
second=$(sql "SELECT atomizer.start_ingestion('second', '$other', atom_chunk_size => 4000000)")
storing "$first"
storing "$second"
third=$(as ann "SELECT atomizer.start_ingestion('third', '$MODELS/tinycoder.gguf')")
fourth=$(as ann "SELECT atomizer.start_ingestion('fourth', '$MODELS/tinycoder.gguf')")
fifth=$(as dan "SELECT atomizer.start_ingestion('fifth', '$MODELS/tinycoder.gguf')")
sixth=$(sql "SELECT atomizer.start_ingestion('sixth', '$MODELS/tinycoder.gguf')")
check "a job that waits is cancelled at once" "$(as ann "SELECT atomizer.cancel_ingestion_job($third)")" cancelled
sql 'REVOKE pg_read_server_files FROM ann' "SELECT atomizer.remove_tenant_member('a', 'dan')" 'DROP ROLE dan'
is_complete "$first"
is_complete "$second"
is_complete "$sixth"
no_workers
check "cancelled while it waited" "$(state "$third")" 'Cancelled||t'
check "the right was gone when its turn came" "$(state "$fourth")" 'Failed|42501|t'
check "the role was gone" "$(state "$fifth")" 'Failed|42704|t'
sql 'GRANT pg_read_server_files TO ann'
drop_all

# kill -9: the server restarts, without a worker. Whoever starts one of the jobs starts them all.
jobs=$(sql "SELECT string_agg(atomizer.start_ingestion('k' || i, '$big', atom_chunk_size => 4000000)::text, ' ') FROM generate_series(1, 3) AS i")
read -r first second third <<<"$jobs"
storing "$first"
kill -9 "$(pid_of "$first")"
sleep 0.3
wait_for_server
no_workers
check "the one that was killed" "$(shown "$first")" 'interrupted|f|t'
check "the one that waited" "$(shown "$third")" 'queued|f|t'
sql "SELECT atomizer.start_ingestion($first)" >/dev/null
is_complete "$first"
is_complete "$third"
check "the other is as it was left" "$(sql "SELECT alive FROM atomizer.progress WHERE ingestion_job_id = $second")" f
sql "CALL atomizer.atomize_model_governed($second)"
no_workers
check_exports k2 "$big"
check_integrity
drop_all

# DROP EXTENSION and DROP DATABASE while workers run: neither hangs, nothing crashes. To drop the extension takes locks of all its
# objects in an order of its own, so it may end in a deadlock with a worker, as with any other session, which one of both is told.
start=$(server_start)
job=$(sql "SELECT atomizer.start_ingestion('big', '$big', atom_chunk_size => 4000000)")
storing "$job"
begun=$(now)
dropped=$(sqlstate_of 'DROP EXTENSION atomizer CASCADE')
check_below "seconds until DROP EXTENSION ends" "$(since "$begun")" 30
if [[ $dropped == 40P01 ]]; then
    sql "SELECT atomizer.cancel_ingestion_job($job)" >/dev/null
    no_workers
    dropped=$(sqlstate_of 'DROP EXTENSION atomizer CASCADE')
fi
check "DROP EXTENSION" "$dropped" 00000
no_workers
sql 'CREATE DATABASE other'
PGDATABASE=other sql 'CREATE EXTENSION atomizer CASCADE' "SELECT atomizer.start_ingestion('big', '$big', atom_chunk_size => 4000000)" >/dev/null
wait_until "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'atomizer ingestion')"
check "a database with a worker is in use" "$(sqlstate_of 'DROP DATABASE other')" 55006
begun=$(now)
sql 'DROP DATABASE other WITH (FORCE)'
check_below "seconds until it is dropped by force" "$(since "$begun")" 6
no_workers
check "workers that are left" "$(workers)" 0
check "the server lives on" "$(server_start)" "$start"
finish
