//! The thin decomposition by the eigenvectors of the smaller Gram matrix, in `f64`.
//!
//! A Gram matrix has the squares of the singular values, so an error of 2⁻⁵³ of the largest square
//! is what small ones are lost in: those of 10⁻⁷ of the largest are known to a digit or two, those
//! of 10⁻⁴ to seven. That is what an `f32` decomposition by bidiagonalization loses too. Singular
//! vectors of less than 10⁻⁴ of the largest are found again, from the product with the matrix, whose
//! Gram matrix is on their own scale.

use super::basis::Basis;
use super::dense::{Grid, combine, gram, multiply, widen};
use super::error::{SvdError, reserved, stop_if, zeros};
use super::random::Random;
use super::symmetric;
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Share of the largest singular value down to which vectors are taken from one Gram matrix.
const SHARP: f64 = 1e-4;
/// Times that a smaller scale is tried. An `f32` has no digits beyond.
const MAX_LEVELS: usize = 3;
/// Rows or columns that are widened at a time.
const SLICE: usize = 256;
/// Rows of a block of the Gram matrix, and of a slice of the other side's vectors.
const ROWS: usize = 128;

/// Singular vectors, each a column, and singular values, largest first.
pub(super) struct Thin {
    pub u: Vec<f32>,
    pub s: Vec<f64>,
    pub v: Vec<f32>,
}

/// A matrix of `f32`, row by row.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
}

impl Matrix<'_> {
    /// The smaller number of rows and columns, and the larger one.
    pub(super) fn sides(&self) -> (usize, usize) {
        (self.rows.min(self.columns), self.rows.max(self.columns))
    }

    fn is_wide(&self) -> bool {
        self.rows < self.columns
    }

    /// Some rows of the matrix, or, of a wide one, some columns, each a row.
    fn slice(&self, from: usize, count: usize, out: &mut Vec<f64>) {
        if self.is_wide() {
            out.clear();
            let lines = self.values.chunks_exact(self.columns).map(|row| &row[from..from + count]);
            out.resize(count * self.rows, 0.0);
            for (i, line) in lines.enumerate() {
                line.iter().enumerate().for_each(|(k, value)| out[k * self.rows + i] = f64::from(*value));
            }
        } else {
            widen(&self.values[from * self.columns..][..count * self.columns], out);
        }
    }

    /// The upper triangle of AᵀA or, of a wide matrix, of AAᵀ.
    fn gram(&self, cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
        let (n, length) = self.sides();
        let mut out: Vec<f64> = zeros(n * n)?;
        let mut slice = reserved(SLICE.min(length) * n)?;
        for from in (0..length).step_by(SLICE) {
            self.slice(from, SLICE.min(length - from), &mut slice);
            let x = Grid::new(&slice, n);
            out.par_chunks_mut(ROWS * n).enumerate().try_for_each(|(index, out)| {
                stop_if(cancel)?;
                let position = index * ROWS;
                let (rows, rest) =
                    (x.columns(position, out.len() / n).turned(), x.columns(position, n - position));
                multiply(1.0, rows, rest, 1.0, &mut out[position..], n);
                Ok::<(), SvdError>(())
            })?;
        }
        Ok(out)
    }

    /// The longer side's counterparts of `vectors`, each a row of them; each divided by its length.
    fn counterparts(
        &self,
        vectors: &[f64],
        lengths: &[f64],
        cancel: &AtomicBool,
    ) -> Result<Vec<f32>, SvdError> {
        let ((n, length), count) = (self.sides(), lengths.len());
        let mut out: Vec<f32> = zeros(length * count)?;
        let vectors = Grid::new(vectors, n).turned();
        out.par_chunks_mut(ROWS * count).enumerate().try_for_each_init(
            Default::default,
            |(slice, product): &mut (Vec<f64>, Vec<f64>), (index, out)| {
                stop_if(cancel)?;
                self.slice(index * ROWS, out.len() / count, slice);
                product.resize(out.len(), 0.0);
                multiply(1.0, Grid::new(slice, n), vectors, 0.0, product, count);
                for (out, product) in out.chunks_exact_mut(count).zip(product.chunks_exact(count)) {
                    for ((out, value), length) in out.iter_mut().zip(product).zip(lengths) {
                        *out = (*value / length) as f32;
                    }
                }
                Ok::<(), SvdError>(())
            },
        )?;
        Ok(out)
    }
}

