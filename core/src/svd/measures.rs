//! Figures of a spectrum: of the singular values of a matrix, all of them, largest first.

use super::error::SvdError;
use super::power_law::{PowerLaw, power_law};
use std::sync::atomic::AtomicBool;

/// What the spectrum of a layer's matrix says about it. Norms are of singular values σ; what WeightWatcher
/// reports as logarithms, and its power law, are of the eigenvalues λ = σ² of the correlation matrix XᵀX.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// ‖A‖₂, the largest singular value.
    pub spectral_norm: f64,
    /// ‖A‖_F, the root of the sum of squares.
    pub frobenius_norm: f64,
    /// [`stable_rank`].
    pub stable_rank: f64,
    /// [`effective_rank`].
    pub effective_rank: f64,
    /// [`rank_loss`].
    pub rank_loss: usize,
    /// [`power_law`].
    pub law: Option<PowerLaw>,
    /// log₁₀ Σ λ^alpha, the logarithm of the Schatten norm of order alpha; none without a power law.
    pub log_alpha_norm: Option<f64>,
}

impl Measures {
    /// The figures of a matrix of `rows` × `columns` with these singular values.
    ///
    /// # Errors
    /// [`SvdError::Cancelled`].
    pub fn new(s: &[f64], rows: usize, columns: usize, cancel: &AtomicBool) -> Result<Self, SvdError> {
        let (spectral_norm, stable_rank) = (spectral_norm(s), stable_rank(s));
        let law = power_law(s, cancel)?;
        Ok(Self {
            spectral_norm,
            frobenius_norm: spectral_norm * stable_rank.sqrt(),
            stable_rank,
            effective_rank: effective_rank(s),
            rank_loss: rank_loss(s, rows, columns),
            law,
            log_alpha_norm: law.and_then(|law| log_alpha_norm(s, law.alpha)),
        })
    }
}

/// log₁₀ of the square of a norm; none for that of a zero matrix. Of the Frobenius norm it is WeightWatcher's
/// `log_norm`, of the spectral norm its `log_spectral_norm`.
pub fn log_square(norm: f64) -> Option<f64> {
    (norm > 0.0).then(|| 2.0 * norm.log10())
}

/// WeightWatcher's `alpha_weighted`: the power law's exponent times the logarithm of the largest eigenvalue.
pub fn alpha_weighted(alpha: f64, spectral_norm: f64) -> Option<f64> {
    log_square(spectral_norm).map(|log| alpha * log)
}

/// log₁₀ Σ λ^alpha, with the largest term taken out so that no power overflows. None for a zero matrix.
fn log_alpha_norm(s: &[f64], alpha: f64) -> Option<f64> {
    let sum: f64 = scaled(s).iter().map(|s| s.powf(2.0 * alpha)).sum();
    alpha_weighted(alpha, spectral_norm(s)).map(|largest| largest + sum.log10())
}

/// How many singular values of a matrix of `rows` × `columns` are zero but for rounding: those whose square is
/// at most N·ε of the largest square, where N is the longer side and ε = 2⁻⁵². That is the tolerance of numpy's
/// `matrix_rank`, for the eigenvalues of the correlation matrix, from which [`super::spectrum`] has them.
/// WeightWatcher applies it to the singular values themselves, and so does not count those that a matrix of low
/// rank has after it was rounded to `f32`.
pub fn rank_loss(s: &[f64], rows: usize, columns: usize) -> usize {
    let tolerance = rows.max(columns) as f64 * f64::EPSILON;
    scaled(s).iter().filter(|s| *s * *s <= tolerance).count()
}

/// Share of the sum of squares that the values up to each one have.
pub fn cumulative_energy(s: &[f64]) -> Vec<f64> {
    let scaled = scaled(s);
    let total: f64 = scaled.iter().map(|s| s * s).sum();
    let mut sum = 0.0;
    let shares = scaled.iter().map(|s| {
        sum += s * s;
        if total > 0.0 { sum / total } else { 1.0 }
    });
    shares.collect()
}

/// The least rank whose singular values have at least this share of the sum of squares: 1 or more, and
/// all there are for a share that rounding keeps from being reached.
pub fn rank_for_energy(s: &[f64], target: f64) -> usize {
    let energy = cumulative_energy(s);
    energy.iter().position(|energy| *energy >= target).map_or(s.len(), |position| position + 1)
}

/// The effective rank of Roy and Vetterli (2007): e to the entropy of the singular values' shares of
/// their sum. Between 1 and their number; 0 for a zero matrix.
pub fn effective_rank(s: &[f64]) -> f64 {
    let sum: f64 = scaled(s).iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let shares = scaled(s).into_iter().map(|s| s / sum).filter(|share| *share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// ‖A‖²_F ÷ ‖A‖²₂: how many singular values as large as the largest the matrix is worth. 0 for a zero
/// matrix.
pub fn stable_rank(s: &[f64]) -> f64 {
    scaled(s).iter().map(|s| s * s).sum()
}

/// ‖A‖₂, the largest singular value; 0 if there is none.
pub fn spectral_norm(s: &[f64]) -> f64 {
    s.iter().fold(0.0, |max, s| s.max(max))
}

/// The values as shares of the largest, so that no square over- or underflows.
fn scaled(s: &[f64]) -> Vec<f64> {
    let norm = spectral_norm(s);
    s.iter().map(|s| if norm > 0.0 { s / norm } else { 0.0 }).collect()
}
