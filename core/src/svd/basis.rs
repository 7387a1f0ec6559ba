//! Orthonormal columns, built block by block.
//!
//! A block is projected off the basis and made orthonormal by its Gram matrix (Cholesky-QR), which
//! is summed up in `f64`, so that what a square loses is beyond what `f32` holds. Where its columns
//! depend on each other the Gram matrix' eigenvectors take the place of Cholesky's factor, and
//! columns of noise are left out. Then it is projected once more, and, where that moved it, made
//! orthonormal once more: twice is enough.

use super::dense::{Grid, combine, gram, multiply};
use super::error::{SvdError, zeros};
use super::product::{Factor, Onto, Product, cross, plain, plain_sum};
use super::random::Random;
use super::symmetric;
use nalgebra::DMatrix;
use std::sync::atomic::AtomicBool;

/// A column of so small a share of the longest is what rounding left: of an f32's 6·10⁻⁸ a projection
/// leaves a few.
const NOISE: f64 = 1e-6;
/// Shortest pivot, of the longest, up to which one factorization is enough.
const STEEP: f64 = 1e-4;
/// Largest number of the second projection up to which the block stays orthonormal itself.
const MOVED: f32 = 2e-4;
/// Length that a column of 1 keeps at least when it is projected once more; one that doesn't was nothing
/// but rounding of what the basis has already.
const REMAINS: f64 = 0.1;
/// Times that a block is made orthonormal at most.
const MAX_PASSES: usize = 4;

/// Columns side by side, row by row.
pub(super) struct Block {
    pub values: Vec<f32>,
    pub width: usize,
}

/// Orthonormal columns.
pub(super) struct Basis {
    length: usize,
    width: usize,
    blocks: Vec<Block>,
}

/// A block's factor: block = orthonormal · factor, and orthonormal = block · inverse.
struct Factored {
    rank: usize,
    factor: Vec<f64>,
    inverse: Vec<f64>,
    is_steep: bool,
}

impl Basis {
    /// No column yet, of so many numbers each.
    pub(super) fn new(length: usize) -> Self {
        Self { length, width: 0, blocks: Vec::new() }
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The block that came last.
    pub(super) fn last(&self) -> Option<&Block> {
        self.blocks.last()
    }

    /// Takes up columns that are known to be orthonormal, also to those there are.
    pub(super) fn trust(&mut self, values: Vec<f32>, width: usize) {
        if width > 0 {
            self.width += width;
            self.blocks.push(Block { values, width });
        }
    }

    /// Takes up what is new in the columns of `y`, and returns the matrix C, one row for every column
    /// of the basis, with y = basis · C. Returns no more rows than before if there was nothing new.
    ///
    /// `known` are the rows of C for the last block, where they are known beforehand and those of the
    /// blocks before it would be zero but for rounding.
    ///
    /// # Errors
    /// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
    pub(super) fn extend(
        &mut self,
        mut y: Vec<f32>,
        width: usize,
        known: Option<Vec<f32>>,
        cancel: &AtomicBool,
    ) -> Result<Vec<f64>, SvdError> {
        let mut coefficients: Vec<f64> = zeros(self.width * width)?;
        match (known, self.blocks.last()) {
            (Some(known), Some(block)) => {
                let factor = Factor { values: &known, width, scale: -1.0 };
                plain(&block.values, block.width, factor, Onto::Sum, &mut y, cancel)?;
                let position = (self.width - block.width) * width;
                coefficients[position..]
                    .iter_mut()
                    .zip(&known)
                    .for_each(|(to, value)| *to = f64::from(*value));
            }
            _ => self.project(&mut y, width, |i, value| coefficients[i] += f64::from(value), cancel)?,
        }
        // y = y's orthonormal columns so far · factor.
        let (mut rank, mut factor) = (width, None::<Vec<f64>>);
        for _ in 0..MAX_PASSES {
            let products = gram(&y, rank, cancel)?;
            let floor =
                if factor.is_some() { REMAINS } else { NOISE * longest(&products, &coefficients, width) };
            let found = factorize(products, rank, floor, cancel)?;
            if found.rank == 0 {
                return Ok(coefficients);
            }
            y = combine(&y, rank, &found.inverse, found.rank, cancel)?;
            let mut product = zeros(found.rank * width)?;
            match factor {
                Some(factor) => {
                    let (a, b) = (Grid::new(&found.factor, rank), Grid::new(&factor, width));
                    multiply(1.0, a, b, 0.0, &mut product, width);
                }
                None => product.copy_from_slice(&found.factor),
            }
            rank = found.rank;
            let mut moved: Vec<f64> = zeros(self.width * rank)?;
            self.project(&mut y, rank, |i, value| moved[i] += f64::from(value), cancel)?;
            let (a, b) = (Grid::new(&moved, rank), Grid::new(&product, width));
            multiply(1.0, a, b, 1.0, &mut coefficients, width);
            factor = Some(product);
            let is_moved = moved.iter().any(|value| value.abs() > f64::from(MOVED));
            if !is_moved && !found.is_steep {
                break;
            }
        }
        coefficients.extend(factor.unwrap_or_default());
        self.trust(y, rank);
        Ok(coefficients)
    }

    /// Takes the basis' share off the columns of `y`; `each` is told the coefficients, by their place
    /// in a matrix with a row for each column of the basis.
    fn project(
        &self,
        y: &mut [f32],
        width: usize,
        mut each: impl FnMut(usize, f32),
        cancel: &AtomicBool,
    ) -> Result<(), SvdError> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let blocks: Vec<_> = self.blocks.iter().map(|block| (&block.values[..], block.width)).collect();
        let shares = cross(&blocks, y, width, cancel)?;
        let shares: Vec<f32> = shares.into_iter().map(|value| value as f32).collect();
        plain_sum(&products(&self.blocks, &shares, width, -1.0), Onto::Sum, y, cancel)?;
        shares.iter().enumerate().for_each(|(i, value)| each(i, *value));
        Ok(())
    }

