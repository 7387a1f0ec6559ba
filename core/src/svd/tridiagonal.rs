//! Eigenvalues and eigenvectors of a symmetric tridiagonal matrix: by implicit QL where it is small
//! or no vector is wanted, else by Cuppen's divide and conquer, whose work is matrix products.
//!
//! Deflation and the secular equation follow Gu and Eisenstat, "A divide-and-conquer algorithm for
//! the symmetric tridiagonal eigenproblem" (1995): roots are kept as distances from their nearest
//! pole, and vectors are computed from the z that has exactly these roots, so that they are
//! orthogonal however close the eigenvalues are.

use super::dense::{Grid, multiply_all};
use super::error::{SvdError, reserved, stop_if, zeros};
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Matrices up to this size are solved by QL.
const SMALL: usize = 32;
/// QL takes two or three steps for an eigenvalue; one that takes so many never ends.
const MAX_STEPS: usize = 100;
/// The same for a root of the secular equation, which takes four or five; the last ones bisect.
const MAX_ROOT_STEPS: usize = 150;
/// Pieces in which the products for z are computed.
const PIECES: usize = 4;

/// Eigenvalues, and the eigenvector of each as a row.
pub(super) struct Eigen {
    pub values: Vec<f64>,
    pub rows: Vec<f64>,
}

/// Implicit QL with shifts. `d` becomes the eigenvalues, in no order; `e` has one number fewer, and
/// is destroyed. `rows`, n × n, is multiplied by the transposed eigenvectors. `largest` is the largest
/// magnitude of the matrix, or of one that this is a block of: what rounding leaves of that is zero, or a
/// matrix with copies of rows, whose small numbers large ones keep disturbing, would never end.
///
/// # Errors
/// [`SvdError::Cancelled`]; [`SvdError::NotConverged`], which no finite matrix is known to cause.
pub(super) fn ql(
    d: &mut [f64],
    e: &mut [f64],
    mut rows: Option<&mut [f64]>,
    largest: f64,
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    let (n, negligible) = (d.len(), f64::EPSILON * largest);
    for l in 0..n {
        stop_if(cancel)?;
        for step in 0.. {
            let is_split =
                |i: usize| e[i].abs() <= negligible.max(f64::EPSILON * (d[i].abs() + d[i + 1].abs()));
            let m = (l..n - 1).find(|i| is_split(*i)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if step == MAX_STEPS {
                return Err(SvdError::NotConverged);
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + (g * g + 1.0).sqrt().copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut is_early = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = (f * f + g * g).sqrt();
                if i + 1 < m {
                    e[i + 1] = r;
                }
                if r == 0.0 {
                    d[i + 1] -= p;
                    is_early = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                if let Some(rows) = rows.as_deref_mut() {
                    let (low, high) = rows[i * n..][..2 * n].split_at_mut(n);
                    rotate(high, low, c, s);
                }
            }
            if m < n - 1 {
                e[m] = 0.0;
            }
            if !is_early {
                d[l] -= p;
                e[l] = g;
            }
        }
    }
    Ok(())
}

/// x = c·x + s·y and y = c·y − s·x.
fn rotate(x: &mut [f64], y: &mut [f64], c: f64, s: f64) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
    }
}

/// The largest magnitude of a tridiagonal matrix.
pub(super) fn magnitude(d: &[f64], e: &[f64]) -> f64 {
    d.iter().chain(e).fold(0.0, |max, value| value.abs().max(max))
}

/// The `keep` largest eigenvalues with their eigenvectors, largest first.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`], [`SvdError::NotConverged`].
pub(super) fn largest(d: &[f64], e: &[f64], keep: usize, cancel: &AtomicBool) -> Result<Eigen, SvdError> {
    let n = d.len();
    // At a scale of 1 no square over- or underflows.
    let scale = magnitude(d, e);
    let by = if scale > 0.0 { 1.0 / scale } else { 1.0 };
    let scaled = |values: &[f64]| values.iter().map(|value| value * by).collect::<Vec<_>>();
    let found = divide(&scaled(d), &scaled(e), keep, cancel)?;
    let mut order: Vec<usize> = (0..found.values.len()).collect();
    order.sort_by(|&i, &j| found.values[j].total_cmp(&found.values[i]));
    order.truncate(keep);
    let mut rows = reserved(order.len() * n)?;
    for &i in &order {
        rows.extend_from_slice(&found.rows[i * n..][..n]);
    }
    Ok(Eigen { values: order.iter().map(|&i| found.values[i] * scale).collect(), rows })
}

