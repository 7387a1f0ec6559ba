//! One step of a governed ingestion. The procedure `atomize_model_governed` calls it in a loop and
//! commits after each: first the plan, then chunk by chunk, then the verification.

mod chunk;
pub mod finalize;
mod plan;

use crate::access::field;
use crate::errors::{raise, require_arg};
use crate::owner;
use crate::progress::{self, Subject};
use crate::safety::Safety;
use crate::server_path::ServerPath;
use crate::sources::{self, ModelLocation, NamedFormat};
use atomizer_core::formats::{Detail, FileSet};
use atomizer_core::model::Model;
use atomizer_core::progress::{Phase, Unit, Work};
use pgrx::prelude::*;

pub use finalize::weight_counts;

/// What a step needs to know of its job.
pub struct Job {
    ingestion_job_id: i64,
    model_id: i64,
    tenant_id: i64,
    model_path: Option<ServerPath>,
    model_lo: Option<pg_sys::Oid>,
    model_format: Option<String>,
    granularity: String,
    atom_chunk_size: i64,
    atom_quota: Option<i64>,
    current_atom_offset: i64,
    total_atoms: Option<i64>,
    bytes_processed: i64,
    total_bytes: Option<i64>,
    content_no: i32,
    segment_no: i32,
    cancel_requested: bool,
    /// Whether the large object is removed when the model is complete.
    unlink_lo: bool,
    /// Unknown where version 0.0.1 made the job.
    created_role: Option<pg_sys::Oid>,
    /// What happens to a model that is not safe.
    safety: Safety,
}

impl Job {
    /// Locks the job's row and renews the lease, if the caller holds it and acts for its tenant.
    fn take(ingestion_job_id: i64, lease_token: pgrx::Uuid) -> Self {
        let statement = "UPDATE atomizer.ingestion_job j SET lease_expires_at = clock_timestamp() + \
             atomizer_internal.lease_duration(), last_updated_at = clock_timestamp() \
             WHERE j.ingestion_job_id = $1 AND j.lease_token = $2 AND j.job_status = 'Processing' \
               AND atomizer_internal.may_act_for($3, j.tenant_id) \
             RETURNING model_id, tenant_id, model_path, model_lo, model_format::text, granularity::text, \
                 atom_chunk_size, atom_quota, current_atom_offset, total_atoms, bytes_processed, total_bytes, \
                 content_no, segment_no, cancel_requested, \
                 (to_jsonb(j) ->> 'created_role')::regrole::oid, coalesce((to_jsonb(j) ->> 'unlink_lo')::boolean, false), \
                 coalesce(to_jsonb(j) ->> 'safety', 'ignore')"; // the previous version has no such columns
        // Before the change of user: within, the caller would be the owner.
        let caller = owner::caller();
        let job = owner::run(|client| {
            let args = [ingestion_job_id.into(), lease_token.into(), caller];
            owner::execute(client, statement, &args)
                .map(|row| Self {
                    ingestion_job_id,
                    model_id: field(&row, 1),
                    tenant_id: field(&row, 2),
                    model_path: row.get(3).ok().flatten(),
                    model_lo: row.get(4).ok().flatten(),
                    model_format: row.get(5).ok().flatten(),
                    granularity: field(&row, 6),
                    atom_chunk_size: field(&row, 7),
                    atom_quota: row.get(8).ok().flatten(),
                    current_atom_offset: field(&row, 9),
                    total_atoms: row.get(10).ok().flatten(),
                    bytes_processed: field(&row, 11),
                    total_bytes: row.get(12).ok().flatten(),
                    content_no: field(&row, 13),
                    segment_no: field(&row, 14),
                    cancel_requested: field(&row, 15),
                    created_role: row.get(16).ok().flatten(),
                    unlink_lo: field(&row, 17),
                    safety: Safety::from_name(&field::<String>(&row, 18)),
                })
                .next()
        });
        job.unwrap_or_else(|| {
            raise(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                format!("the lease on ingestion job {ingestion_job_id} is lost"),
                "Another worker has taken the job over, or it was cancelled or reset.",
            )
        })
    }

    /// Shows how far it is.
    fn show(&self, phase: Phase, done: i64, total: i64) {
        let subject =
            Subject { model_id: self.model_id, tenant_id: self.tenant_id, job_id: self.ingestion_job_id };
        progress::step(Work::Ingest, subject, phase, Unit::Bytes, done as u64, total as u64);
    }

