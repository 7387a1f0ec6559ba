//! Functions on stored tensors: weights, one weight, statistics, histogram.

use crate::access::{self, StoredTensor};
use crate::errors::{OrRaise, check_memory, raise, require_arg};
use crate::sql_types::SqlArray;
use crate::store;
use atomizer_core::analytics::{Histogram, Stats};
use atomizer_core::dtype::Dtype;
use atomizer_core::hash::Hash;
use atomizer_core::model::position;
use atomizer_core::weights::{self, DecodeError, Weights};
use pgrx::prelude::*;

/// Most weights of one array: Postgres' limit on any value is 1 GiB.
pub const MAX_ARRAY_WEIGHTS: i64 = 100_000_000;
/// Bytes of blocks decoded at a time when a whole tensor is gone through: one batch of segments.
const PIECE_BYTES: u64 = 16 << 20;

/// Refuses types that have no decoder.
pub fn check_decodable(tensor: &StoredTensor) {
    if !tensor.dtype.is_decodable() {
        Err(DecodeError::Unsupported(tensor.dtype)).or_raise()
    }
}

/// Decodes weights `from..from + count` of a tensor: only the segments that hold them are read.
pub fn read_weights(tensor: &StoredTensor, from: u64, count: u64) -> Weights {
    read_weights_of(&tensor.content_hash, tensor.dtype, from, count)
}

/// The same of a content and its type.
pub fn read_weights_of(hash: &Hash, dtype: Dtype, from: u64, count: u64) -> Weights {
    let (range, skip) = dtype.blocks_holding(from, count);
    let mut weights = weights::decode(dtype, &store::read_range(hash, range)).or_raise();
    weights.slice(skip, count as usize);
    weights
}

/// Goes through all weights of a tensor, in pieces of a multiple of `unit` weights.
pub fn for_each_weights(tensor: &StoredTensor, unit: u64, mut each: impl FnMut(Weights)) {
    check_decodable(tensor);
    let row = tensor.dtype.info();
    let step = PIECE_BYTES / u64::from(row.block_bytes) * u64::from(row.block_weights);
    let step = (step / unit).max(1) * unit;
    let total = tensor.weight_count as u64;
    let mut from = 0;
    while from < total {
        let count = step.min(total - from);
        check_memory(3 * 8 * count);
        each(read_weights(tensor, from, count));
        from += count;
    }
}

/// The tensor, and how many of the wanted weights it has.
fn open_range(tensor_atom_id: i64, from: i64, count: Option<i64>) -> (StoredTensor, u64, u64) {
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    check_decodable(&tensor);
    if !(0..=tensor.weight_count).contains(&from) || count.is_some_and(|count| count < 0) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "weights from {from} on, {} of them, are not in tensor \"{}\", which has {}",
                count.map_or("all".into(), |count| count.to_string()),
                tensor.layer_name,
                tensor.weight_count
            ),
            "Weights are counted from 0.",
        );
    }
    let count = count.unwrap_or(i64::MAX).min(tensor.weight_count - from);
    if count > MAX_ARRAY_WEIGHTS {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("{count} weights do not fit in one array (at most {MAX_ARRAY_WEIGHTS})"),
            "Ask for a range: the arguments \"from\" and count.",
        );
    }
    // The stored bytes, the decoded weights, and the array: 8 bytes a weight at most.
    check_memory(3 * 8 * count as u64);
    (tensor, from as u64, count as u64)
}

#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_weights(
    tensor_atom_id: Option<i64>,
    from: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> SqlArray<f32> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let from = require_arg("from", from);
    let (tensor, from, count) = open_range(tensor_atom_id, from, count);
    SqlArray(read_weights(&tensor, from, count).into_f32())
}

#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_weights_float8(
    tensor_atom_id: Option<i64>,
    from: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> SqlArray<f64> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let from = require_arg("from", from);
    let (tensor, from, count) = open_range(tensor_atom_id, from, count);
    let weights = read_weights(&tensor, from, count);
    SqlArray((0..weights.len()).map(|i| weights.f64(i)).collect())
}

#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_weight(
    tensor_atom_id: i64,
    position_x: i64,
    position_y: default!(i64, "0"),
    position_z: default!(i64, "0"),
) -> f32 {
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    check_decodable(&tensor);
    let width = tensor.shape.last().copied().unwrap_or(1) as i64;
    let height = tensor.shape.len().checked_sub(2).map_or(1, |axis| tensor.shape[axis] as i64);
    let depth = tensor.weight_count.checked_div(width * height).unwrap_or(0);
    let inside = (0..width).contains(&position_x)
        && (0..height).contains(&position_y)
        && (0..depth).contains(&position_z);
    if !inside {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "position ({position_x}, {position_y}, {position_z}) is outside of tensor \"{}\" of {width} x {height} x {depth} weights",
                tensor.layer_name
            ),
            "Positions are counted from 0: x along the last axis, y along the one before it, z over all others.",
        );
    }
    let index = (position_z * height + position_y) * width + position_x;
    read_weights(&tensor, index as u64, 1).f32(0)
}

