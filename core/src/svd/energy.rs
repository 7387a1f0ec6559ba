//! Decompositions to a share of a matrix' sum of squares, its energy, instead of to a rank.

use super::error::{SvdError, reserved};
use super::{Svd, cumulative_energy};

/// Share of the matrix' sum of squares that the singular values up to each one have, where all of them
/// together have `explained`.
fn shares(explained: f64, s: &[f32]) -> Vec<f64> {
    let s: Vec<f64> = s.iter().map(|s| f64::from(*s)).collect();
    cumulative_energy(&s).into_iter().map(|share| explained * share).collect()
}

/// True unless fewer singular values would have this energy: those of a decomposition to a rank, or to a
/// higher energy. All of them together have `explained`.
pub fn is_least_rank(explained: f64, s: &[f32], energy: f64) -> bool {
    let shares = shares(explained, s);
    shares.len() < 2 || shares[shares.len() - 2] < energy
}

/// The first columns of U, row by row.
///
/// # Errors
/// [`SvdError::OutOfMemory`].
pub fn first_columns(u: &[f32], columns: usize, count: usize) -> Result<Vec<f32>, SvdError> {
    let mut first = reserved(u.len() / columns * count)?;
    u.chunks_exact(columns).for_each(|row| first.extend_from_slice(&row[..count]));
    Ok(first)
}

/// Decomposes to an energy. `decompose` makes a decomposition of a rank, at most `max_rank`, which is the
/// smaller side of the matrix; `least_rank` is what the singular values allow. A truncated decomposition
/// is a little off the best one, which may be just what is missing: then the rank rises. What is too much
/// is cut off again.
///
/// # Errors
/// What `decompose` says, and [`SvdError::OutOfMemory`].
pub fn decompose_to_energy(
    energy: f64,
    least_rank: usize,
    max_rank: usize,
    mut decompose: impl FnMut(usize) -> Result<Svd, SvdError>,
) -> Result<Svd, SvdError> {
    let mut rank = least_rank;
    loop {
        let mut svd = decompose(rank)?;
        if svd.explained_variance < energy && rank < max_rank {
            rank = (rank + rank / 8 + 1).min(max_rank);
            continue;
        }
        let shares = shares(svd.explained_variance, &svd.s);
        if let Some(last) =
            shares.iter().position(|share| *share >= energy).filter(|last| last + 1 < svd.rank)
        {
            let columns = svd.vt.len() / svd.rank;
            svd.u = first_columns(&svd.u, svd.rank, last + 1)?;
            svd.s.truncate(last + 1);
            svd.vt.truncate((last + 1) * columns);
            (svd.rank, svd.explained_variance) = (last + 1, shares[last]);
            svd.relative_error = (1.0 - shares[last]).max(0.0).sqrt();
        }
        return Ok(svd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svd;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_first_columns_are_cut_from_each_row() {
        assert_eq!(first_columns(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).unwrap(), [1.0, 2.0, 4.0, 5.0]);
    }

    #[test]
    fn a_rank_is_the_least_if_one_less_would_not_do() {
        // Squares 16, 9, 4, 1 of 30.
        let s = [4.0, 3.0, 2.0, 1.0];
        assert!(is_least_rank(1.0, &s, 0.99));
        assert!(!is_least_rank(1.0, &s, 0.9));
        assert!(is_least_rank(25.0 / 30.0, &s[..2], 0.8));
        assert!(is_least_rank(16.0 / 30.0, &s[..1], 0.1), "there is no rank below one");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_energy_is_reached_by_the_least_rank(
            numbers in prop::collection::vec(-1.0f32..1.0, 12 * 7), energy in 0.01f64..1.0, short_by in 0usize..3,
        ) {
            let never = AtomicBool::new(false);
            let all = svd::decompose(&numbers, 12, 7, 7, &never).unwrap();
            let min = svd::rank_for_energy(&all.s.iter().map(|s| f64::from(*s)).collect::<Vec<_>>(), energy);
            // A spectrum that is a little off may say too little.
            let from = min.saturating_sub(short_by).max(1);
            let svd = decompose_to_energy(energy, from, 7, |rank| svd::decompose(&numbers, 12, 7, rank, &never)).unwrap();
            prop_assert!(svd.explained_variance >= energy || svd.rank == 7);
            prop_assert!(svd.rank.abs_diff(min) <= 1, "{} and {min}", svd.rank);
            prop_assert_eq!((svd.u.len(), svd.s.len(), svd.vt.len()), (12 * svd.rank, svd.rank, 7 * svd.rank));
            // What is kept is the beginning of the whole decomposition.
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a.abs() - b.abs()).abs() < 1e-3);
            prop_assert!(close(&svd.s, &all.s));
        }
    }
}
