//! Eigenvalues and eigenvectors of a dense symmetric matrix: to tridiagonal form by Householder
//! reflections, a panel of rows at a time, so that half of the work is matrix products. Every step
//! is short, so a cancel is seen at once.

use super::dense::{Grid, multiply};
use super::error::{SvdError, reserved, stop_if, zeros};
use super::tridiagonal::{self, Eigen};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Reflections of a panel.
const PANEL: usize = 32;
/// Rows of a slice of work.
const SLICE_ROWS: usize = 64;
/// Size from which a product with a vector is worth several threads, and the pieces it then has.
const LARGE: usize = 640;
const PIECES: usize = 4;

/// Eigenvalues alone, largest first. Only the upper triangle of `a`, n × n, is read.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn eigenvalues(mut a: Vec<f64>, n: usize, cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
    let mut form = tridiagonalize(&mut a, n, cancel)?;
    drop(a);
    let largest = tridiagonal::magnitude(&form.d, &form.e);
    tridiagonal::ql(&mut form.d, &mut form.e, None, largest, cancel)?;
    form.d.sort_by(|a, b| b.total_cmp(a));
    Ok(form.d)
}

/// The `keep` largest eigenvalues, largest first, with their eigenvectors as rows. Only the upper
/// triangle of `a`, n × n, is read.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn largest(
    mut a: Vec<f64>,
    n: usize,
    keep: usize,
    cancel: &AtomicBool,
) -> Result<Eigen, SvdError> {
    let form = tridiagonalize(&mut a, n, cancel)?;
    let mut eigen = tridiagonal::largest(&form.d, &form.e, keep, cancel)?;
    reflect(&a, n, &form.tau, &mut eigen.rows, cancel)?;
    Ok(eigen)
}

/// A tridiagonal matrix, and the factors of the reflections that lead to it.
struct Form {
    d: Vec<f64>,
    e: Vec<f64>,
    tau: Vec<f64>,
}

/// Row j of `a` becomes, right of the diagonal, the vector of reflection j.
fn tridiagonalize(a: &mut [f64], n: usize, cancel: &AtomicBool) -> Result<Form, SvdError> {
    let mut form = Form { d: zeros(n)?, e: zeros(n.saturating_sub(1))?, tau: zeros(n)? };
    // A·v of the whole matrix is put off: a panel's reflections are kept as v and w, with which the
    // matrix is a − Σ (v·wᵀ + w·vᵀ).
    let (mut v, mut w): (Vec<f64>, Vec<f64>) = (zeros(PANEL * n)?, zeros(PANEL * n)?);
    for first in (0..n).step_by(PANEL) {
        let count = PANEL.min(n - first);
        for p in 0..count {
            stop_if(cancel)?;
            let j = first + p;
            let (above, below) = a.split_at_mut((j + 1) * n);
            let row = &mut above[j * n..];
            for (v, w) in v.chunks_exact(n).zip(w.chunks_exact(n)).take(p) {
                add(&mut row[j..], -v[j], &w[j..]);
                add(&mut row[j..], -w[j], &v[j..]);
            }
            form.d[j] = row[j];
            if j + 1 == n {
                break;
            }
            (form.e[j], form.tau[j]) = reflection(&mut row[j + 1..]);
            let (tau, reflected) = (form.tau[j], &row[j + 1..]);
            v[p * n..][..=j].fill(0.0);
            v[p * n + j + 1..][..n - j - 1].copy_from_slice(reflected);
            let (before, product) = w.split_at_mut(p * n);
            product[..=j].fill(0.0);
            let product = &mut product[j + 1..n];
            symmetric_product(&below[j + 1..], n, reflected, product);
            for (v, w) in v.chunks_exact(n).zip(before.chunks_exact(n)) {
                let (of_w, of_v) = (dot(&w[j + 1..], reflected), dot(&v[j + 1..], reflected));
                add(product, -of_w, &v[j + 1..]);
                add(product, -of_v, &w[j + 1..]);
            }
            product.iter_mut().for_each(|value| *value *= tau);
            let half = -0.5 * tau * dot(product, reflected);
            add(product, half, reflected);
        }
        let from = first + count;
        let (v, w) = (Grid::new(&v[..count * n], n), Grid::new(&w[..count * n], n));
        a[from * n..].par_chunks_mut(SLICE_ROWS * n).enumerate().try_for_each(|(index, a)| {
            stop_if(cancel)?;
            let (position, rows) = (from + index * SLICE_ROWS, a.len() / n);
            for (x, y) in [(v, w), (w, v)] {
                let (x, y) = (x.columns(position, rows).turned(), y.columns(position, n - position));
                multiply(-1.0, x, y, 1.0, &mut a[position..], n);
            }
            Ok::<(), SvdError>(())
        })?;
    }
    Ok(form)
}

/// Turns x into the vector v, v₀ = 1, with (I − τ·v·vᵀ)·x = (β, 0, …); returns β and τ.
fn reflection(x: &mut [f64]) -> (f64, f64) {
    let Some((&mut alpha, rest)) = x.split_first_mut() else { return (0.0, 0.0) };
    let tail = dot(rest, rest);
    let (beta, tau) = if tail == 0.0 {
        (alpha, 0.0)
    } else {
        let beta = -(alpha * alpha + tail).sqrt().copysign(alpha);
        rest.iter_mut().for_each(|value| *value /= alpha - beta);
        (beta, (beta - alpha) / beta)
    };
    x[0] = 1.0;
    (beta, tau)
}

