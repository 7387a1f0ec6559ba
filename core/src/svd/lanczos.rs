//! Lanczos' method for AᵀA by blocks: every pass over the matrix gives A·P and Aᵀ·(A·P) of a block P
//! of orthonormal vectors, and what is new in the latter is the next block. One side's vectors
//! alone have to be made orthonormal, and one reading of the matrix is enough for two products.
//!
//! AᵀA has the squares of the singular values, so what is small beside the largest drowns in rounding:
//! then this gives up.

use super::basis::{self, Basis, Block};
use super::dense::gram;
use super::error::{SvdError, zeros};
use super::exact::{self, Matrix, Thin};
use super::goal::Goal;
use super::product::{Factor, Normal, Onto, plain, turned};
use super::random::Random;
use super::symmetric;
use super::tridiagonal::Eigen;
use std::sync::atomic::AtomicBool;

/// Share of the largest singular value down to which others are seen.
const STEEP: f64 = 4e-3;

/// The largest `goal.rank` singular values with their vectors, or none if some of them are too
/// small beside the largest, or too few vectors lead anywhere.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn search(
    a: Matrix,
    goal: &Goal,
    random: &mut Random,
    cancel: &AtomicBool,
) -> Result<Option<Thin>, SvdError> {
    let Goal { width, by, .. } = *goal;
    let start = random.matrix(a.columns * width)?;
    let mut normal = Normal::new(a.values, a.columns);
    let (image, start) = normal.times(Factor { values: &start, width, scale: by }, cancel)?;
    let squares = symmetric::eigenvalues(gram(&image, width, cancel)?, width, cancel)?;
    if is_steep(&squares[..goal.rank.min(width)]) {
        return Ok(None);
    }
    let mut space = Space { p: Basis::new(a.columns), images: Vec::new(), shares: Vec::new() };
    space.p.extend(start, width, None, cancel)?;
    // A pass is two products, as the start was; the last is one.
    let (first_look, max) = goal.products();
    let (first_look, max) = (first_look / 2, max / 2);
    let mut errors = Vec::new();
    for pass in 1..=max {
        let Some(block) = space.p.last().filter(|_| space.p.width() == pass * width) else { return Ok(None) };
        let factor = Factor { values: &block.values, width, scale: by };
        let next = if pass == max || (pass >= first_look && goal.is_watched()) {
            let mut image = zeros(a.rows * width)?;
            plain(a.values, a.columns, factor, Onto::Nothing, &mut image, cancel)?;
            space.images.push(Block { values: image, width });
            let eigen = space.look(goal, &mut errors, cancel)?;
            if is_steep(&eigen.values) {
                return Ok(None);
            }
            if pass == max || errors.last_chunk().is_some_and(|errors| goal.is_met(*errors)) {
                return space.vectors(a.rows, &eigen, cancel).map(Some);
            }
            let image = Factor { values: &space.images[pass - 1].values, width, scale: by };
            let mut next = zeros(a.columns * width)?;
            turned(a.values, a.columns, image, &mut next, cancel)?;
            next
        } else {
            let (image, next) = normal.times(factor, cancel)?;
            space.images.push(Block { values: image, width });
            next
        };
        let share = space.p.extend(next, width, None, cancel)?;
        space.shares.push(share);
    }
    Ok(None)
}

/// True if the least of some eigenvalues of AᵀA, largest first, may be nothing but rounding.
fn is_steep(squares: &[f64]) -> bool {
    let (max, min) = (squares.first(), squares.last());
    min.zip(max).is_none_or(|(min, max)| *min <= STEEP * STEEP * max)
}

/// What the passes found.
struct Space {
    p: Basis,
    /// A·P, block by block.
    images: Vec<Block>,
    /// AᵀA·P in terms of P, block by block.
    shares: Vec<Vec<f64>>,
}

impl Space {
    /// The largest eigenvalues of AᵀA between the vectors, with their vectors. Their error is put
    /// behind the others, the first time with those of the two passes before if looking is worth it.
    fn look(&self, goal: &Goal, errors: &mut Vec<f64>, cancel: &AtomicBool) -> Result<Eigen, SvdError> {
        let (passes, size) = (self.images.len(), self.p.width());
        let between = self.between(cancel)?;
        let error = |passes: usize| {
            let count = passes * goal.width;
            let rows = between.chunks_exact(size).take(count);
            let squares: Vec<f64> = rows.flat_map(|row| &row[..count]).copied().collect();
            Ok(goal.error(symmetric::eigenvalues(squares, count, cancel)?))
        };
        let missing = if errors.is_empty() && goal.is_watched() { 2 } else { 0 };
        let (eigen, earlier) = rayon::join(
            || symmetric::largest(between.clone(), size, goal.rank, cancel),
            || (passes - missing..passes).map(error).collect::<Result<Vec<f64>, SvdError>>(),
        );
        let eigen = eigen?;
        errors.extend(earlier?);
        errors.push(goal.error(eigen.values.iter().copied()));
        Ok(eigen)
    }

    /// PᵀAᵀA·P, the upper triangle: blocks on the diagonal and next to it. All others are nothing but
    /// rounding.
    fn between(&self, cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
        let size = self.p.width();
        let mut out: Vec<f64> = zeros(size * size)?;
        for (index, Block { values, width }) in self.images.iter().enumerate() {
            let (width, position) = (*width, index * width);
            let last;
            let (own, next) = match self.shares.get(index) {
                Some(share) => share[position * width..].split_at(width * width),
                None => {
                    last = gram(values, width, cancel)?;
                    (&last[..], &[][..])
                }
            };
            for (i, own) in own.chunks_exact(width).enumerate() {
                let row = &mut out[(position + i) * size + position..][..size - position];
                row[..width].copy_from_slice(own);
                let next = next.chunks_exact(width).map(|next| next[i]);
                row[width..].iter_mut().zip(next).for_each(|(out, next)| *out = next);
            }
        }
        Ok(out)
    }

    /// The decomposition that some eigenvectors lead to.
    fn vectors(self, rows: usize, eigen: &Eigen, cancel: &AtomicBool) -> Result<Thin, SvdError> {
        let (size, rank) = (self.p.width(), eigen.values.len());
        let mut turn: Vec<f32> = zeros(size * rank)?;
        for (i, row) in eigen.rows.chunks_exact(size).enumerate() {
            row.iter().enumerate().for_each(|(j, value)| turn[j * rank + i] = *value as f32);
        }
        // The eigenvalues have half of the digits; A times the vectors has all.
        let images = basis::times(&self.images, rows, &turn, rank, cancel)?;
        let thin = exact::thin(Matrix { values: &images, rows, columns: rank }, rank, cancel)?;
        let mut to_v = zeros(turn.len())?;
        plain(&turn, rank, Factor::new(&thin.v, rank), Onto::Nothing, &mut to_v, cancel)?;
        Ok(Thin { v: self.p.times(&to_v, rank, cancel)?, ..thin })
    }
}