fn divide(d: &[f64], e: &[f64], keep: usize, cancel: &AtomicBool) -> Result<Eigen, SvdError> {
    let n = d.len();
    if n <= SMALL {
        let (mut values, mut e, mut rows) = (d.to_vec(), e.to_vec(), zeros(n * n)?);
        rows.iter_mut().step_by(n + 1).for_each(|value| *value = 1.0);
        ql(&mut values, &mut e, Some(&mut rows), 1.0, cancel)?;
        return Ok(Eigen { values, rows });
    }
    // The matrix is two blocks and the outer product of a vector: β on the two corners that meet.
    let half = n / 2;
    let beta = e[half - 1];
    let (mut upper, mut lower) = (d[..half].to_vec(), d[half..].to_vec());
    upper[half - 1] -= beta.abs();
    lower[0] -= beta.abs();
    let (upper, lower) = rayon::join(
        || divide(&upper, &e[..half - 1], half, cancel),
        || divide(&lower, &e[half..], n - half, cancel),
    );
    merge(upper?, lower?, beta, keep, cancel)
}

/// The eigenvectors' components in one of the two blocks. A vector of the other block has none.
struct Half {
    rows: Vec<f64>,
    width: usize,
}

impl Half {
    fn rotate(
        &mut self,
        p: &mut Option<usize>,
        q: &mut Option<usize>,
        c: f64,
        s: f64,
    ) -> Result<(), SvdError> {
        if p.is_none() && q.is_none() {
            return Ok(());
        }
        for row in [&mut *p, q] {
            if row.is_none() {
                *row = Some(self.rows.len() / self.width);
                self.rows.try_reserve(self.width).map_err(|_| SvdError::OutOfMemory)?;
                self.rows.resize(self.rows.len() + self.width, 0.0);
            }
        }
        let (Some(p), Some(q)) = (*p, *q) else { return Ok(()) };
        let (first, second) = self.rows.split_at_mut(p.max(q) * self.width);
        let first = &mut first[p.min(q) * self.width..][..self.width];
        let second = &mut second[..self.width];
        let (p, q) = if p < q { (first, second) } else { (second, first) };
        rotate(p, q, c, s);
        Ok(())
    }

    fn row(&self, row: Option<usize>, out: &mut [f64]) {
        match row {
            Some(row) => out.copy_from_slice(&self.rows[row * self.width..][..self.width]),
            None => out.fill(0.0),
        }
    }

    fn gather(&self, rows: impl Iterator<Item = usize> + Clone) -> Result<Vec<f64>, SvdError> {
        let mut out = reserved(rows.clone().count() * self.width)?;
        rows.for_each(|row| out.extend_from_slice(&self.rows[row * self.width..][..self.width]));
        Ok(out)
    }
}

/// One eigenpair of the two blocks.
struct Pair {
    d: f64,
    z: f64,
    upper: Option<usize>,
    lower: Option<usize>,
}

