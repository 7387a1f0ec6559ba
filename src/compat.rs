//! Symbols of released versions that the present SQL names no more, or with other arguments. The library is installed
//! before `ALTER EXTENSION atomizer UPDATE` runs, and the SQL of the version before must work with it until then: so a
//! function in C that changes its arguments or result gets another name in Rust, which ends in the version, and the old
//! one stays here. `pg_test/upgrade/symbols` lists every symbol that was released; a test loads each.

use crate::errors::require_arg;
use crate::names::ModelId;
use crate::server_path::ServerPath;
use crate::sources::{ModelLocation, NamedFormat};
use crate::space::geometry::{Box3d, PointZ};
use crate::space::near::{self, Strategy};
use crate::space::similar;
use crate::sql_types::{Bytea, LayerType, QuantizationType, TensorDtype};
use crate::{access, ingestion, owner, reading, safety, svd};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use std::borrow::Cow;
use std::ffi::CStr;

/// Whether the installed SQL is that of 0.0.1.
pub fn is_0_0_1() -> bool {
    // SAFETY: a plain call on the main thread.
    unsafe { pg_sys::get_namespace_oid(c"atomizer_internal".as_ptr(), true) == pg_sys::InvalidOid }
}

/// A statement with the names that the installed SQL has: 0.0.1 has its internal functions beside the public ones,
/// with an underscore.
pub fn names_of_installed(statement: &str) -> Cow<'_, str> {
    if statement.contains("atomizer_internal.") && is_0_0_1() {
        return statement.replace("atomizer_internal.", "atomizer._").into();
    }
    statement.into()
}

/// A role as the internal functions of the installed SQL take it: those of 0.0.1 take its name.
pub fn role_of_installed(role: pg_sys::Oid) -> DatumWithOid<'static> {
    if !is_0_0_1() {
        return role.into();
    }
    // SAFETY: the role exists, since it calls; what it is given is a text's datum.
    unsafe {
        let name = CStr::from_ptr(pg_sys::GetUserNameFromId(role, false)).to_string_lossy().into_owned();
        DatumWithOid::new(name.into_datum(), pg_sys::TEXTOID)
    }
}

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
            owner::caller(),
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

/// 0.0.1: `model_pickle_report` before it was a statement around `model_safety_report`.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn model_pickle_report(
    model_bytes: Option<&[u8]>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(verdict, &'static str),
        name!(global, Option<String>),
        name!(times, Option<i64>),
        name!(why, String),
    ),
> {
    let model = model_id.map(ModelId);
    let location = ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model };
    TableIterator::new(safety::pickle_rows(safety::report_on(location)))
}

/// 0.0.1: `create_ingestion_job` without safety.
#[pg_extern(sql = false)]
fn create_ingestion_job(
    model_id: i64,
    model_path: Option<ServerPath>,
    model_lo: Option<pg_sys::Oid>,
    model_format: Option<&str>,
    granularity: Option<&str>,
    atom_chunk_size: Option<i64>,
    atom_quota: Option<i64>,
) -> i64 {
    let granularity = require_arg("granularity", granularity);
    let atom_chunk_size = require_arg("atom_chunk_size", atom_chunk_size);
    let format = model_format.map(|name| NamedFormat::from_name(name).label());
    owner::value(
        "SELECT atomizer._create_ingestion_job($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            owner::caller(),
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

/// 0.0.1: `list_tensors` without layers.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_tensors(
    model_bytes: Option<&[u8]>,
    format: Option<&str>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(layer_idx, Option<i32>),
        name!(layer_type, LayerType),
        name!(shape, Vec<i64>),
        name!(data_type, TensorDtype),
        name!(quantization_type, Option<QuantizationType>),
        name!(weight_count, i64),
        name!(byte_length, i64),
        name!(file_no, i32),
        name!(file_offset, Option<i64>),
    ),
> {
    reading::list_layers(model_bytes, format, model_lo, model_path, model_id.map(ModelId), None, Some(false))
}

/// 0.0.1: `extract_model_weights` without layers, and in C.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn extract_model_weights(
    model_bytes: Option<&[u8]>,
    format: Option<&str>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(shape, Vec<i64>),
        name!(data_type, TensorDtype),
        name!(weight_data, Bytea),
        name!(quantization_type, Option<QuantizationType>),
        name!(quantization_scale, Option<f64>),
        name!(quantization_zero_point, Option<i32>),
    ),
> {
    reading::_extract_model_weights(
        model_bytes,
        format,
        model_lo,
        model_path,
        model_id.map(ModelId),
        None,
        Some(false),
    )
}

