//! Singular value decomposition of weight matrices: exact and truncated, what it costs in accuracy,
//! and the figures that researchers judge a layer by.
//!
//! All matrices are `f32`, row by row. Long work runs on the calling thread's rayon pool in slices
//! well below a second, each of which looks at `cancel` first; see [`crate::parallel::cancellable`].
//! Results depend on the matrix alone: on no clock, no thread, no random seed of the process. (They
//! may differ in the last digits between processors with and without fused multiply-add.)

mod basis;
mod dense;
pub mod energy;
mod error;
mod exact;
mod goal;
mod golub_kahan;
mod lanczos;
pub mod lora;
pub mod lora_pairs;
mod measures;
mod norms;
mod power_law;
mod product;
mod random;
mod sides;
mod symmetric;
#[cfg(test)]
mod tests;
mod tridiagonal;
mod truncated;

pub use error::SvdError;
pub use measures::{
    Measures, alpha_weighted, cumulative_energy, effective_rank, log_square, rank_for_energy, rank_loss,
    spectral_norm, stable_rank,
};
pub use power_law::{PowerLaw, power_law};
pub use sides::{NotAMatrix, components, layer_sides, matrix_shape, matrix_sides, pays};

use basis::Basis;
use dense::combine;
use error::{reserved, zeros};
use exact::{Matrix, Thin};
use norms::{Norms, check, unit};
use product::{Factor, Onto, plain};
use random::Random;
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Rows whose residuals are computed at a time.
const RESIDUAL_ROWS: usize = 96;
/// Share of the squares below which what a decomposition leaves out is computed from the matrix
/// itself: as a difference of two sums it would be mostly rounding.
const CLOSE: f64 = 1e-3;

/// A decomposition A ≈ U·diag(s)·Vᵀ.
///
/// UᵀU and VVᵀ are the unit matrix, singular values fall, and the number of largest magnitude in each
/// column of U is positive.
#[derive(Debug, Clone, PartialEq)]
pub struct Svd {
    /// Number of singular values: the rank that was asked for, or all there are.
    pub rank: usize,
    /// Left singular vectors, rows × rank.
    pub u: Vec<f32>,
    /// Singular values.
    pub s: Vec<f32>,
    /// Right singular vectors, rank × columns.
    pub vt: Vec<f32>,
    /// Share of the matrix' sum of squares that the decomposition has; 1 for a zero matrix.
    pub explained_variance: f64,
    /// ‖A − U·diag(s)·Vᵀ‖ ÷ ‖A‖ in the Frobenius norm; 0 for a zero matrix.
    pub relative_error: f64,
}

impl Svd {
    /// Number of values that the decomposition takes.
    pub fn parameters(&self) -> usize {
        self.u.len() + self.s.len() + self.vt.len()
    }
}

/// Decomposes a matrix to a rank; one above the smaller side is that.
///
/// Small matrices, and ranks above a sixth of the smaller side, are decomposed exactly; others by a
/// randomized block method whose Frobenius error is at most 1.01 times the least possible one. (No
/// guarantee of its kind is absolute: discrete derivatives, whose singular values hardly fall, were
/// seen to reach 1.012, and plateaus of nearly equal values 1.013; and it ends at errors of 10⁻⁵ of the
/// matrix, where `f32` does.)
///
/// Memory beyond the matrix: about 7 · rank · (rows + columns) values, and at most a quarter of the matrix,
/// for the latter; for the exact one two to four matrices of the smaller side in `f64`, and the result.
///
/// # Errors
/// [`SvdError`].
pub fn decompose(
    matrix: &[f32],
    rows: usize,
    columns: usize,
    rank: usize,
    cancel: &AtomicBool,
) -> Result<Svd, SvdError> {
    if rank == 0 {
        return Err(SvdError::Rank);
    }
    let (a, norms) = check(matrix, rows, columns)?;
    let rank = rank.min(a.sides().0);
    let thin = if norms.largest == 0.0 {
        let arbitrary = |length| {
            let mut basis = Basis::new(length);
            basis.complete(rank, &mut Random::new(0), cancel)?;
            basis.into_columns()
        };
        Thin { u: arbitrary(rows)?, s: zeros(rank)?, v: arbitrary(columns)? }
    } else if truncated::is_worth_it(a, rank) {
        truncated::truncated(a, rank, &norms, cancel)?
    } else {
        exact::thin(a, rank, cancel)?
    };
    finish(a, rank, thin, &norms, cancel)
}

/// Decomposes a matrix exactly, whatever the rank.
#[cfg(test)]
fn decompose_exactly(matrix: &[f32], rows: usize, columns: usize, rank: usize) -> Result<Svd, SvdError> {
    let cancel = AtomicBool::new(false);
    let (a, norms) = check(matrix, rows, columns)?;
    finish(a, rank, exact::thin(a, rank, &cancel)?, &norms, &cancel)
}