/// All singular values, largest first.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn values(a: Matrix, cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
    let squares = symmetric::eigenvalues(a.gram(cancel)?, a.sides().0, cancel)?;
    Ok(squares.into_iter().map(length).collect())
}

/// The root of an eigenvalue; rounding may have made one that is zero negative.
fn length(square: f64) -> f64 {
    square.max(0.0).sqrt()
}

/// The `rank` largest singular values with their vectors; `rank` must not exceed the smaller side.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn thin(a: Matrix, rank: usize, cancel: &AtomicBool) -> Result<Thin, SvdError> {
    let (n, long) = a.sides();
    let eigen = symmetric::largest(a.gram(cancel)?, n, rank, cancel)?;
    let mut s: Vec<f64> = eigen.values.into_iter().map(length).collect();
    let mut short = eigen.rows;
    let largest = s.first().copied().unwrap_or(0.0);
    let mut sharp = sharp(&s);
    let mut others = Basis::new(long);
    others.trust(a.counterparts(&short[..sharp * n], &s[..sharp], cancel)?, sharp);
    for _ in 0..MAX_LEVELS {
        let rest = rank - sharp;
        let scale = s.get(sharp).copied().unwrap_or(0.0).max(largest * f64::EPSILON);
        if rest == 0 || scale == 0.0 {
            break;
        }
        // The rest of the vectors, turned among themselves so that their counterparts are orthogonal.
        let tail = a.counterparts(&short[sharp * n..], &vec![scale; rest], cancel)?;
        let eigen = symmetric::largest(gram(&tail, rest, cancel)?, rest, rest, cancel)?;
        let lengths: Vec<f64> = eigen.values.into_iter().map(length).collect();
        let mut turned: Vec<f64> = zeros(rest * n)?;
        multiply(1.0, Grid::new(&eigen.rows, rest), Grid::new(&short[sharp * n..], n), 0.0, &mut turned, n);
        short[sharp * n..].copy_from_slice(&turned);
        s[sharp..].iter_mut().zip(&lengths).for_each(|(s, length)| *s = scale * length);
        let found = self::sharp(&lengths);
        let mut to_columns: Vec<f64> = zeros(rest * found)?;
        for (j, to) in to_columns.chunks_exact_mut(found.max(1)).enumerate() {
            for (i, to) in to.iter_mut().enumerate() {
                *to = eigen.rows[i * rest + j] / lengths[i];
            }
        }
        if found > 0 {
            others.extend(combine(&tail, rest, &to_columns, found, cancel)?, found, None, cancel)?;
        }
        sharp += found;
    }
    // Where nothing but rounding is left, one scale may begin above the end of the last.
    for i in 1..rank {
        s[i] = s[i].min(s[i - 1]);
    }
    others.complete(rank, &mut Random::new(0), cancel)?;
    let others = others.into_columns()?;
    let mut columns: Vec<f32> = zeros(n * rank)?;
    for (i, row) in short.chunks_exact(n).enumerate() {
        row.iter().enumerate().for_each(|(j, value)| columns[j * rank + i] = *value as f32);
    }
    let (u, v) = if a.is_wide() { (columns, others) } else { (others, columns) };
    Ok(Thin { u, s, v })
}

/// How many singular values are not so small that their vectors are blurred.
fn sharp(s: &[f64]) -> usize {
    let min = SHARP * s.first().copied().unwrap_or(0.0);
    s.partition_point(|&value| value > min)
}
