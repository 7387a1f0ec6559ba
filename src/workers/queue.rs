//! The jobs that wait for a worker: rows of `ingestion_job` with the time since when.

use super::Task;
use crate::access::field;
use crate::owner;
use crate::server_path::ServerPath;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;

/// Puts a job in the queue, for the role to run; gives its source.
pub fn add(role: DatumWithOid, job: i64) -> (Option<ServerPath>, Option<pg_sys::Oid>) {
    owner::run(|client| {
        let row = owner::execute(
            client,
            "SELECT q.model_path, q.model_lo FROM atomizer_internal.queue_ingestion_job($1, $2) AS q",
            &[role, job.into()],
        )
        .first();
        let path = row.get(1).unwrap_or_else(|error| error!("{error}"));
        let lo = row.get(2).unwrap_or_else(|error| error!("{error}"));
        (path, lo)
    })
}

/// Whether a job is in the queue.
pub fn has(job: i64) -> bool {
    owner::read_value::<bool>(
        "SELECT true FROM atomizer.ingestion_job WHERE ingestion_job_id = $1 AND queued_at IS NOT NULL",
        &[job.into()],
    )
    .is_some()
}

/// The jobs that come next, oldest first, each with the role that runs it.
pub fn next(count: u32) -> Vec<(i64, Task)> {
    owner::run(|client| {
        owner::execute(
            client,
            "SELECT q.job, q.role FROM atomizer_internal.next_queued_jobs($1) AS q",
            &[(count as i32).into()],
        )
        .map(|row| {
            let job = field(&row, 1);
            (job, Task::Run { job, role: field(&row, 2) })
        })
        .collect()
    })
}

/// Whether a job is still in the queue, which it then leaves only with this transaction.
pub fn hold(job: i64) -> bool {
    owner::value::<bool>(
        "SELECT true FROM atomizer.ingestion_job WHERE ingestion_job_id = $1 AND queued_at IS NOT NULL FOR UPDATE",
        &[job.into()],
    )
    .is_some()
}

/// A worker is started for a job: the others come before it from now on.
pub fn hand_on(job: i64) {
    owner::value::<i64>("SELECT atomizer_internal.hand_on_queued_job($1)", &[job.into()]);
}

/// Gives back a job that the procedure has not given back itself, and keeps the error.
pub fn give_up(job: i64, code: &str, message: &str) {
    owner::value::<i64>(
        "SELECT atomizer_internal.give_up_ingestion_job($1, $2, $3)",
        &[job.into(), code.into(), message.into()],
    );
}