/// Fixes signs and measures what is left out.
fn finish(
    a: Matrix,
    rank: usize,
    Thin { mut u, s, v }: Thin,
    norms: &Norms,
    cancel: &AtomicBool,
) -> Result<Svd, SvdError> {
    if let Some(max) = s.first().filter(|max| **max > f64::from(f32::MAX)) {
        return Err(SvdError::TooLarge(*max));
    }
    let mut peaks = vec![0.0f32; rank];
    for row in u.chunks_exact(rank) {
        for (peak, value) in peaks.iter_mut().zip(row) {
            if value.abs() > peak.abs() {
                *peak = *value;
            }
        }
    }
    let signs: Vec<f32> = peaks.iter().map(|peak| 1f32.copysign(*peak)).collect();
    u.par_chunks_mut(rank)
        .for_each(|row| row.iter_mut().zip(&signs).for_each(|(value, sign)| *value *= sign));
    let mut vt: Vec<f32> = zeros(v.len())?;
    vt.par_chunks_mut(a.columns).enumerate().for_each(|(i, out)| {
        for (out, row) in out.iter_mut().zip(v.chunks_exact(rank)) {
            *out = row[i] * signs[i];
        }
    });
    drop(v);
    let mut svd = Svd {
        rank,
        u,
        s: s.iter().map(|s| *s as f32).collect(),
        vt,
        explained_variance: 1.0,
        relative_error: 0.0,
    };
    if norms.squares > 0.0 {
        let kept: f64 = s.iter().map(|s| s * s).sum();
        let mut left = (norms.squares - kept) / norms.squares;
        if left < CLOSE {
            left = residual(a, &svd, norms, cancel)? / norms.squares;
        }
        svd.explained_variance = 1.0 - left;
        svd.relative_error = left.sqrt();
    }
    Ok(svd)
}

/// ‖A − U·diag(s)·Vᵀ‖².
fn residual(a: Matrix, svd: &Svd, norms: &Norms, cancel: &AtomicBool) -> Result<f64, SvdError> {
    let by = unit(norms.largest);
    let weighted = weighted(&svd.s, &svd.vt, by)?;
    let rows = a.rows.min(RESIDUAL_ROWS * rayon::current_num_threads());
    let mut product: Vec<f32> = zeros(rows * a.columns)?;
    let mut sum = 0.0;
    let slices = a.values.chunks(product.len()).zip(svd.u.chunks(product.len() / a.columns * svd.rank));
    for (values, u) in slices {
        let product = &mut product[..values.len()];
        plain(u, svd.rank, Factor::new(&weighted, a.columns), Onto::Nothing, product, cancel)?;
        let parts: Vec<f64> = values
            .par_chunks(a.columns)
            .zip(product.par_chunks(a.columns))
            .map(|(values, product)| {
                let pairs = values.iter().zip(product);
                pairs.map(|(value, product)| f64::from(value * by - product).powi(2)).sum()
            })
            .collect();
        // Row by row, so that it is the same sum for any number of threads.
        parts.iter().for_each(|part| sum += part);
    }
    Ok(sum / f64::from(by).powi(2))
}

/// True if no value is NaN or infinite.
fn is_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// diag(s)·Vᵀ times a number.
fn weighted(s: &[f32], vt: &[f32], by: f32) -> Result<Vec<f32>, SvdError> {
    let mut out = reserved(vt.len())?;
    for (s, row) in s.iter().zip(vt.chunks_exact(vt.len() / s.len())) {
        out.extend(row.iter().map(|value| s * by * value));
    }
    Ok(out)
}

/// U·diag(s)·Vᵀ, `rows` × `columns`.
///
/// # Errors
/// [`SvdError::Shape`], [`SvdError::Overflow`], [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub fn reconstruct(
    u: &[f32],
    s: &[f32],
    vt: &[f32],
    rows: usize,
    columns: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f32>, SvdError> {
    let rank = s.len();
    for (values, rows, columns) in [(u, rows, rank), (vt, rank, columns)] {
        if rows.checked_mul(columns) != Some(values.len()) {
            return Err(SvdError::Shape { rows, columns, length: values.len() });
        }
    }
    let mut out = zeros(rows.checked_mul(columns).ok_or(SvdError::OutOfMemory)?)?;
    if rank > 0 && !out.is_empty() {
        let weighted = weighted(s, vt, 1.0)?;
        plain(u, rank, Factor::new(&weighted, columns), Onto::Nothing, &mut out, cancel)?;
        drop(weighted);
        if !is_finite(&out) && [u, s, vt].into_iter().all(is_finite) {
            // It may be a product or a sum on the way that is too large.
            drop(out);
            let mut weighted: Vec<f64> = reserved(vt.len())?;
            for (s, row) in s.iter().zip(vt.chunks_exact(columns)) {
                weighted.extend(row.iter().map(|value| f64::from(*s) * f64::from(*value)));
            }
            out = combine(u, rank, &weighted, columns, cancel)?;
            if !is_finite(&out) {
                return Err(SvdError::Overflow);
            }
        }
    }
    Ok(out)
}

/// All singular values of a matrix, largest first.
///
/// They are the roots of the eigenvalues of the Gram matrix in `f64`. Of one that is a share q of
/// the largest, about 10⁻¹⁵ ÷ q² is uncertain: seven digits hold at q = 10⁻⁴, one at 10⁻⁷, where the
/// values themselves, being `f32`, say no more. Memory beyond the matrix: the Gram matrix of the
/// smaller side.
///
/// # Errors
/// [`SvdError`].
pub fn spectrum(
    matrix: &[f32],
    rows: usize,
    columns: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f64>, SvdError> {
    exact::values(check(matrix, rows, columns)?.0, cancel)
}
