//! Public functions that change the catalogue. Each hands the caller's name to a function of the
//! same name in `sql/functions/`, which checks what that role may do, and runs it as the owner. And
//! what the procedures ask before they begin.

use crate::errors::{raise, require_arg};
use crate::owner;
use crate::sources::NamedFormat;
use pgrx::prelude::*;

#[pg_extern(volatile, parallel_unsafe)]
fn register_model(
    model_name: Option<&str>,
    tenant: default!(Option<&str>, "NULL"),
    model_type: default!(Option<&str>, "NULL"),
    provider: default!(Option<&str>, "NULL"),
    properties: default!(Option<pgrx::JsonB>, "'{}'"),
) -> i64 {
    let model_name = require_arg("model_name", model_name);
    let properties = require_arg("properties", properties);
    owner::value(
        "SELECT atomizer._register_model($1, $2, $3, $4, $5, $6)",
        &[
            owner::caller_name().into(),
            model_name.into(),
            tenant.into(),
            model_type.into(),
            provider.into(),
            properties.into(),
        ],
    )
    .expect("a registered model has a number")
}

#[allow(clippy::too_many_arguments)]
#[pg_extern(volatile, parallel_unsafe)]
fn create_ingestion_job(
    model_id: Option<i64>,
    model_path: default!(Option<&str>, "NULL"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_format: default!(Option<&str>, "NULL"),
    granularity: default!(Option<&str>, "'auto'"),
    atom_chunk_size: default!(Option<i64>, "64000000"),
    atom_quota: default!(Option<i64>, "NULL"),
) -> i64 {
    let model_id = require_arg("model_id", model_id);
    let granularity = require_arg("granularity", granularity);
    let atom_chunk_size = require_arg("atom_chunk_size", atom_chunk_size);
    let format = model_format.map(|name| NamedFormat::from_name(name).label());
    owner::value(
        "SELECT atomizer._create_ingestion_job($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            owner::caller_name().into(),
            model_id.into(),
            model_path.into(),
            model_lo.into(),
            format.into(),
            granularity.into(),
            atom_chunk_size.into(),
            atom_quota.into(),
        ],
    )
    .expect("a new job has a number")
}

/// The job `ingest_model` works on.
#[allow(clippy::too_many_arguments)]
#[pg_extern(volatile, parallel_unsafe)]
fn _prepare_ingestion(
    model_name: Option<&str>,
    model_path: Option<&str>,
    model_lo: Option<pg_sys::Oid>,
    model_format: Option<&str>,
    tenant: Option<&str>,
    granularity: Option<&str>,
    atom_chunk_size: Option<i64>,
    atom_quota: Option<i64>,
) -> i64 {
    let model_name = require_arg("model_name", model_name);
    let granularity = require_arg("granularity", granularity);
    let atom_chunk_size = require_arg("atom_chunk_size", atom_chunk_size);
    let format = model_format.map(|name| NamedFormat::from_name(name).label());
    owner::value(
        "SELECT atomizer._prepare_ingestion($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            owner::caller_name().into(),
            model_name.into(),
            model_path.into(),
            model_lo.into(),
            format.into(),
            tenant.into(),
            granularity.into(),
            atom_chunk_size.into(),
            atom_quota.into(),
        ],
    )
    .expect("a prepared job has a number")
}

/// Takes the lease on a job; null when the job is complete already.
#[pg_extern(volatile, parallel_unsafe)]
fn _claim_ingestion_job(ingestion_job_id: i64) -> Option<pgrx::Uuid> {
    owner::value(
        "SELECT atomizer._claim_ingestion_job($1, $2)",
        &[owner::caller_name().into(), ingestion_job_id.into()],
    )
}

/// Gives the lease back after an error, a cancellation or an interrupt.
#[pg_extern(name = "_release_ingestion_job", volatile, parallel_unsafe)]
fn release_ingestion_job(
    ingestion_job_id: Option<i64>,
    lease_token: Option<pgrx::Uuid>,
    job_status: Option<&str>,
    error_code: default!(Option<&str>, "NULL"),
    error_message: default!(Option<&str>, "NULL"),
    error_detail: default!(Option<&str>, "NULL"),
    error_hint: default!(Option<&str>, "NULL"),
) {
    let ingestion_job_id = require_arg("ingestion_job_id", ingestion_job_id);
    let lease_token = require_arg("lease_token", lease_token);
    let job_status = require_arg("job_status", job_status);
    owner::value::<i64>(
        "SELECT atomizer._release_ingestion_job($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            owner::caller_name().into(),
            ingestion_job_id.into(),
            lease_token.into(),
            job_status.into(),
            error_code.into(),
            error_message.into(),
            error_detail.into(),
            error_hint.into(),
        ],
    );
}

#[pg_extern(volatile, parallel_unsafe)]
fn cancel_ingestion_job(ingestion_job_id: i64) -> String {
    owner::value(
        "SELECT atomizer._cancel_ingestion_job($1, $2)",
        &[owner::caller_name().into(), ingestion_job_id.into()],
    )
    .expect("a status is not null")
}

#[pg_extern(volatile, parallel_unsafe)]
fn reset_ingestion_job(ingestion_job_id: i64) {
    owner::value::<i64>(
        "SELECT atomizer._reset_ingestion_job($1, $2)",
        &[owner::caller_name().into(), ingestion_job_id.into()],
    );
}

#[pg_extern(volatile, parallel_unsafe)]
fn set_atom_quota(ingestion_job_id: Option<i64>, atom_quota: Option<i64>) {
    let ingestion_job_id = require_arg("ingestion_job_id", ingestion_job_id);
    owner::value::<i64>(
        "SELECT atomizer._set_atom_quota($1, $2, $3)",
        &[owner::caller_name().into(), ingestion_job_id.into(), atom_quota.into()],
    );
}

#[pg_extern(volatile, parallel_unsafe)]
fn drop_model(model_id: i64) -> i64 {
    owner::value("SELECT atomizer._drop_model($1, $2)", &[owner::caller_name().into(), model_id.into()])
        .expect("a number of tensors is not null")
}

/// Raises an error inside a transaction block, where a procedure would find out only when it commits.
/// (In a block with an exception handler it still does: there it may fail before, and be handled.)
#[pg_extern(volatile, strict, parallel_unsafe)]
fn _check_may_commit(procedure: &str) {
    // SAFETY: both read the state of the current transaction.
    if unsafe { pg_sys::IsTransactionBlock() && !pg_sys::IsSubTransaction() } {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            format!("CALL {procedure} cannot run inside a transaction block"),
            "It commits as it goes: call it without BEGIN, as a statement of its own.",
        );
    }
}
