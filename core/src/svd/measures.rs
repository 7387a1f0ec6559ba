//! Figures of a spectrum: of the singular values of a matrix, all of them, largest first.

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
