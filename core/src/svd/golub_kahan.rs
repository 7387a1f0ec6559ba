//! Golub and Kahan's bidiagonalization by blocks: the matrix is applied to a block of vectors from its
//! two sides in turns, and every block is made orthonormal before it is used. That keeps singular
//! values of 10⁻⁵ of the largest apart from rounding, where [`super::lanczos`] loses them.
//!
//! After t products the matrix is known between the two bases: A·P for an odd t, Aᵀ·Q for an even
//! one.

use super::basis::Basis;
use super::error::{SvdError, zeros};
use super::exact::{self, Matrix, Thin};
use super::goal::Goal;
use super::product::{Factor, Onto, plain, turned};
use super::random::Random;
use std::sync::atomic::AtomicBool;

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
        let mut position = 0;
        for (block, wide) in &self.blocks[..count] {
            for (block, out) in block.chunks_exact(*wide).zip(out.chunks_exact_mut(width)) {
                out[position..][..*wide].iter_mut().zip(block).for_each(|(out, value)| *out = *value as f32);
            }
            position += wide;
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

    /// The decomposition of the matrix between the bases as one of the matrix.
    fn vectors(self, thin: Thin, cancel: &AtomicBool) -> Result<Thin, SvdError> {
        let count = thin.s.len();
        let times = |basis: Basis, mut m: Vec<f32>| {
            // A basis may have a block more than the matrix between knows of.
            m.resize(basis.width() * count, 0.0);
            basis.times(&m, count, cancel)
        };
        Ok(Thin { u: times(self.q, thin.u)?, s: thin.s, v: times(self.p, thin.v)? })
    }
}

/// The largest singular values with their vectors: `goal.rank`, or all there are.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn search(
    a: Matrix,
    goal: &Goal,
    random: &mut Random,
    cancel: &AtomicBool,
) -> Result<Thin, SvdError> {
    let Goal { rank, width, by, .. } = *goal;
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
        return Ok(Thin { u: Vec::new(), s: Vec::new(), v: Vec::new() });
    }

    let error = |s: &[f64]| goal.error(s.iter().map(|s| s * s));
    let (first_look, max) = goal.products();
    let mut errors = vec![None; max + 1];
    loop {
        let goes_on = bases.step(a, by, cancel)?;
        let t = bases.products;
        let is_last = !goes_on || t == max;
        // A look compares errors two products apart, so the next has two of its three from this one.
        let is_look = goal.is_watched() && t >= first_look && (t - first_look).is_multiple_of(2);
        if !is_last && !is_look {
            continue;
        }
        let here = || {
            let (values, rows, columns) = bases.between(t)?;
            let between = Matrix { values: &values, rows, columns };
            exact::thin(between, rank.min(between.sides().0), cancel)
        };
        if is_last {
            let thin = here()?;
            return bases.vectors(thin, cancel);
        }
        let earlier = |t: usize| match errors[t] {
            Some(error) => Ok(error),
            None => {
                let (values, rows, columns) = bases.between(t)?;
                let s = exact::values(Matrix { values: &values, rows, columns }, cancel)?;
                Ok(error(&s))
            }
        };
        let (thin, (first, second)) = rayon::join(here, || (earlier(t - 4), earlier(t - 2)));
        let (thin, first, second): (Thin, f64, f64) = (thin?, first?, second?);
        let third = error(&thin.s);
        (errors[t - 2], errors[t]) = (Some(second), Some(third));
        if goal.is_met([first, second, third]) {
            return bases.vectors(thin, cancel);
        }
    }
}