    /// Parses the headers of the job's files.
    fn parse(&self, files: &FileSet) -> Model {
        sources::parse_files(files, self.model_format.as_deref().map(NamedFormat::from_name), Detail::Summary)
    }

    /// Opens the job's source, with the caller's own rights. Who made the job must have them, too: whoever helps a
    /// tenant to run one of its jobs must not read for it what it may not read.
    fn open<'a>(&'a self, model_data: Option<&'a [u8]>) -> FileSet<'a> {
        let location = self.location(model_data);
        let may_read = |role| sources::may_read(role, location.path, location.lo);
        if self.created_role.is_some_and(|role| role != owner::caller_id() && !may_read(role)) {
            raise(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "the role that made ingestion job {} may not read its source, or was dropped",
                    self.ingestion_job_id
                ),
                "Who may read it names it again: CALL ingest_model(…) with the model's name and this source.",
            );
        }
        sources::open(location)
    }

    /// Where the job's source is.
    fn location<'a>(&'a self, model_data: Option<&'a [u8]>) -> ModelLocation<'a, 'a> {
        if self.model_path.is_none() && self.model_lo.is_none() && model_data.is_none() {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("ingestion job {} has neither a path nor a large object", self.ingestion_job_id),
                "Pass the file: CALL atomize_model_governed(job, model_data).",
            );
        }
        if let Some(bytes) = model_data {
            return ModelLocation { bytes: Some(bytes), ..ModelLocation::default() };
        }
        ModelLocation { lo: self.model_lo, path: self.model_path.as_deref(), ..ModelLocation::default() }
    }
}

#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "ingestion_step", volatile, parallel_unsafe)]
fn _ingestion_step(
    ingestion_job_id: Option<i64>,
    lease_token: Option<pgrx::Uuid>,
    model_data: default!(Option<&[u8]>, "NULL"),
    model_format: default!(Option<&str>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(phase, String),
        name!(atoms_processed, i64),
        name!(total_atoms, i64),
        name!(bytes_processed, i64),
        name!(total_bytes, i64),
        name!(problem, Option<String>),
    ),
> {
    let ingestion_job_id = require_arg("ingestion_job_id", ingestion_job_id);
    let lease_token = require_arg("lease_token", lease_token);
    crate::threads::start();
    let mut job = Job::take(ingestion_job_id, lease_token);
    job.model_format = model_format.map(str::to_owned).or(job.model_format);
    let progress = if job.cancel_requested {
        Progress::new(&job, "cancelled")
    } else if job.total_atoms.is_none() {
        job.show(Phase::Reading, 0, 0);
        plan::plan(&job, model_data)
    } else if job.bytes_processed < job.total_bytes.unwrap_or(0) {
        job.show(Phase::Storing, job.bytes_processed, job.total_bytes.unwrap_or(0));
        let progress = chunk::store_next_chunk(&job, model_data);
        job.show(Phase::Storing, progress.bytes_processed, progress.total_bytes);
        progress
    } else {
        job.show(Phase::Verifying, 0, job.total_bytes.unwrap_or(0));
        finalize::finalize(&job);
        // In the transaction that publishes the verified model, as the caller.
        job.model_lo.filter(|_| job.unlink_lo).into_iter().for_each(sources::unlink);
        Progress::new(&job, "complete")
    };
    if progress.problem.is_some() || ["cancelled", "complete"].contains(&progress.phase) {
        progress::finish();
    }
    TableIterator::once((
        progress.phase.to_owned(),
        progress.atoms_processed,
        progress.total_atoms,
        progress.bytes_processed,
        progress.total_bytes,
        progress.problem,
    ))
}

/// What a step reports.
struct Progress {
    phase: &'static str,
    atoms_processed: i64,
    total_atoms: i64,
    bytes_processed: i64,
    total_bytes: i64,
    /// Why the job must stop after this step is committed.
    problem: Option<String>,
}

impl Progress {
    fn new(job: &Job, phase: &'static str) -> Self {
        Self {
            phase,
            atoms_processed: job.current_atom_offset,
            total_atoms: job.total_atoms.unwrap_or(0),
            bytes_processed: job.bytes_processed,
            total_bytes: job.total_bytes.unwrap_or(0),
            problem: None,
        }
    }
}