    /// Adds columns that nothing depends on, up to `width`, which must not exceed their length.
    ///
    /// # Errors
    /// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
    pub(super) fn complete(
        &mut self,
        width: usize,
        random: &mut Random,
        cancel: &AtomicBool,
    ) -> Result<(), SvdError> {
        while self.width < width.min(self.length) {
            let missing = width - self.width;
            self.extend(random.matrix(self.length * missing)?, missing, None, cancel)?;
        }
        Ok(())
    }

    /// The basis times a matrix with so many columns.
    ///
    /// # Errors
    /// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
    pub(super) fn times(&self, m: &[f32], columns: usize, cancel: &AtomicBool) -> Result<Vec<f32>, SvdError> {
        times(&self.blocks, self.length, m, columns, cancel)
    }

    /// All columns side by side, row by row.
    ///
    /// # Errors
    /// [`SvdError::OutOfMemory`].
    pub(super) fn into_columns(mut self) -> Result<Vec<f32>, SvdError> {
        if let [block] = &mut self.blocks[..] {
            return Ok(std::mem::take(&mut block.values));
        }
        let mut out: Vec<f32> = zeros(self.length * self.width)?;
        for (i, out) in out.chunks_exact_mut(self.width.max(1)).enumerate() {
            let mut out = out.iter_mut();
            for Block { values, width } in &self.blocks {
                out.by_ref().zip(&values[i * width..][..*width]).for_each(|(out, value)| *out = *value);
            }
        }
        Ok(out)
    }
}

/// Blocks of columns of a length, side by side, times a matrix with so many columns.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn times(
    blocks: &[Block],
    length: usize,
    m: &[f32],
    columns: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f32>, SvdError> {
    let mut out = zeros(length * columns)?;
    if !blocks.is_empty() {
        plain_sum(&products(blocks, m, columns, 1.0), Onto::Nothing, &mut out, cancel)?;
    }
    Ok(out)
}

/// What sums up to blocks, side by side, times a matrix, times a number.
fn products<'a>(blocks: &'a [Block], m: &'a [f32], width: usize, scale: f32) -> Vec<Product<'a>> {
    let mut rest = m;
    let of_block = |block: &'a Block| {
        let values;
        (values, rest) = rest.split_at(block.width * width);
        Product { a: &block.values, inner: block.width, b: Factor { values, width, scale } }
    };
    blocks.iter().map(of_block).collect()
}

/// Length of the longest column, from the Gram matrix of what a projection left and what it took off.
fn longest(gram: &[f64], taken: &[f64], width: usize) -> f64 {
    let mut squares: Vec<f64> = gram.iter().step_by(width + 1).copied().collect();
    for row in taken.chunks_exact(width) {
        squares.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
    }
    squares.iter().fold(0.0f64, |max, square| max.max(*square)).sqrt()
}

/// Factors a Gram matrix; columns shorter than `floor` are left out.
fn factorize(gram: Vec<f64>, width: usize, floor: f64, cancel: &AtomicBool) -> Result<Factored, SvdError> {
    if let Some(cholesky) = DMatrix::from_row_slice(width, width, &gram).cholesky() {
        let lower = cholesky.unpack();
        let (min, max) = (lower.diagonal().min(), lower.diagonal().max());
        if min > floor && min > 1e-2 * STEEP * max {
            let mut inverse = DMatrix::identity(width, width);
            if lower.solve_lower_triangular_mut(&mut inverse) {
                // Column by column the lower factor is, row by row, the upper one; likewise its inverse.
                let (factor, inverse) = (lower.as_slice().to_vec(), inverse.as_slice().to_vec());
                return Ok(Factored { rank: width, factor, inverse, is_steep: min < STEEP * max });
            }
        }
    }
    let eigen = symmetric::largest(gram, width, width, cancel)?;
    let max = eigen.values.first().copied().unwrap_or(0.0);
    let min = (floor * floor).max(max * width as f64 * f64::EPSILON);
    let rank = eigen.values.partition_point(|&value| value > min);
    let (mut factor, mut inverse) = (zeros(rank * width)?, zeros(width * rank)?);
    for (i, value) in eigen.values[..rank].iter().enumerate() {
        let length = value.sqrt();
        for (j, x) in eigen.rows[i * width..][..width].iter().enumerate() {
            factor[i * width + j] = length * x;
            inverse[j * rank + i] = x / length;
        }
    }
    Ok(Factored { rank, factor, inverse, is_steep: true })
}
