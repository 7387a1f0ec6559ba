//! Singular value decomposition through SQL: of matrices that callers give, of stored tensors, and of
//! whole models.

mod analyze;
pub mod compress;
mod lora;
mod matrices;
pub mod measures;

use crate::access::StoredTensor;
use crate::errors::{OrRaise, check_memory, raise};
use crate::tensors::for_each_weights;
use crate::threads;
use atomizer_core::matrix_memory::MatrixMemory;
use atomizer_core::svd::{self, Svd, SvdError, components, matrix_sides};
use pgrx::prelude::*;

/// A tensor's weights, read as a matrix.
struct Matrix {
    values: MatrixMemory,
    rows: usize,
    columns: usize,
}

/// As [`matrix_sides`], of a stored tensor.
fn sides(tensor: &StoredTensor) -> Result<(usize, usize), String> {
    matrix_sides(tensor.dtype, &tensor.shape).map_err(|why| why.to_string())
}

/// As [`svd::layer_sides`], of a stored tensor.
pub fn layer_sides(tensor: &StoredTensor) -> Result<(usize, usize), String> {
    svd::layer_sides(tensor.dtype, &tensor.shape).map_err(|why| why.to_string())
}

/// Reads all weights of a tensor.
fn values_of(tensor: &StoredTensor) -> MatrixMemory {
    let mut values = matrix_memory(tensor.weight_count as usize);
    let mut position = 0;
    for_each_weights(tensor, 1, |weights| {
        let weights = weights.into_f32();
        values[position..][..weights.len()].copy_from_slice(&weights);
        position += weights.len();
    });
    values
}

/// Memory for so many numbers of a matrix, or an error raised.
fn matrix_memory(count: usize) -> MatrixMemory {
    MatrixMemory::new(count).unwrap_or_else(|error| {
        let message = format!("out of memory: cannot allocate {} bytes: {error}", 4 * count);
        raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, message, "")
    })
}

/// Reads a tensor as a matrix, or raises an error.
fn matrix_of(tensor: &StoredTensor) -> Matrix {
    let (rows, columns) = sides(tensor).unwrap_or_else(|why| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("tensor \"{}\" cannot be decomposed: {why}", tensor.layer_name),
            "",
        )
    });
    Matrix { values: values_of(tensor), rows, columns }
}

/// Decomposes a matrix until the query is cancelled.
fn decompose(values: &[f32], rows: usize, columns: usize, rank: usize) -> Result<Svd, SvdError> {
    check_memory(4 * components(rows, columns, rank.min(rows).min(columns)));
    threads::cancellable(|cancel| svd::decompose(values, rows, columns, rank, cancel))
}

/// A rank that a caller gives.
fn rank_of(rank: i32) -> usize {
    usize::try_from(rank).ok().filter(|rank| *rank > 0).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the rank of a decomposition must be 1 or more, not {rank}"),
            "",
        )
    })
}

/// Values as little-endian bytes, the form in which decompositions are stored and given to clients.
fn to_bytes(values: &[f32]) -> Vec<u8> {
    let length = size_of_val(values);
    check_memory(length as u64);
    let mut bytes = Vec::with_capacity(length);
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

/// Values of little-endian bytes.
fn from_bytes(bytes: &[u8], what: &str) -> Vec<f32> {
    let words = words(bytes, what);
    check_memory(bytes.len() as u64);
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// [`from_bytes`] for a whole matrix.
fn matrix_from_bytes(bytes: &[u8], what: &str) -> MatrixMemory {
    let words = words(bytes, what);
    let mut values = matrix_memory(words.len());
    values.iter_mut().zip(words).for_each(|(value, word)| *value = f32::from_le_bytes(*word));
    values
}

fn words<'a>(bytes: &'a [u8], what: &str) -> &'a [[u8; 4]] {
    let (words, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
            format!("{what} has {} bytes, which are not a whole number of 4-byte floats", bytes.len()),
            "The bytes are those of little-endian 32-bit floats, row by row.",
        );
    }
    words
}

/// Decomposes, or raises an error.
fn decomposed(values: &[f32], rows: usize, columns: usize, rank: i32) -> Svd {
    decompose(values, rows, columns, rank_of(rank)).or_raise()
}
