//! Functions on stored tensors: weights, one weight, statistics, histogram.

use crate::access::{self, StoredTensor};
use crate::errors::{OrRaise, Raise, check_memory, raise, require_arg};
use crate::sql_types::SqlArray;
use crate::store;
use atomizer_core::analytics::{Histogram, HistogramError, MAX_BINS, Stats};
use atomizer_core::coefficient::{Coefficient, coefficients, extents, index_at, pieces, pieces_of};
use atomizer_core::dtype::Dtype;
use atomizer_core::hash::Hash;
use atomizer_core::weights::{self, DecodeError, Weights};
use pgrx::prelude::*;

/// Most weights of one array: Postgres' limit on any value is 1 GiB.
pub const MAX_ARRAY_WEIGHTS: i64 = 100_000_000;
/// Coefficients in memory at a time.
const PIECE_COEFFICIENTS: u64 = 64 << 10;

impl Raise for HistogramError {
    fn raise(self) -> ! {
        let hint = format!("bins must be 1 to {MAX_BINS}, low and high finite and in order.");
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), &hint)
    }
}

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
    weights::decode_range(dtype, &store::read_range(hash, range), skip, count as usize).or_raise()
}

/// Goes through all weights of a tensor, in pieces of a multiple of `unit` weights.
pub fn for_each_weights(tensor: &StoredTensor, unit: u64, mut each: impl FnMut(Weights)) {
    check_decodable(tensor);
    for (from, count) in pieces(tensor.dtype, tensor.weight_count as u64, unit) {
        check_memory(3 * 8 * count);
        each(read_weights(tensor, from, count));
    }
}

/// The tensor, and how many of the wanted weights it has.
fn open_range(tensor_atom_id: i64, from: i64, count: Option<i64>) -> (StoredTensor, u64, u64) {
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    check_decodable(&tensor);
    let (from, count) = clip_range(&tensor, "weights", tensor.weight_count, from, count);
    if count > MAX_ARRAY_WEIGHTS as u64 {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("{count} weights do not fit in one array (at most {MAX_ARRAY_WEIGHTS})"),
            "Ask for a range: the arguments first and count.",
        );
    }
    // The stored bytes, the decoded weights, and the array: 8 bytes a weight at most.
    check_memory(3 * 8 * count);
    (tensor, from, count)
}

/// The range of a tensor's `total` units (weights or bytes) that a caller asks for: it begins in the tensor, or
/// just behind it, and ends with the tensor at the latest.
pub fn clip_range(
    tensor: &StoredTensor,
    unit: &str,
    total: i64,
    first: i64,
    count: Option<i64>,
) -> (u64, u64) {
    if !(0..=total).contains(&first) || count.is_some_and(|count| count < 0) {
        let count = count.map_or("all".into(), |count| count.to_string());
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "{unit} from {first} on, {count} of them, are not in tensor \"{}\", which has {total}",
                tensor.layer_name
            ),
            &format!("{}{} are counted from 0.", unit[..1].to_ascii_uppercase(), &unit[1..]),
        );
    }
    (first as u64, count.unwrap_or(i64::MAX).min(total - first) as u64)
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn tensor_weights(
    tensor_atom_id: Option<i64>,
    first: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> SqlArray<f32> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let first = require_arg("first", first);
    let (tensor, from, count) = open_range(tensor_atom_id, first, count);
    SqlArray(read_weights(&tensor, from, count).into_f32())
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn tensor_weights_float8(
    tensor_atom_id: Option<i64>,
    first: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> SqlArray<f64> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let first = require_arg("first", first);
    let (tensor, from, count) = open_range(tensor_atom_id, first, count);
    SqlArray(read_weights(&tensor, from, count).into_f64())
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn tensor_weight(
    tensor_atom_id: i64,
    position_x: i64,
    position_y: default!(i64, "0"),
    position_z: default!(i64, "0"),
) -> f32 {
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    check_decodable(&tensor);
    let index = index_at(&tensor.shape, [position_x, position_y, position_z]).unwrap_or_else(|| {
        let [width, height, depth] = extents(&tensor.shape);
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "position ({position_x}, {position_y}, {position_z}) is outside of tensor \"{}\" of {width} x {height} x {depth} weights",
                tensor.layer_name
            ),
            "Positions are counted from 0: x along the last axis, y along the one before it, z over all others.",
        )
    });
    read_weights(&tensor, index, 1).f32(0)
}

/// The columns of one coefficient.
type CoefficientRow = (i64, i32, i32, i64, f32, Vec<u8>, Vec<u8>);

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, cost = 10000)]
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
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    // A view over all tensors must not fail for those without a decoder: they have no rows.
    let total = if tensor.dtype.is_decodable() { tensor.weight_count as u64 } else { 0 };
    let rows = pieces_of(total, PIECE_COEFFICIENTS).flat_map(move |(from, count)| {
        pgrx::check_for_interrupts!();
        let weights = read_weights(&tensor, from, count);
        coefficients(&tensor.shape, from, weights).map(|coefficient| -> CoefficientRow {
            let Coefficient { index, position: (x, y, z), value, atomic_value } = coefficient;
            let (bytes, hash) = (atomic_value.as_bytes().to_vec(), atomic_value.hash().to_vec());
            (index as i64, x as i32, y as i32, z as i64, value, bytes, hash)
        })
    });
    TableIterator::new(rows)
}

/// Summary statistics of all weights of a tensor.
fn stats_of(tensor: &StoredTensor) -> Stats {
    let mut stats = Stats::default();
    for_each_weights(tensor, 1, |weights| stats.add_weights(&weights));
    stats
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, cost = 10000)]
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
    let (min, max) = stats.range().unzip();
    TableIterator::once((
        stats.count as i64,
        min,
        max,
        stats.mean(),
        stats.stddev(),
        stats.sparsity(),
        stats.nan_count as i64,
        stats.inf_count as i64,
    ))
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, cost = 10000)]
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
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    let Some((low, high)) = Histogram::bounds(low, high, || stats_of(&tensor)) else {
        return TableIterator::empty();
    };
    let mut histogram = Histogram::new(low, high, bins.into()).or_raise();
    for_each_weights(&tensor, 1, |weights| histogram.add_weights(&weights));
    let rows: Vec<_> = histogram
        .bins()
        .enumerate()
        .map(|(bin, (low, high, count))| (bin as i32 + 1, low, high, count as i64))
        .collect();
    TableIterator::new(rows)
}