/// The columns of one coefficient.
type CoefficientRow = (i64, i32, i32, i64, f32, Vec<u8>, Vec<u8>);

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_coefficients(
    tensor_atom_id: i64,
) -> TableIterator<
    'static,
    (
        name!(weight_index, i64),
        name!(position_x, i32),
        name!(position_y, i32),
        name!(position_z, i64),
        name!(weight, f32),
        name!(atomic_value, Vec<u8>),
        name!(content_hash, Vec<u8>),
    ),
> {
    const STEP: u64 = 64 << 10;
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    // A view over all tensors must not fail for those without a decoder: they have no rows.
    let total = if tensor.dtype.is_decodable() { tensor.weight_count as u64 } else { 0 };
    let rows = (0..total.div_ceil(STEP)).flat_map(move |step| {
        pgrx::check_for_interrupts!();
        let from = step * STEP;
        let weights = read_weights(&tensor, from, STEP.min(total - from));
        let shape = tensor.shape.clone();
        (0..weights.len()).map(move |i| -> CoefficientRow {
            let index = from + i as u64;
            let (x, y, z) = position(&shape, index);
            let atomic = weights.atomic_value(i);
            (
                index as i64,
                x as i32,
                y as i32,
                z as i64,
                weights.f32(i),
                atomic.as_bytes().to_vec(),
                atomic.hash().to_vec(),
            )
        })
    });
    TableIterator::new(rows)
}

/// Summary statistics of all weights of a tensor.
fn stats_of(tensor: &StoredTensor) -> Stats {
    let mut stats = Stats::default();
    for_each_weights(tensor, 1, |weights| match &weights {
        Weights::F32(values) => stats.add(values.iter().map(|value| f64::from(*value))),
        Weights::F64(values) => stats.add(values.iter().copied()),
        Weights::I64(values) => stats.add(values.iter().map(|value| *value as f64)),
        Weights::U64(values) => stats.add(values.iter().map(|value| *value as f64)),
    });
    stats
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_stats(
    tensor_atom_id: i64,
) -> TableIterator<
    'static,
    (
        name!(weight_count, i64),
        name!(min, Option<f64>),
        name!(max, Option<f64>),
        name!(mean, Option<f64>),
        name!(stddev, Option<f64>),
        name!(sparsity, Option<f64>),
        name!(nan_count, i64),
        name!(inf_count, i64),
    ),
> {
    crate::threads::start();
    let stats = stats_of(&access::tensor(tensor_atom_id));
    let any = stats.finite_count() > 0;
    TableIterator::once((
        stats.count as i64,
        any.then_some(stats.min),
        any.then_some(stats.max),
        stats.mean(),
        stats.stddev(),
        stats.sparsity(),
        stats.nan_count as i64,
        stats.inf_count as i64,
    ))
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn tensor_histogram(
    tensor_atom_id: Option<i64>,
    bins: default!(Option<i32>, "20"),
    low: default!(Option<f64>, "NULL"),
    high: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (name!(bin, i32), name!(bin_low, f64), name!(bin_high, f64), name!(weight_count, i64)),
> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let bins = require_arg("bins", bins);
    /// Far more than anybody looks at; keeps memory small.
    const MAX_BINS: i32 = 1_000_000;
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    let bounds = match (low, high) {
        (Some(low), Some(high)) => Some((low, high)),
        _ => {
            let stats = stats_of(&tensor);
            (stats.finite_count() > 0).then(|| (low.unwrap_or(stats.min), high.unwrap_or(stats.max)))
        }
    };
    let Some((low, high)) = bounds else {
        return TableIterator::empty();
    };
    if !(1..=MAX_BINS).contains(&bins) || !low.is_finite() || !high.is_finite() || low > high {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("a histogram of {bins} bins from {low} to {high} is not possible"),
            "bins must be 1 to 1000000, low and high finite and in order.",
        );
    }
    let mut histogram = Histogram::new(low, high, bins as usize);
    for_each_weights(&tensor, 1, |weights| match &weights {
        Weights::F32(values) => histogram.add(values.iter().map(|value| f64::from(*value))),
        Weights::F64(values) => histogram.add(values.iter().copied()),
        Weights::I64(values) => histogram.add(values.iter().map(|value| *value as f64)),
        Weights::U64(values) => histogram.add(values.iter().map(|value| *value as f64)),
    });
    let rows: Vec<_> = histogram
        .bins()
        .enumerate()
        .map(|(bin, (low, high, count))| (bin as i32 + 1, low, high, count as i64))
        .collect();
    TableIterator::new(rows)
}
