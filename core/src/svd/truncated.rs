//! The largest singular values of a large matrix, by a randomized block Lanczos method (Golub and
//! Kahan's bidiagonalization started with random vectors, as in Musco and Musco, "Randomized block
//! Krylov methods" (2015)).
//!
//! The matrix is applied to a block of vectors from its two sides in turns, and all blocks are kept
//! instead of the last one. For the same number of products that comes far closer than power
//! iterations do.
//!
//! A block has half as many vectors as the rank, and is multiplied more often: that comes as close
//! with bases a sixth smaller, and the decomposition between them is what large ranks spend their
//! time on. It has one flaw: of equal singular values no more are found than the block has vectors.
//! Where so many are found, and more might have taken the place of others, it all begins anew with as many
//! vectors as the rank.
//!
//! After t products the matrix is known between the two bases: A·P for an odd t, Aᵀ·Q for an even
//! one. How far the best approximation there still is from the best of all follows from how the
//! error fell, and decides when to stop.

use super::basis::Basis;
use super::exact::{self, Matrix, Thin};
use super::product::{Factor, Onto, plain, turned};
use super::random::Random;
use super::{Norms, SvdError, unit, zeros};
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
/// Products before the first look at the error, at least. A block of half the rank's vectors has half as
/// many again.
const FIRST_LOOK: usize = 6;
/// Size of a block above which looking costs more than the products that it may save.
const MAX_WATCHED: usize = 192;
/// Estimated excess of the error at which to stop, so that it ends below 0.01.
const CLOSE_ENOUGH: f64 = 0.009;
/// Singular values as near to each other as this may be as good as equal to a Krylov space of a few products.
const NEARLY_EQUAL: f64 = 1.1;
/// Share of the matrix' square up to which it is not known what is left: singular values are right to seven
/// digits.
const UNKNOWN: f64 = 1e-6;
/// Share of the matrix' square that is as small as rounding.
const ROUNDING: f64 = 1e-10;

/// True if a truncated decomposition takes less time than an exact one.
pub(super) fn is_worth_it(a: Matrix, rank: usize) -> bool {
    a.sides().0 > SMALL && rank.max(LEAST_BLOCK) <= a.sides().0 / MAX_SHARE
}

/// What the products found: columns of A·P or Aᵀ·Q in the other side's basis.
#[derive(Default)]
struct Known {
    blocks: Vec<(Vec<f64>, usize)>,
}

impl Known {
    /// The first `count` blocks side by side, `rows` high; columns of a block below its own are zero.
    fn matrix(&self, count: usize, rows: usize) -> Result<(Vec<f32>, usize), SvdError> {
        let width = self.blocks[..count].iter().map(|(_, width)| width).sum();
        let mut out: Vec<f32> = zeros(rows * width)?;
        let mut at = 0;
        for (block, wide) in &self.blocks[..count] {
            for (block, out) in block.chunks_exact(*wide).zip(out.chunks_exact_mut(width)) {
                out[at..][..*wide].iter_mut().zip(block).for_each(|(out, value)| *out = *value as f32);
            }
            at += wide;
        }
        Ok((out, width))
    }

    /// The part of the last block that is in terms of the other side's last block, of `wide` vectors,
    /// transposed: what the matrix makes of that block has in terms of this one.
    fn last_transposed(&self, wide: usize) -> Option<Vec<f32>> {
        let (block, width) = self.blocks.last()?;
        let rows = &block[block.len() - wide * width..];
        Some((0..width * wide).map(|i| rows[i % wide * width + i / wide] as f32).collect())
    }

    /// Rows that the first `count` blocks reach.
    fn height(&self, count: usize) -> usize {
        self.blocks[..count].iter().map(|(block, wide)| block.len() / wide).max().unwrap_or(0)
    }
}

/// The bases of both sides, and the matrix between them.
struct Bases {
    q: Basis,
    p: Basis,
    /// A·P in terms of Q, and Aᵀ·Q in terms of P.
    of_p: Known,
    of_q: Known,
    products: usize,
}

impl Bases {
    /// The matrix between the bases after so many products: rows by columns.
    fn between(&self, products: usize) -> Result<(Vec<f32>, usize, usize), SvdError> {
        let count = products / 2;
        if products.is_multiple_of(2) {
            let height = self.of_q.height(count);
            let (values, width) = self.of_q.matrix(count, height)?;
            let mut out: Vec<f32> = zeros(values.len())?;
            for (i, row) in values.chunks_exact(width).enumerate() {
                row.iter().enumerate().for_each(|(j, value)| out[j * height + i] = *value);
            }
            Ok((out, width, height))
        } else {
            let height = self.of_p.height(count);
            let (values, width) = self.of_p.matrix(count, height)?;
            Ok((values, height, width))
        }
    }

    /// Applies the matrix to the last block of one side, and tells if that led anywhere.
    fn step(&mut self, a: Matrix, by: f32, cancel: &AtomicBool) -> Result<bool, SvdError> {
        let from_p = self.products.is_multiple_of(2);
        let (from, to, known, other) = if from_p {
            (&self.p, &mut self.q, &mut self.of_p, &self.of_q)
        } else {
            (&self.q, &mut self.p, &mut self.of_q, &self.of_p)
        };
        let Some(block) = from.last() else { return Ok(false) };
        let mut out = zeros(block.width * if from_p { a.rows } else { a.columns })?;
        let factor = Factor { values: &block.values, width: block.width, scale: by };
        if from_p {
            plain(a.values, a.columns, factor, Onto::Nothing, &mut out, cancel)?;
        } else {
            turned(a.values, a.columns, factor, &mut out, cancel)?;
        }
        let (width, before) = (block.width, to.width());
        let overlap = other.last_transposed(width);
        known.blocks.push((to.extend(out, width, overlap, cancel)?, width));
        self.products += 1;
        Ok(to.width() > before)
    }
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
    let squares = norms.squares * f64::from(by).powi(2);
    let full = rank.max(LEAST_BLOCK).next_multiple_of(8);
    let half = full.min(rank.div_ceil(2).max(LEAST_HALF).next_multiple_of(8));
    let mut random = Random::new(0);
    let mut search = |width| search(a, rank, width, by, squares, &mut random, cancel);
    let (mut bases, mut thin) = search(half)?;
    if half < full && may_lack_equals(&thin.s, rank, half, squares) {
        drop((bases, thin));
        (bases, thin) = search(full)?;
    }

