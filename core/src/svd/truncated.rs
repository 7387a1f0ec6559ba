//! The largest singular values of a large matrix, by a randomized block Krylov method (Musco and Musco,
//! "Randomized block Krylov methods for stronger and faster approximate singular value
//! decomposition" (2015)): a matrix is applied to a block of random vectors again and again, and all
//! blocks are kept instead of the last one. For the same number of products that comes far closer
//! than power iterations do.
//!
//! A block has half as many vectors as the rank, and is multiplied more often: that comes as close
//! with bases a sixth smaller, and the decomposition between them is what large ranks spend their
//! time on. It has one flaw: of equal singular values no more are found than the block has vectors.
//! Where so many are found, and more might have taken the place of others, it all starts over with as many
//! vectors as the rank.
//!
//! [`lanczos`] is the quick way, and says so where it can't see small singular values; then
//! [`golub_kahan`] is taken. How far the best approximation there still is from the best of all follows
//! from how the error fell, and decides when to stop.

use super::basis::Basis;
use super::error::{SvdError, zeros};
use super::exact::{Matrix, Thin};
use super::goal::{CLOSE_ENOUGH, Goal, UNKNOWN, left};
use super::norms::{Norms, unit};
use super::random::Random;
use super::{golub_kahan, lanczos};
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;

/// Smallest block: with fewer vectors more products are needed than that saves.
const LEAST_BLOCK: usize = 8;
/// Share of the smaller side up to which a rank is worth it: a basis, two or three times as wide as the
/// rank, should be well below it.
const MAX_SHARE: usize = 6;
/// Smaller side up to which an exact decomposition takes no more than a tenth of a second or so, and is
/// preferred: its singular values are right to the last digit.
const SMALL: usize = 640;
/// Smallest block of half the rank's vectors: of fewer the products take no less time.
const LEAST_HALF: usize = 32;
/// Singular values as near to each other as this may be as good as equal to a Krylov space of a few products.
const NEARLY_EQUAL: f64 = 1.1;
/// Share of the matrix' square that is as small as rounding.
const ROUNDING: f64 = 1e-10;

/// Numbers that a factor may be multiplied by, whose own are below 1 and mostly above 2⁻⁴⁰.
const MODERATE: RangeInclusive<f32> = 1.0 / (1u64 << 63) as f32..=(1u64 << 63) as f32;

/// True if a truncated decomposition takes less time than an exact one.
pub(super) fn is_worth_it(a: Matrix, rank: usize) -> bool {
    a.sides().0 > SMALL && rank.max(LEAST_BLOCK) <= a.sides().0 / MAX_SHARE
}

/// The `rank` largest singular values with their vectors.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn truncated(
    a: Matrix,
    rank: usize,
    norms: &Norms,
    cancel: &AtomicBool,
) -> Result<Thin, SvdError> {
    let by = unit(norms.largest);
    if !MODERATE.contains(&by) {
        // What a factor is multiplied by would leave it few digits, and a processor slow.
        let mut values: Vec<f32> = zeros(a.values.len())?;
        values.par_iter_mut().zip(a.values).for_each(|(scaled, value)| *scaled = value * by);
        let norms = Norms { squares: norms.squares * f64::from(by).powi(2), largest: norms.largest * by };
        let mut thin = truncated(Matrix { values: &values, ..a }, rank, &norms, cancel)?;
        thin.s.iter_mut().for_each(|s| *s /= f64::from(by));
        return Ok(thin);
    }
    let full = rank.max(LEAST_BLOCK).next_multiple_of(8);
    let half = full.min(rank.div_ceil(2).max(LEAST_HALF).next_multiple_of(8));
    let mut goal = Goal { rank, width: half, by, squares: norms.squares * f64::from(by).powi(2) };
    let mut random = Random::new(0);
    let mut search = |goal: &Goal| match lanczos::search(a, goal, &mut random, cancel)? {
        Some(thin) => Ok(thin),
        None => golub_kahan::search(a, goal, &mut random, cancel),
    };
    let mut thin = search(&goal)?;
    if half < full && may_lack_equals(&thin.s, goal) {
        goal.width = full;
        thin = search(&goal)?;
    }

    // A matrix of a lower rank has all of its range in the vectors found; the rest is arbitrary.
    let Thin { u, mut s, v } = thin;
    let mut complete = |vectors: Vec<f32>, length: usize| {
        let mut basis = Basis::new(length);
        basis.trust(vectors, s.len());
        basis.complete(rank, &mut random, cancel)?;
        basis.into_columns()
    };
    let (u, v) = (complete(u, a.rows)?, complete(v, a.columns)?);
    s.iter_mut().for_each(|s| *s /= f64::from(by));
    s.resize(rank, 0.0);
    Ok(Thin { u, s, v })
}

/// True if, for all that the values found say, some of several equal ones may be missing, and the error
/// be larger by more than what is close enough: `width` values are nearly equal, and copies of them would leave
/// that much less than those that follow.
fn may_lack_equals(s: &[f64], Goal { rank, width, squares, .. }: Goal) -> bool {
    let left = left(squares, s.iter().map(|s| s * s));
    let enough = if left > squares * UNKNOWN {
        left * (1.0 - (1.0 + CLOSE_ENOUGH).powi(-2))
    } else {
        squares * ROUNDING
    };
    let value = |i: usize| s.get(i).copied().unwrap_or(0.0);
    (0..(rank - width).min(s.len().saturating_sub(width) + 1)).any(|i| {
        let (first, last) = (value(i), value(i + width - 1));
        let missing: f64 = (i + width..rank).map(|j| last * last - value(j).powi(2)).sum();
        first <= NEARLY_EQUAL * last && missing >= enough
    })
}
