//! Why a matrix was not decomposed, and the memory and the flag that every step asks for.

use std::sync::atomic::{AtomicBool, Ordering};

/// Why a matrix was not decomposed.
#[derive(Debug, thiserror::Error)]
pub enum SvdError {
    /// The number of values is not that of the shape.
    #[error("a matrix of {rows} by {columns} has {} values but {length} are given", rows.saturating_mul(*.columns))]
    Shape {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
        /// Number of values given.
        length: usize,
    },
    /// There is no value.
    #[error("a matrix of {rows} by {columns} cannot be decomposed: it is empty")]
    Empty {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
    /// The rank is zero.
    #[error("the rank of a decomposition must be 1 or more, not 0")]
    Rank,
    /// A value is NaN or infinite.
    #[error("a matrix with {value} at row {row}, column {column} cannot be decomposed")]
    NotFinite {
        /// The value.
        value: f32,
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// A singular value is beyond the range of `f32`.
    #[error("the singular value {0:e} is too large for real, whose largest is 3.4e38")]
    TooLarge(f64),
    /// A number of a product is beyond the range of `f32`, though all that is multiplied is finite.
    #[error("the reconstructed matrix has numbers beyond real, whose largest is 3.4e38")]
    Overflow,
    /// Memory for the work could not be allocated.
    #[error("out of memory while decomposing a matrix")]
    OutOfMemory,
    /// The flag was set.
    #[error("the decomposition was cancelled")]
    Cancelled,
    /// An iteration that always ends did not.
    #[error("the singular values did not converge")]
    NotConverged,
}

/// An empty vector with room for so many values.
pub(super) fn reserved<T>(count: usize) -> Result<Vec<T>, SvdError> {
    let mut out = Vec::new();
    out.try_reserve_exact(count).map_err(|_| SvdError::OutOfMemory)?;
    Ok(out)
}

/// So many zeros.
pub(super) fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>, SvdError> {
    let mut out = reserved(count)?;
    out.resize(count, T::default());
    Ok(out)
}

pub(super) fn stop_if(cancel: &AtomicBool) -> Result<(), SvdError> {
    if cancel.load(Ordering::Relaxed) { Err(SvdError::Cancelled) } else { Ok(()) }
}
