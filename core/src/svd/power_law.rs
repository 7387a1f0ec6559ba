//! The power law that the tail of a spectrum follows.

use super::error::{SvdError, stop_if};
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Share of the largest singular value below which one is what rounding left of zero, as in a matrix of
/// a lower rank.
const ZERO: f64 = 1e-7;

/// A fitted power law: eigenvalues λ ≥ `xmin` are distributed as λ^−`alpha`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// The exponent.
    pub alpha: f64,
    /// The least eigenvalue of the tail.
    pub xmin: f64,
    /// Kolmogorov and Smirnov's distance of the tail from the law.
    pub distance: f64,
    /// Standard error of the exponent, (alpha − 1) ÷ √tail.
    pub sigma: f64,
    /// Number of eigenvalues in the tail.
    pub tail: usize,
}

/// Fits a power law to the eigenvalues λ = σ² of the correlation matrix XᵀX, from a matrix' singular
/// values in any order, as WeightWatcher reports it: the exponent by maximum likelihood for every
/// possible start of the tail, and of these the one with the least Kolmogorov-Smirnov distance
/// (Clauset, Shalizi and Newman 2009).
///
/// Conventions are those of the package `powerlaw` with continuous data and no upper bound:
/// alpha = 1 + n ÷ Σ ln(λ ÷ xmin); the empirical distribution of the j-th of n values is j ÷ n, from
/// j = 0; the largest eigenvalue is no start. Scaling the matrix changes `xmin` alone. Singular values
/// below 10⁻⁷ of the largest are left out. None if fewer than two different starts remain.
///
/// # Errors
/// [`SvdError::Cancelled`].
pub fn power_law(s: &[f64], cancel: &AtomicBool) -> Result<Option<PowerLaw>, SvdError> {
    let largest = s.iter().fold(0.0, |max: f64, s| max.max(*s));
    let mut logs: Vec<f64> = s.iter().filter(|s| **s > ZERO * largest).map(|s| 2.0 * s.ln()).collect();
    logs.sort_by(f64::total_cmp);
    // Sums from the end, over which alpha needs no more than a subtraction.
    let mut sums = logs.clone();
    let mut sum = 0.0;
    for value in sums.iter_mut().rev() {
        sum += *value;
        *value = sum;
    }
    let last = logs.last().copied().unwrap_or(0.0);
    let starts: Vec<usize> =
        (0..logs.len()).filter(|&i| logs[i] < last && (i == 0 || logs[i - 1] < logs[i])).collect();
    if starts.len() < 2 {
        return Ok(None);
    }
    let fits = starts
        .par_iter()
        .map(|&start| {
            stop_if(cancel)?;
            let (tail, xmin) = (&logs[start..], logs[start]);
            let n = tail.len() as f64;
            let alpha = 1.0 + n / (sums[start] - n * xmin);
            // At a value that occurs more than once, the distribution below the first of them counts.
            let (mut distance, mut below) = (0.0f64, 0.0);
            for (j, log) in tail.iter().enumerate() {
                if j > 0 && tail[j - 1] < *log {
                    below = j as f64 / n;
                }
                let law = -((1.0 - alpha) * (log - xmin)).exp_m1();
                distance = distance.max((law - below).abs());
            }
            let sigma = (alpha - 1.0) / n.sqrt();
            Ok(PowerLaw { alpha, xmin: xmin.exp(), distance, sigma, tail: tail.len() })
        })
        .collect::<Result<Vec<_>, SvdError>>()?;
    Ok(fits.into_iter().min_by(|a, b| a.distance.total_cmp(&b.distance)))
}