fn merge(upper: Eigen, lower: Eigen, beta: f64, keep: usize, cancel: &AtomicBool) -> Result<Eigen, SvdError> {
    let (n1, n2) = (upper.values.len(), lower.values.len());
    let n = n1 + n2;
    let rho = 2.0 * beta.abs();
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let first = upper.values.iter().enumerate().map(|(i, &d)| {
        let z = half * upper.rows[i * n1 + n1 - 1];
        Pair { d, z, upper: Some(i), lower: None }
    });
    let second = lower.values.iter().enumerate().map(|(i, &d)| {
        let z = half.copysign(beta) * lower.rows[i * n2];
        Pair { d, z, upper: None, lower: Some(i) }
    });
    let mut pairs: Vec<Pair> = first.chain(second).collect();
    pairs.sort_by(|a, b| a.d.total_cmp(&b.d));
    let (mut upper, mut lower) = (Half { rows: upper.rows, width: n1 }, Half { rows: lower.rows, width: n2 });
    let (kept, settled) = deflate(pairs, rho, &mut upper, &mut lower)?;

    // Roots, as distances of the poles from them. Their columns are sorted by the blocks in which
    // a vector has components, so that the products leave out what is zero.
    let k = kept.len();
    let block = |pair: &Pair| (pair.upper.is_none(), pair.lower.is_some());
    let mut columns: Vec<usize> = (0..k).collect();
    columns.sort_by_key(|&j| (block(&kept[j]), j));
    let mut x: Vec<f64> = zeros(k * k)?;
    let mut values: Vec<f64> = zeros(k)?;
    let d: Vec<f64> = kept.iter().map(|pair| pair.d).collect();
    let squares: Vec<f64> = kept.iter().map(|pair| pair.z * pair.z).collect();
    x.par_chunks_mut(k.max(1)).zip(&mut values).enumerate().try_for_each_init(
        || vec![0.0; k],
        |distances, (i, (row, value))| {
            stop_if(cancel)?;
            *value = root(i, &d, &squares, rho, distances);
            columns.iter().zip(row).for_each(|(&j, out)| *out = distances[j]);
            Ok(())
        },
    )?;
    let z = exact_z(&kept, &columns, &x, cancel)?;

    // Only the largest are wanted: roots rise, so they are the last rows.
    let mut all: Vec<f64> = values.iter().copied().chain(settled.iter().map(|pair| pair.d)).collect();
    let count = keep.min(n);
    all.sort_by(|a, b| b.total_cmp(a));
    let min = all[count - 1];
    let from = values.partition_point(|&value| value < min);
    x.par_chunks_mut(k.max(1)).skip(from).try_for_each(|row| {
        stop_if(cancel)?;
        let mut sum = 0.0;
        for (x, z) in row.iter_mut().zip(&z) {
            *x = z / *x;
            sum += *x * *x;
        }
        let by = 1.0 / sum.sqrt();
        row.iter_mut().for_each(|x| *x *= by);
        Ok::<(), SvdError>(())
    })?;
    let settled: Vec<Pair> = settled.into_iter().filter(|pair| pair.d >= min).collect();
    let mut rows: Vec<f64> = zeros((k - from + settled.len()) * n)?;
    let (roots, others) = rows.split_at_mut((k - from) * n);
    if k > from {
        let x = Grid::new(&x[from * k..], k);
        let with_upper = columns.iter().filter_map(|&j| kept[j].upper);
        let part = upper.gather(with_upper.clone())?;
        let x_upper = x.columns(0, with_upper.count());
        multiply_all(1.0, x_upper, Grid::new(&part, n1), 0.0, roots, n, cancel)?;
        let with_lower = columns.iter().filter_map(|&j| kept[j].lower);
        let part = lower.gather(with_lower.clone())?;
        let count = with_lower.count();
        let x_lower = x.columns(k - count, count);
        multiply_all(1.0, x_lower, Grid::new(&part, n2), 0.0, &mut roots[n1..], n, cancel)?;
    }
    for (pair, out) in settled.iter().zip(others.chunks_exact_mut(n)) {
        let (first, second) = out.split_at_mut(n1);
        upper.row(pair.upper, first);
        lower.row(pair.lower, second);
    }
    values.drain(..from);
    values.extend(settled.iter().map(|pair| pair.d));
    Ok(Eigen { values, rows })
}

/// Takes out the eigenpairs that the joint leaves as they are: those with no share in it, and of
/// two whose eigenvalues are the same the one that can be turned out of it. The others, in rising
/// order, come first.
fn deflate(
    pairs: Vec<Pair>,
    rho: f64,
    upper: &mut Half,
    lower: &mut Half,
) -> Result<(Vec<Pair>, Vec<Pair>), SvdError> {
    let max = pairs.iter().fold(rho, |max, pair| max.max(pair.d.abs()));
    let tolerance = 8.0 * f64::EPSILON * max;
    let (mut kept, mut settled) = (Vec::new(), Vec::new());
    let mut before: Option<Pair> = None;
    for mut pair in pairs {
        if rho * pair.z.abs() <= tolerance {
            settled.push(pair);
            continue;
        }
        if let Some(mut last) = before.take() {
            let length = (pair.z * pair.z + last.z * last.z).sqrt();
            let (c, s) = (pair.z / length, -last.z / length);
            if ((pair.d - last.d) * c * s).abs() <= tolerance {
                upper.rotate(&mut last.upper, &mut pair.upper, c, s)?;
                lower.rotate(&mut last.lower, &mut pair.lower, c, s)?;
                pair.z = length;
                (last.d, pair.d) = (last.d * c * c + pair.d * s * s, last.d * s * s + pair.d * c * c);
                settled.push(last);
            } else {
                kept.push(last);
            }
        }
        before = Some(pair);
    }
    kept.extend(before);
    Ok((kept, settled))
}