    // A matrix of a lower rank has all of its range in the bases; the rest is arbitrary.
    let count = thin.s.len();
    let mut sides = Vec::with_capacity(2);
    for (basis, m, length) in [(bases.q, thin.u, a.rows), (bases.p, thin.v, a.columns)] {
        let mut vectors = Basis::new(length);
        // A basis may have a block more than the matrix between knows of.
        let mut m = m;
        m.resize(basis.width() * count, 0.0);
        vectors.trust(basis.times(&m, count, cancel)?, count);
        drop(basis);
        vectors.complete(rank, &mut random, cancel)?;
        sides.push(vectors.into_columns()?);
    }
    let mut s = thin.s;
    s.iter_mut().for_each(|s| *s /= f64::from(by));
    s.resize(rank, 0.0);
    let (Some(v), Some(u)) = (sides.pop(), sides.pop()) else { return Err(SvdError::NotConverged) };
    Ok(Thin { u, s, v })
}

/// The bases that blocks of so many vectors lead to, and the decomposition of the matrix between
/// them, which has fewer than `rank` values where the bases have fewer vectors.
fn search(
    a: Matrix,
    rank: usize,
    width: usize,
    by: f32,
    squares: f64,
    random: &mut Random,
    cancel: &AtomicBool,
) -> Result<(Bases, Thin), SvdError> {
    let mut bases = Bases {
        q: Basis::new(a.rows),
        p: Basis::new(a.columns),
        of_p: Known::default(),
        of_q: Known::default(),
        products: 1,
    };
    let start = random.matrix(a.columns * width)?;
    let mut out = zeros(a.rows * width)?;
    let start = Factor { values: &start, width, scale: by };
    plain(a.values, a.columns, start, Onto::Nothing, &mut out, cancel)?;
    bases.q.extend(out, width, None, cancel)?;
    if bases.q.width() == 0 {
        return Ok((bases, Thin { u: Vec::new(), s: Vec::new(), v: Vec::new() }));
    }

    let first_look = FIRST_LOOK.max((9 * rank).div_ceil(2 * width));
    let most = if width <= MAX_WATCHED { 2 * first_look + 2 } else { first_look + 2 };
    let mut errors = vec![None; most + 1];
    loop {
        let goes_on = bases.step(a, by, cancel)?;
        let t = bases.products;
        let is_last = !goes_on || t == most;
        // A look compares errors two products apart, so the next has two of its three from this one.
        let is_look = width <= MAX_WATCHED && t >= first_look && (t - first_look).is_multiple_of(2);
        if !is_last && !is_look {
            continue;
        }
        let norm_without = |s: &[f64]| left(squares, &s[..rank.min(s.len())]).sqrt();
        let here = || {
            let (values, rows, columns) = bases.between(t)?;
            let between = Matrix { values: &values, rows, columns };
            exact::thin(between, rank.min(between.sides().0), cancel)
        };
        if is_last {
            let thin = here()?;
            return Ok((bases, thin));
        }
        let earlier = |t: usize| match errors[t] {
            Some(error) => Ok(error),
            None => {
                let (values, rows, columns) = bases.between(t)?;
                Ok(norm_without(&exact::values(Matrix { values: &values, rows, columns }, cancel)?))
            }
        };
        let (thin, (first, second)) = rayon::join(here, || (earlier(t - 4), earlier(t - 2)));
        let (thin, first, second): (Thin, f64, f64) = (thin?, first?, second?);
        let third = norm_without(&thin.s);
        (errors[t - 2], errors[t]) = (Some(second), Some(third));
        let is_known = third * third > squares * UNKNOWN;
        if is_known && excess(first, second, third) <= CLOSE_ENOUGH {
            return Ok((bases, thin));
        }
    }
}

/// True if, for all that the values found say, some of several equal ones may be missing, and the error
/// be larger by more than what is close enough: `width` values are nearly equal, and copies of them would leave
/// that much less than those that follow.
fn may_lack_equals(s: &[f64], rank: usize, width: usize, squares: f64) -> bool {
    let left = left(squares, s);
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

/// Square of what the largest singular values leave out.
fn left(squares: f64, s: &[f64]) -> f64 {
    (squares - s.iter().map(|s| s * s).sum::<f64>()).max(squares * f64::EPSILON)
}

/// The share by which the error would still fall, from three errors two products apart: as a
/// geometric series, and a little more. (With a fifth more the error ended at most 1.0091 times the best
/// possible for 149 pairs of a rank from 16 to 96 and a matrix: noise of light and heavy tails, alone and on
/// matrices of low rank, and singular values that fall as powers, exponentially, and hardly.)
fn excess(first: f64, second: f64, third: f64) -> f64 {
    let (before, last) = (first - second, (second - third).max(0.0));
    let ratio = if before > last { last / before } else { 0.95 };
    1.2 * last / third * ratio / (1.0 - ratio)
}
