//! Symbols of released versions that the present SQL names no more, or with other arguments. The library is installed
//! before `ALTER EXTENSION atomizer UPDATE` runs, and the SQL of the version before must work with it until then: so a
//! function in C that changes its arguments or result gets another name in Rust, and the old one stays here.

use crate::errors::require_arg;
use crate::{ingestion, owner};
use pgrx::prelude::*;

/// 0.0.1: `_release_ingestion_job` without detail and hint.
#[pg_extern(sql = false)]
fn _release_ingestion_job(
    ingestion_job_id: Option<i64>,
    lease_token: Option<pgrx::Uuid>,
    job_status: Option<&str>,
    error_code: Option<&str>,
    error_message: Option<&str>,
) {
    let ingestion_job_id = require_arg("ingestion_job_id", ingestion_job_id);
    let lease_token = require_arg("lease_token", lease_token);
    let job_status = require_arg("job_status", job_status);
    owner::value::<i64>(
        "SELECT atomizer._release_ingestion_job($1, $2, $3, $4, $5, $6)",
        &[
            owner::caller_name().into(),
            ingestion_job_id.into(),
            lease_token.into(),
            job_status.into(),
            error_code.into(),
            error_message.into(),
        ],
    );
}

/// 0.0.1: `_release_weight_refs` before it had this name.
#[pg_extern(sql = false)]
fn _unfold_model(model_id: i64) {
    ingestion::finalize::_release_weight_refs(model_id);
}