/// The i-th root of 1 + ρ·Σ z²/(d − x), between d[i] and the next, and every d's distance from it.
fn root(i: usize, d: &[f64], squares: &[f64], rho: f64, distances: &mut [f64]) -> f64 {
    let (k, inverse) = (d.len(), 1.0 / rho);
    let gap = if i + 1 < k { d[i + 1] - d[i] } else { rho * squares.iter().sum::<f64>() };
    let at_middle = d.iter().zip(squares).map(|(pole, square)| square / (pole - d[i] - gap / 2.0));
    let is_left = inverse + at_middle.sum::<f64>() >= 0.0;
    // The origin is the nearer pole; the last root has one pole only.
    let (origin, mut low, mut high) = match (is_left, i + 1 < k) {
        (true, _) => (i, 0.0, gap / 2.0),
        (false, true) => (i + 1, -gap / 2.0, 0.0),
        (false, false) => (i, gap / 2.0, gap),
    };
    let mut x = if origin == i && !is_left { low } else { low + high };
    if k == 1 {
        x = gap;
    }
    for step in 0..MAX_ROOT_STEPS {
        let part = |range: std::ops::Range<usize>| {
            let poles = d[range.clone()].iter().zip(&squares[range]);
            poles.fold((0.0, 0.0), |(sum, slope), (pole, square)| {
                let near = 1.0 / (pole - d[origin] - x);
                let term = square * near;
                (sum + term, slope + term * near)
            })
        };
        let ((left, left_slope), (right, right_slope)) = (part(0..i + 1), part(i + 1..k));
        let (value, slope) = (inverse + left + right, left_slope + right_slope);
        let error = 8.0 * (inverse + left.abs() + right) + x.abs() * slope;
        if value.abs() <= f64::EPSILON * error {
            break;
        }
        if value < 0.0 {
            low = x;
        } else {
            high = x;
        }
        // A rational function with the two poles at hand and the same value and slopes.
        let near = d[i] - d[origin] - x;
        let rational = if i + 1 < k {
            let far = d[i + 1] - d[origin] - x;
            let c = value - near * left_slope - far * right_slope;
            let a = (near + far) * value - near * far * slope;
            let b = near * far * value;
            let under = (a * a - 4.0 * b * c).abs().sqrt();
            if a <= 0.0 { (a - under) / (2.0 * c) } else { 2.0 * b / (a + under) }
        } else {
            near + left_slope * near * near / (value - near * left_slope)
        };
        let is_inside = |x: f64| x > low && x < high;
        let next = [x + rational, x - value / slope].into_iter().find(|x| is_inside(*x));
        let middle = low + (high - low) / 2.0;
        let next = next.filter(|_| step < MAX_ROOT_STEPS / 2).unwrap_or(middle);
        if next == x || !is_inside(next) {
            break;
        }
        x = next;
    }
    for (distance, pole) in distances.iter_mut().zip(d) {
        *distance = pole - d[origin] - x;
    }
    d[origin] + x
}

/// The z that has exactly these roots (Löwner's formula), in the order of the columns of `x`, which
/// holds the poles' distances from each root.
fn exact_z(kept: &[Pair], columns: &[usize], x: &[f64], cancel: &AtomicBool) -> Result<Vec<f64>, SvdError> {
    let k = kept.len();
    let rows = k.div_ceil(PIECES).max(1);
    let products: Vec<Vec<f64>> = (0..PIECES)
        .into_par_iter()
        .map(|piece| {
            let mut product = vec![1.0; k];
            for i in (piece * rows).min(k)..((piece + 1) * rows).min(k) {
                stop_if(cancel)?;
                for ((product, &j), distance) in product.iter_mut().zip(columns).zip(&x[i * k..]) {
                    *product *= if i == j { *distance } else { distance / (kept[j].d - kept[i].d) };
                }
            }
            Ok(product)
        })
        .collect::<Result<_, SvdError>>()?;
    let z = columns.iter().enumerate().map(|(position, &j)| {
        let product: f64 = products.iter().map(|product| product[position]).product();
        product.abs().sqrt().copysign(kept[j].z)
    });
    Ok(z.collect())
}
