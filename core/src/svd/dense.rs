//! Matrices of `f64`: views, products in slices that can be cancelled, and products of tall
//! matrices of `f32` that are summed up in `f64`.

use super::error::{SvdError, reserved, stop_if, zeros};
use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Sizes up to which nalgebra multiplies by itself instead of through matrixmultiply. As of 0.35 it
/// then takes the length of a column that isn't contiguous for that of the memory it spans, and
/// writes beyond it.
const SMALL: usize = 5;
/// Rows of a product that one task computes.
const TASK_ROWS: usize = 128;
/// Rows of a matrix of `f32` that are widened at a time.
const WIDENED_ROWS: usize = 256;
/// Pieces in which a product that is small itself is summed up.
const PIECES: usize = 4;

/// A matrix somewhere in a slice.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub values: &'a [f64],
    pub rows: usize,
    pub columns: usize,
    /// Distance of one row from the next, and of one column from the next.
    pub strides: (usize, usize),
}

impl<'a> Grid<'a> {
    /// A matrix that stands row by row.
    pub(super) fn new(values: &'a [f64], columns: usize) -> Self {
        Self { values, rows: values.len() / columns.max(1), columns, strides: (columns, 1) }
    }

    /// The same matrix with rows and columns exchanged.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: (self.strides.1, self.strides.0), ..self }
    }

    /// Some of the rows.
    pub(super) fn rows(self, from: usize, count: usize) -> Self {
        Self { values: &self.values[from * self.strides.0..], rows: count, ..self }
    }

    /// Some of the columns.
    pub(super) fn columns(self, from: usize, count: usize) -> Self {
        Self { values: &self.values[from * self.strides.1..], columns: count, ..self }
    }

    fn view(&self) -> DMatrixView<'a, f64, Dyn, Dyn> {
        let (rows, columns) = self.strides;
        DMatrixView::from_slice_with_strides(self.values, self.rows, self.columns, rows, columns)
    }
}

/// `out` = `alpha`·a·b + `beta`·`out`, on this thread. `out` has rows of `stride` numbers, of which
/// b's columns are used. Without terms to sum up, `out` stays as it is.
pub(super) fn multiply(alpha: f64, a: Grid, b: Grid, beta: f64, out: &mut [f64], stride: usize) {
    if a.rows == 0 || a.columns == 0 || b.columns == 0 {
        return;
    }
    if a.rows.min(a.columns).min(b.columns) > SMALL {
        let mut out = DMatrixViewMut::from_slice_with_strides_mut(out, a.rows, b.columns, stride, 1);
        out.gemm(alpha, &a.view(), &b.view(), beta);
        return;
    }
    for (i, out) in out.chunks_mut(stride).take(a.rows).enumerate() {
        let out = &mut out[..b.columns];
        out.iter_mut().for_each(|out| *out = if beta == 0.0 { 0.0 } else { beta * *out });
        for k in 0..a.columns {
            let factor = alpha * a.values[i * a.strides.0 + k * a.strides.1];
            let row = b.values[k * b.strides.0..].iter().step_by(b.strides.1);
            out.iter_mut().zip(row).for_each(|(out, value)| *out += factor * value);
        }
    }
}

/// The same on all threads, a slice of rows at a time.
///
/// # Errors
/// [`SvdError::Cancelled`].
pub(super) fn multiply_all(
    alpha: f64,
    a: Grid,
    b: Grid,
    beta: f64,
    out: &mut [f64],
    stride: usize,
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    out.par_chunks_mut(TASK_ROWS * stride).enumerate().try_for_each(|(index, out)| {
        stop_if(cancel)?;
        let from = index * TASK_ROWS;
        let count = TASK_ROWS.min(a.rows.saturating_sub(from));
        multiply(alpha, a.rows(from.min(a.rows), count), b, beta, out, stride);
        Ok(())
    })
}

/// `f32` as `f64`.
pub(super) fn widen(values: &[f32], out: &mut Vec<f64>) {
    out.clear();
    out.extend(values.iter().map(|&value| f64::from(value)));
}

/// XᵀX of a tall matrix, in `f64` throughout.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn gram(x: &[f32], width: usize, cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
    let rows = (x.len() / width).div_ceil(PIECES).next_multiple_of(WIDENED_ROWS);
    let pieces: Vec<Vec<f64>> = x
        .par_chunks(rows * width)
        .map(|x| {
            let (mut out, mut wide) = (zeros(width * width)?, reserved(WIDENED_ROWS * width)?);
            for x in x.chunks(WIDENED_ROWS * width) {
                stop_if(cancel)?;
                widen(x, &mut wide);
                let x = Grid::new(&wide, width);
                multiply(1.0, x.turned(), x, 1.0, &mut out, width);
            }
            Ok(out)
        })
        .collect::<Result<_, SvdError>>()?;
    Ok((0..width * width).map(|i| pieces.iter().map(|piece| piece[i]).sum()).collect())
}

/// X·M, computed in `f64` and rounded once; M has `columns`.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn combine(
    x: &[f32],
    width: usize,
    m: &[f64],
    columns: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f32>, SvdError> {
    let mut out: Vec<f32> = zeros(x.len() / width * columns)?;
    let tasks = out.par_chunks_mut(WIDENED_ROWS * columns).zip(x.par_chunks(WIDENED_ROWS * width));
    tasks.try_for_each_init(Default::default, |(wide, product): &mut (Vec<f64>, Vec<f64>), (out, x)| {
        stop_if(cancel)?;
        widen(x, wide);
        product.resize(out.len(), 0.0);
        multiply(1.0, Grid::new(wide, width), Grid::new(m, columns), 0.0, product, columns);
        out.iter_mut().zip(product).for_each(|(out, value)| *out = *value as f32);
        Ok(())
    })?;
    Ok(out)
}