/// 0.0.1: `stream_atomic_weights_chunked` without layers, and in C.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn stream_atomic_weights_chunked(
    model_bytes: Option<&[u8]>,
    format: Option<&str>,
    offset: Option<i64>,
    chunk_size: Option<i64>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model_id: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(layer_idx, Option<i32>),
        name!(position_x, i32),
        name!(position_y, i32),
        name!(position_z, i64),
        name!(weight, f32),
        name!(atomic_value, Vec<u8>),
        name!(content_hash, Vec<u8>),
    ),
> {
    reading::_stream_atomic_weights_chunked(
        model_bytes,
        format,
        offset,
        chunk_size,
        model_lo,
        model_path,
        model_id.map(ModelId),
        None,
        Some(false),
    )
}

/// 0.0.1: `atoms_in_box` with the strategy as an enum.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn atoms_in_box(
    search_box: Box3d,
    strategy: Strategy,
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(spatial_key, PointZ),
    ),
> {
    TableIterator::new(near::in_box(search_box, strategy))
}

/// 0.0.1: `similar_rows` with the strategy as an enum.
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
#[pg_extern(sql = false)]
fn similar_rows(
    tensor_atom_id: Option<i64>,
    row_no: Option<i64>,
    k: Option<i32>,
    candidates: Option<i32>,
    metric: Option<&str>,
    strategy: Option<Strategy>,
    within_tensor: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(distance, f64),
    ),
> {
    TableIterator::new(similar::rows_like(
        require_arg("tensor_atom_id", tensor_atom_id),
        require_arg("row_no", row_no),
        require_arg("k", k).into(),
        require_arg("candidates", candidates),
        require_arg("metric", metric),
        require_arg("strategy", strategy),
        within_tensor,
    ))
}

/// 0.0.1: `_compress_step` without energy and bytes.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn _compress_step(
    model_id: Option<i64>,
    rank: Option<i32>,
    target_energy: Option<f64>,
    min_parameters: Option<i64>,
    first_tensor: Option<i32>,
) -> TableIterator<
    'static,
    (name!(next_tensor, Option<i32>), name!(decomposed, i32), name!(skipped, i32), name!(small, i32)),
> {
    let step = svd::compress::compress_step(model_id, rank, target_energy, min_parameters, first_tensor);
    TableIterator::new(step.map(|step| (step.0, step.1, step.2 + step.3, step.4)).collect::<Vec<_>>())
}

/// 0.0.1: `tensor_spectral_measures` without `alpha_weighted` and what follows it, and without stored measures.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn tensor_spectral_measures(
    tensor_atom_id: i64,
) -> TableIterator<
    'static,
    (
        name!(rows, i64),
        name!(cols, i64),
        name!(spectral_norm, f64),
        name!(frobenius_norm, f64),
        name!(stable_rank, f64),
        name!(effective_rank, f64),
        name!(alpha, Option<f64>),
        name!(alpha_sigma, Option<f64>),
        name!(xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
    ),
> {
    crate::threads::start();
    TableIterator::new(svd::measures::computed(&access::tensor(tensor_atom_id)).map(|(rows, columns, m)| {
        (
            rows,
            columns,
            m.spectral_norm,
            m.frobenius_norm,
            m.stable_rank,
            m.effective_rank,
            m.law.map(|law| law.alpha),
            m.law.map(|law| law.sigma),
            m.law.map(|law| law.xmin),
            m.law.map(|law| law.distance),
            m.law.map(|law| law.tail as i64),
        )
    }))
}

/// 0.0.1: `model_spectral_measures`, as above.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn model_spectral_measures(
    model_id: i64,
    min_parameters: i64,
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(layer_name, String),
        name!(rows, i64),
        name!(cols, i64),
        name!(spectral_norm, f64),
        name!(frobenius_norm, f64),
        name!(stable_rank, f64),
        name!(effective_rank, f64),
        name!(alpha, Option<f64>),
        name!(alpha_sigma, Option<f64>),
        name!(xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
    ),
> {
    crate::threads::start();
    let mut tensors = access::complete_model(model_id).tensors;
    tensors.retain(|tensor| tensor.weight_count >= min_parameters && svd::layer_sides(tensor).is_ok());
    TableIterator::new(tensors.into_iter().filter_map(|tensor| {
        let (rows, columns, m) = svd::measures::computed(&tensor)?;
        Some((
            tensor.tensor_atom_id,
            tensor.layer_name,
            rows,
            columns,
            m.spectral_norm,
            m.frobenius_norm,
            m.stable_rank,
            m.effective_rank,
            m.law.map(|law| law.alpha),
            m.law.map(|law| law.sigma),
            m.law.map(|law| law.xmin),
            m.law.map(|law| law.distance),
            m.law.map(|law| law.tail as i64),
        ))
    }))
}

/// 0.0.1: `_prepare_ingestion` without the model's description.
#[allow(clippy::too_many_arguments)]
#[pg_extern(sql = false)]
fn _prepare_ingestion(
    model_name: Option<&str>,
    model_path: Option<ServerPath>,
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
            owner::caller(),
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
