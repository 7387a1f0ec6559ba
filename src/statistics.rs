//! Statistics of the planner where it has none. What a step has just filled is analyzed at once when the planner
//! holds it for empty, or has never looked: until autovacuum comes by, every join would be planned for a row or two.

use crate::access::field;
use crate::owner;

/// Analyzes those of the tables (of schema `atomizer`) that have rows of which the planner knows nothing.
pub fn analyze_unknown(tables: &[&str]) {
    owner::run(|client| {
        // Another session that holds a table's lock is analyzing it, or changes it: it is left out, and nobody needs
        // the warning of it. The setting ends with this run.
        owner::execute(client, "SELECT set_config('client_min_messages', 'error', true)", &[]);
        let statement = "SELECT c.oid::regclass::text FROM pg_class c \
                         WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relname = ANY($1) \
                           AND c.reltuples <= 0 AND pg_relation_size(c.oid) > 0";
        let unknown: Vec<String> =
            owner::execute(client, statement, &[tables.to_vec().into()]).map(|row| field(&row, 1)).collect();
        for table in unknown {
            owner::execute(client, &format!("ANALYZE (SKIP_LOCKED) {table}"), &[]);
        }
    });
}
