//! Public functions that change the catalogue. Each hands the caller's name to a function of the
//! same name in `sql/functions/`, which checks what that role may do, and runs it as the owner. And
//! what the procedures ask before they begin.

use crate::errors::{raise, require_arg};
use crate::names::ModelId;
use crate::owner;
use crate::safety::Safety;
use crate::server_path::ServerPath;
use crate::sources::{self, NamedFormat};
use pgrx::prelude::*;

#[pg_extern(volatile, parallel_unsafe)]
fn register_model(
    model_name: Option<&str>,
    tenant: default!(Option<&str>, "NULL"),
    model_type: default!(Option<&str>, "NULL"),
    provider: default!(Option<&str>, "NULL"),
    properties: default!(Option<pgrx::JsonB>, "'{}'"),
) -> i64 {
    owner::check_writable("register_model()", "");
    let model_name = require_arg("model_name", model_name);
    let properties = properties_object(Some(require_arg("properties", properties)));
    owner::value(
        "SELECT atomizer_internal.register_model($1, $2, $3, $4, $5, $6)",
        &[
            owner::caller(),
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
#[pg_extern(name = "create_ingestion_job", volatile, parallel_unsafe)]
fn create_ingestion_job_0_1(
    model: Option<ModelId>,
    model_path: default!(Option<ServerPath>, "NULL"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_format: default!(Option<&str>, "NULL"),
    granularity: default!(Option<&str>, "'auto'"),
    atom_chunk_size: default!(Option<i64>, "64000000"),
    atom_quota: default!(Option<i64>, "NULL"),
    safety: default!(Option<&str>, "'warn'"),
) -> i64 {
    owner::check_writable("create_ingestion_job()", "");
    let model_id = require_arg("model", model).0;
    let granularity = granularity_label(require_arg("granularity", granularity));
    let atom_chunk_size = require_arg("atom_chunk_size", atom_chunk_size);
    let safety = Safety::from_name(require_arg("safety", safety));
    sources::check_may_read(model_path.as_deref(), model_lo);
    let format = model_format.map(|name| NamedFormat::from_name(name).label());
    owner::value(
        "SELECT atomizer_internal.create_ingestion_job($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            owner::caller(),
            model_id.into(),
            model_path.into(),
            model_lo.into(),
            format.into(),
            granularity.into(),
            atom_chunk_size.into(),
            atom_quota.into(),
            safety.label().into(),
        ],
    )
    .expect("a new job has a number")
}

/// Properties of a model as they may be: queries look into them by key.
fn properties_object(properties: Option<pgrx::JsonB>) -> Option<pgrx::JsonB> {
    use serde_json::Value;
    let found = match properties.as_ref()?.0 {
        Value::Object(_) => return properties,
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("properties must be a JSON object, not {found}"),
        "Give names and values: properties => '{\"stage\": \"test\"}'.",
    )
}

/// The label in the enum `atom_granularity` of a name in any case.
fn granularity_label(name: &str) -> &'static str {
    const LABELS: [&str; 3] = ["auto", "weight", "tensor"];
    LABELS.into_iter().find(|label| label.eq_ignore_ascii_case(name)).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no granularity \"{name}\""),
            "auto, weight and tensor are granularities.",
        )
    })
}

/// The job `ingest_model` works on.
#[allow(clippy::too_many_arguments)]
#[pg_extern(schema = "atomizer_internal", name = "prepare_ingestion", volatile, parallel_unsafe)]
fn prepare_ingestion_0_1(
    model_name: Option<&str>,
    model_path: Option<ServerPath>,
    model_lo: Option<pg_sys::Oid>,
    model_format: Option<&str>,
    tenant: Option<&str>,
    granularity: Option<&str>,
    atom_chunk_size: Option<i64>,
    atom_quota: Option<i64>,
    model_type: default!(Option<&str>, "NULL"),
    provider: default!(Option<&str>, "NULL"),
    properties: default!(Option<pgrx::JsonB>, "NULL"),
    unlink: default!(Option<bool>, "false"),
    safety: default!(Option<&str>, "'warn'"),
) -> i64 {
    let model_name = require_arg("model_name", model_name);
    let granularity = granularity_label(require_arg("granularity", granularity));
    let atom_chunk_size = require_arg("atom_chunk_size", atom_chunk_size);
    let unlink = require_arg("unlink", unlink);
    let properties = properties_object(properties);
    let safety = Safety::from_name(require_arg("safety", safety));
    sources::check_may_read(model_path.as_deref(), model_lo);
    let format = model_format.map(|name| NamedFormat::from_name(name).label());
    owner::value(
        "SELECT atomizer_internal.prepare_ingestion($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            owner::caller(),
            model_name.into(),
            model_path.into(),
            model_lo.into(),
            format.into(),
            tenant.into(),
            granularity.into(),
            atom_chunk_size.into(),
            atom_quota.into(),
            model_type.into(),
            provider.into(),
            properties.into(),
            unlink.into(),
            safety.label().into(),
        ],
    )
    .expect("a prepared job has a number")
}