/// `out` = A·v, where `a` begins with A's first diagonal number and its rows are `stride` apart; only
/// the upper triangle is read, once.
fn symmetric_product(a: &[f64], stride: usize, v: &[f64], out: &mut [f64]) {
    let n = v.len();
    if n < LARGE {
        return out_of_rows(a, stride, v, 0..n, out);
    }
    // Row i has n − i numbers: pieces of about the same area.
    let bound = |piece: usize| n - (n as f64 * (1.0 - piece as f64 / PIECES as f64).sqrt()) as usize;
    let parts: Vec<Vec<f64>> = (0..PIECES)
        .into_par_iter()
        .map(|piece| {
            let mut out = vec![0.0; n];
            out_of_rows(a, stride, v, bound(piece)..bound(piece + 1), &mut out);
            out
        })
        .collect();
    for (i, out) in out.iter_mut().enumerate() {
        *out = parts.iter().map(|part| part[i]).sum();
    }
}

/// What some rows of the upper triangle, and the columns that mirror them, add to A·v.
fn out_of_rows(a: &[f64], stride: usize, v: &[f64], rows: std::ops::Range<usize>, out: &mut [f64]) {
    out.fill(0.0);
    Arch::new().dispatch(OutOfRows { a, stride, v, rows, out });
}

struct OutOfRows<'a> {
    a: &'a [f64],
    stride: usize,
    v: &'a [f64],
    rows: std::ops::Range<usize>,
    out: &'a mut [f64],
}

impl WithSimd for OutOfRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, stride, v, rows, out } = self;
        let n = v.len();
        for i in rows {
            let row = &a[i * stride + i..][..n - i];
            let (factor, v, out) = (v[i], &v[i + 1..], &mut out[i..]);
            let (here, out) = out.split_at_mut(1);
            let (diagonal, row) = (row[0], &row[1..]);
            let ((row, row_rest), (v, v_rest)) = (S::as_simd_f64s(row), S::as_simd_f64s(v));
            let (out, out_rest) = S::as_mut_simd_f64s(out);
            let factors = simd.splat_f64s(factor);
            let mut sums = [simd.splat_f64s(0.0); 4];
            let (row4, row1) = row.as_chunks::<4>();
            let (v4, v1) = v.as_chunks::<4>();
            let (out4, out1) = out.as_chunks_mut::<4>();
            for ((row, v), out) in row4.iter().zip(v4).zip(out4) {
                for (((row, v), out), sum) in row.iter().zip(v).zip(out).zip(&mut sums) {
                    *sum = simd.mul_add_e_f64s(*row, *v, *sum);
                    *out = simd.mul_add_e_f64s(factors, *row, *out);
                }
            }
            for ((row, v), out) in row1.iter().zip(v1).zip(out1) {
                sums[0] = simd.mul_add_e_f64s(*row, *v, sums[0]);
                *out = simd.mul_add_e_f64s(factors, *row, *out);
            }
            let sums = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
            let mut sum = simd.reduce_sum_f64s(sums) + diagonal * factor;
            for ((row, v), out) in row_rest.iter().zip(v_rest).zip(out_rest) {
                sum += row * v;
                *out += factor * row;
            }
            here[0] += sum;
        }
    }
}

/// Multiplies eigenvectors of the tridiagonal matrix, each a row, by the reflections.
fn reflect(a: &[f64], n: usize, tau: &[f64], rows: &mut [f64], cancel: &AtomicBool) -> Result<(), SvdError> {
    for first in (0..n.saturating_sub(1)).step_by(PANEL).rev() {
        // The panel's reflections together are I − Vᵀ·T·V, with T upper triangular.
        let (count, from) = (PANEL.min(n - 1 - first), first + 1);
        let wide = n - from;
        let mut v: Vec<f64> = reserved(count * wide)?;
        for p in 0..count {
            v.resize(v.len() + p, 0.0);
            v.extend_from_slice(&a[(first + p) * n + from + p..][..wide - p]);
        }
        let mut t = vec![0.0; count * count];
        for i in 0..count {
            let (tau, v_i) = (tau[first + i], &v[i * wide..][..wide]);
            let of_v: Vec<f64> = v.chunks_exact(wide).take(i).map(|v| dot(v, v_i)).collect();
            for row in 0..i {
                let sum: f64 = (row..i).map(|k| t[row * count + k] * of_v[k]).sum();
                t[row * count + i] = -tau * sum;
            }
            t[i * count + i] = tau;
        }
        let (v, t) = (Grid::new(&v, wide), Grid::new(&t, count));
        rows.par_chunks_mut(SLICE_ROWS * n).try_for_each(|rows| {
            stop_if(cancel)?;
            let many = rows.len() / n;
            let (mut once, mut twice) = (vec![0.0; many * count], vec![0.0; many * count]);
            multiply(1.0, Grid::new(rows, n).columns(from, wide), v.turned(), 0.0, &mut once, count);
            multiply(1.0, Grid::new(&once, count), t.turned(), 0.0, &mut twice, count);
            multiply(-1.0, Grid::new(&twice, count), v, 1.0, &mut rows[from..], n);
            Ok::<(), SvdError>(())
        })?;
    }
    Ok(())
}

/// The scalar product, in eight sums.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f64>()
}

/// x += factor·y.
fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}