#[pg_extern(volatile, parallel_unsafe)]
fn update_model(
    model: Option<ModelId>,
    model_name: default!(Option<&str>, "NULL"),
    model_type: default!(Option<&str>, "NULL"),
    provider: default!(Option<&str>, "NULL"),
    properties: default!(Option<pgrx::JsonB>, "NULL"),
) {
    owner::check_writable("update_model()", "");
    let model_id = require_arg("model", model).0;
    let properties = properties_object(properties);
    owner::value::<i64>(
        "SELECT atomizer_internal.update_model($1, $2, $3, $4, $5, $6)",
        &[
            owner::caller(),
            model_id.into(),
            model_name.into(),
            model_type.into(),
            provider.into(),
            properties.into(),
        ],
    );
}

/// Takes the lease on a job; null when the job is complete already.
#[pg_extern(schema = "atomizer_internal", name = "claim_ingestion_job", volatile, parallel_unsafe)]
fn _claim_ingestion_job(ingestion_job_id: i64) -> Option<pgrx::Uuid> {
    crate::workers::check_queued(ingestion_job_id);
    owner::value(
        "SELECT atomizer_internal.claim_ingestion_job($1, $2)",
        &[owner::caller(), ingestion_job_id.into()],
    )
}

/// Gives the lease back after an error, a cancellation or an interrupt.
#[pg_extern(schema = "atomizer_internal", name = "release_ingestion_job", volatile, parallel_unsafe)]
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
        "SELECT atomizer_internal.release_ingestion_job($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            owner::caller(),
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
    owner::check_writable("cancel_ingestion_job()", "");
    owner::value(
        "SELECT atomizer_internal.cancel_ingestion_job($1, $2)",
        &[owner::caller(), ingestion_job_id.into()],
    )
    .expect("a status is not null")
}

#[pg_extern(volatile, parallel_unsafe)]
fn reset_ingestion_job(ingestion_job_id: i64) {
    owner::check_writable("reset_ingestion_job()", "");
    owner::value::<i64>(
        "SELECT atomizer_internal.reset_ingestion_job($1, $2)",
        &[owner::caller(), ingestion_job_id.into()],
    );
}

#[pg_extern(volatile, parallel_unsafe)]
fn set_atom_quota(ingestion_job_id: Option<i64>, atom_quota: Option<i64>) {
    owner::check_writable("set_atom_quota()", "");
    let ingestion_job_id = require_arg("ingestion_job_id", ingestion_job_id);
    owner::value::<i64>(
        "SELECT atomizer_internal.set_atom_quota($1, $2, $3)",
        &[owner::caller(), ingestion_job_id.into(), atom_quota.into()],
    );
}

#[pg_extern(volatile, parallel_unsafe)]
fn drop_model(model: ModelId) -> i64 {
    owner::check_writable("drop_model()", "");
    owner::value("SELECT atomizer_internal.drop_model($1, $2)", &[owner::caller(), model.0.into()])
        .expect("a number of tensors is not null")
}

/// Raises an error where nothing can be written, for functions in SQL; those in Rust ask themselves.
#[pg_extern(schema = "atomizer_internal", volatile, strict, parallel_unsafe)]
fn check_writable(function: &str) {
    owner::check_writable(function, "");
}

/// Raises an error where a procedure could not commit, which it would find out only when it does.
/// (In a block with an exception handler it goes on: there it may fail before, and be handled.)
#[pg_extern(schema = "atomizer_internal", name = "check_may_commit", volatile, strict, parallel_unsafe)]
fn _check_may_commit(procedure: &str) {
    owner::check_writable(&format!("{procedure}()"), "");
    // SAFETY: a plain call on the main thread.
    if !unsafe { pg_sys::IsSubTransaction() } {
        check_commit(procedure);
    }
}

/// The same before the first COMMIT, in blocks with an exception handler, too.
#[pg_extern(schema = "atomizer_internal", volatile, strict, parallel_unsafe)]
fn check_commit(procedure: &str) {
    const ALONE: &str = "It commits as it goes, so it has to be a statement of its own, outside of a transaction. Drivers begin \
         one by themselves unless they are told not to: psycopg by connection.autocommit = True, SQLAlchemy by \
         execution_options(isolation_level=\"AUTOCOMMIT\"), JDBC by setAutoCommit(true).";
    // SAFETY: these read the state of the transaction and of the procedure that calls.
    let (may, in_block) = unsafe {
        let in_block = pg_sys::IsTransactionBlock() && !pg_sys::IsSubTransaction();
        (pg_sys::SPI_inside_nonatomic_context(), in_block)
    };
    if in_block {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            format!("CALL {procedure} cannot run inside a transaction block"),
            ALONE,
        );
    } else if !may {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
            format!(
                "CALL {procedure} cannot run where it cannot commit: in a function, beside other statements of \
                 one query, in a block with EXCEPTION, or in a procedure with SET or SECURITY DEFINER"
            ),
            ALONE,
        );
    }
}
