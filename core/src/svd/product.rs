//! Products of a large matrix of `f32` with a tall, narrow one, from both sides.
//!
//! These are what a truncated decomposition spends its time on, and what general matrix products do
//! least well: they copy the large matrix into their own order first, which pays over thousands of
//! columns and not over 64. Measured on one core (Zen 3) for 2048 × 2048 by 2048 × 64, A·B and
//! Aᵀ·B: here 78 and 58 GFLOP/s, crate gemm 70 and 55, faer 70 and 45, nalgebra with
//! matrixmultiply 55 and 50.
//!
//! The tile is 6 × two vectors: 12 sums, two vectors and a number are the 15 registers that AVX2 has
//! room for, and 12 sums hide the latency of a fused multiply-add. Sums are taken over [`INNER`]
//! terms at a time and then added up, which keeps the rounding error small. Pieces have fixed sizes,
//! so a result doesn't depend on the number of threads; it may on the processor's vectors.

use super::{SvdError, reserved, stop_if};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

/// Rows of a tile.
const ROWS: usize = 6;
/// Vectors that a row of a tile has.
const VECTORS: usize = 2;
/// `f32` that a row of a tile has on the widest processor.
const WIDEST: usize = VECTORS * 16;
/// Terms of a sum taken in registers.
const INNER: usize = 256;
/// Rows of A that one task goes through: about what fits into the level 2 cache with B's panels.
const TASK_ROWS: usize = 96;
/// Columns of A that one task goes through.
const TASK_COLUMNS: usize = 256;
/// Pieces in which a product that is small itself is summed up.
const PIECES: usize = 4;

static ARCH: LazyLock<(Arch, usize)> = LazyLock::new(|| {
    let arch = Arch::new();
    (arch, arch.dispatch(Width))
});

/// Finds how many `f32` a row of a tile has.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        VECTORS * S::F32_LANES
    }
}

/// What to do with what the output holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Onto {
    /// It is overwritten.
    Nothing,
    /// The product is added to it.
    Sum,
}

/// The sums of one tile: `a` has the terms of six rows, `b` those of two vectors.
#[inline(always)]
fn tile<S: Simd>(
    simd: S,
    inner: usize,
    a: impl Fn(usize) -> [f32; ROWS],
    b: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; ROWS] {
    let b = &b[..inner];
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    for (k, b) in b.iter().enumerate() {
        let a = a(k);
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = simd.splat_f32s(a);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = simd.mul_add_e_f32s(a, *b, *sum);
            }
        }
    }
    sums
}

#[inline(always)]
fn vectors<S: Simd>(values: &[f32]) -> &[[S::f32s; VECTORS]] {
    S::as_simd_f32s(values).0.as_chunks().0
}

#[inline(always)]
fn vectors_mut<S: Simd>(values: &mut [f32]) -> &mut [[S::f32s; VECTORS]] {
    S::as_mut_simd_f32s(values).0.as_chunks_mut().0
}

/// A·B for up to [`INNER`] columns of A, whose rows are read where they are.
struct Plain<'a> {
    a: &'a [f32],
    stride: usize,
    inner: usize,
    /// B's rows in panels as wide as a tile.
    b: &'a [f32],
    width: usize,
    out: &'a mut [f32],
    onto: Onto,
}

impl WithSimd for Plain<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Self { a, stride, inner, b, width, out, onto }, panel) = (self, VECTORS * S::F32_LANES);
        let rows = out.len() / width;
        for (strip, out) in out.chunks_mut(ROWS * width).enumerate() {
            // The last strip may be short: its last row stands in for those that lack.
            let row = |i: usize| &a[(strip * ROWS + i).min(rows - 1) * stride..][..inner];
            let (a0, a1, a2, a3, a4, a5) = (row(0), row(1), row(2), row(3), row(4), row(5));
            for (no, b) in b.chunks_exact(inner * panel).enumerate() {
                let sums = tile(simd, inner, |k| [a0[k], a1[k], a2[k], a3[k], a4[k], a5[k]], vectors::<S>(b));
                for (out, sums) in out.chunks_exact_mut(width).zip(sums) {
                    let at = no * panel;
                    let out = &mut out[at..width.min(at + panel)];
                    let mut line = [0.0; WIDEST];
                    vectors_mut::<S>(&mut line)[0] = sums;
                    match onto {
                        Onto::Nothing => out.copy_from_slice(&line[..out.len()]),
                        Onto::Sum => out.iter_mut().zip(line).for_each(|(out, sum)| *out += sum),
                    }
                }
            }
        }
    }
}

/// Copies columns of up to [`INNER`] rows of A into panels as wide as a tile.
struct Pack<'a> {
    a: &'a [f32],
    stride: usize,
    inner: usize,
    columns: usize,
    packed: &'a mut [f32],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (Self { a, stride, inner, columns, packed }, panel) = (self, VECTORS * S::F32_LANES);
        let whole = columns / panel;
        {
            let packed = vectors_mut::<S>(packed);
            for k in 0..inner {
                let line = vectors::<S>(&a[k * stride..][..columns]);
                for (no, piece) in line[..whole].iter().enumerate() {
                    packed[no * inner + k] = *piece;
                }
            }
        }
        let rest = columns % panel;
        if rest > 0 {
            for (k, packed) in packed[whole * inner * panel..].chunks_exact_mut(panel).enumerate() {
                packed[..rest].copy_from_slice(&a[k * stride + whole * panel..][..rest]);
                packed[rest..].fill(0.0);
            }
        }
    }
}

/// (Aᵀ·B)ᵀ for up to [`INNER`] rows of A, tile by tile.
struct Turned<'a> {
    /// A's columns in panels as wide as a tile.
    a: &'a [f32],
    inner: usize,
    /// B's columns in strips of six.
    b: &'a [f32],
    sums: &'a mut [f32],
    onto: Onto,
}

impl WithSimd for Turned<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Self { a, inner, b, sums, onto }, panel) = (self, VECTORS * S::F32_LANES);
        let strips = b.len() / (inner * ROWS);
        for (a, sums) in a.chunks_exact(inner * panel).zip(sums.chunks_exact_mut(strips * ROWS * panel)) {
            let strips = b.chunks_exact(inner * ROWS).map(|strip| &strip.as_chunks::<ROWS>().0[..inner]);
            for (b, sums) in strips.zip(sums.chunks_exact_mut(ROWS * panel)) {
                let more = tile(simd, inner, |k| b[k], vectors::<S>(a));
                for (sums, more) in vectors_mut::<S>(sums).iter_mut().zip(more) {
                    for (sum, more) in sums.iter_mut().zip(more) {
                        *sum = if onto == Onto::Sum { simd.add_f32s(*sum, more) } else { more };
                    }
                }
            }
        }
    }
}

/// B's rows in panels of `panel` columns, [`INNER`] rows at a time, each number times `scale`.
fn panels(b: &[f32], width: usize, panel: usize, scale: f32) -> Result<Vec<f32>, SvdError> {
    let mut out = reserved(b.len() / width * width.next_multiple_of(panel))?;
    for rows in b.chunks(INNER * width) {
        for at in (0..width).step_by(panel) {
            for row in rows.chunks_exact(width) {
                let piece = &row[at..width.min(at + panel)];
                out.extend(piece.iter().map(|value| value * scale));
                out.resize(out.len() + panel - piece.len(), 0.0);
            }
        }
    }
    Ok(out)
}

/// `out` = (or +=) A·B·`scale`: A is `rows` × `inner`, B `inner` × `width`, all row by row.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn plain(
    a: &[f32],
    inner: usize,
    b: &[f32],
    width: usize,
    scale: f32,
    onto: Onto,
    out: &mut [f32],
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    debug_assert!(b.len() == inner * width && a.len() / inner == out.len() / width);
    let (arch, panel) = *ARCH;
    let b = panels(b, width, panel, scale)?;
    let tasks = out.par_chunks_mut(TASK_ROWS * width).zip(a.par_chunks(TASK_ROWS * inner));
    tasks.try_for_each(|(out, a)| {
        for (no, b) in b.chunks(INNER * width.next_multiple_of(panel)).enumerate() {
            stop_if(cancel)?;
            let terms = INNER.min(inner - no * INNER);
            let onto = if no == 0 { onto } else { Onto::Sum };
            arch.dispatch(Plain { a: &a[no * INNER..], stride: inner, inner: terms, b, width, out, onto });
        }
        Ok(())
    })
}

/// Memory that a task of [`turned`] uses again and again.
#[derive(Default)]
struct Room {
    packed: Vec<f32>,
    sums: Vec<f32>,
}

/// Columns `from..from + out.len() / width` of A, turned, times B, whose strips `b` holds.
#[allow(clippy::too_many_arguments)]
fn turned_columns(
    a: &[f32],
    columns: usize,
    from: usize,
    b: &[f32],
    width: usize,
    out: &mut [f32],
    room: &mut Room,
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    let ((arch, panel), rows) = (*ARCH, a.len() / columns);
    let (count, padded) = (out.len() / width, width.next_multiple_of(ROWS));
    let wide = count.next_multiple_of(panel);
    room.packed.resize(INNER * wide, 0.0);
    room.sums.resize(padded * wide, 0.0);
    for (no, b) in b.chunks(INNER * padded).enumerate() {
        stop_if(cancel)?;
        let inner = INNER.min(rows - no * INNER);
        let packed = &mut room.packed[..inner * wide];
        let a = &a[no * INNER * columns + from..];
        arch.dispatch(Pack { a, stride: columns, inner, columns: count, packed });
        let onto = if no == 0 { Onto::Nothing } else { Onto::Sum };
        arch.dispatch(Turned { a: packed, inner, b, sums: &mut room.sums, onto });
    }
    for (sums, out) in room.sums.chunks_exact(padded * panel).zip(out.chunks_mut(panel * width)) {
        for (column, out) in out.chunks_exact_mut(width).enumerate() {
            for (sums, out) in sums.chunks_exact(ROWS * panel).zip(out.chunks_mut(ROWS)) {
                for (sums, out) in sums.chunks_exact(panel).zip(out) {
                    *out = sums[column];
                }
            }
        }
    }
    Ok(())
}

/// B's columns in strips of six, [`INNER`] rows at a time, each number times `scale`.
fn strips(b: &[f32], width: usize, scale: f32) -> Result<Vec<f32>, SvdError> {
    let mut out = reserved(b.len() / width * width.next_multiple_of(ROWS))?;
    for rows in b.chunks(INNER * width) {
        for at in (0..width).step_by(ROWS) {
            for row in rows.chunks_exact(width) {
                let piece = &row[at..width.min(at + ROWS)];
                out.extend(piece.iter().map(|value| value * scale));
                out.resize(out.len() + ROWS - piece.len(), 0.0);
            }
        }
    }
    Ok(out)
}

/// `out` = Aᵀ·B·`scale`: A has rows of `columns`, B as many rows of `width`, all row by row.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn turned(
    a: &[f32],
    columns: usize,
    b: &[f32],
    width: usize,
    scale: f32,
    out: &mut [f32],
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    debug_assert!(out.len() == columns * width && a.len() / columns == b.len() / width);
    let b = strips(b, width, scale)?;
    let tasks = out.par_chunks_mut(TASK_COLUMNS * width).enumerate();
    tasks.try_for_each_init(Room::default, |room, (no, out)| {
        turned_columns(a, columns, no * TASK_COLUMNS, &b, width, out, room, cancel)
    })
}

/// Xᵀ·Y for two tall matrices, `x_width` × `y_width`: small itself, so it is summed up in pieces, in
/// `f64`.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn cross(
    x: &[f32],
    x_width: usize,
    y: &[f32],
    y_width: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f64>, SvdError> {
    let rows = (x.len() / x_width).div_ceil(PIECES).next_multiple_of(INNER);
    let pieces: Vec<Vec<f32>> = x
        .par_chunks(rows * x_width)
        .zip(y.par_chunks(rows * y_width))
        .map(|(x, y)| {
            let mut out = vec![0.0; x_width * y_width];
            let b = strips(y, y_width, 1.0)?;
            for (no, out) in out.chunks_mut(TASK_COLUMNS * y_width).enumerate() {
                let mut room = Room::default();
                turned_columns(x, x_width, no * TASK_COLUMNS, &b, y_width, out, &mut room, cancel)?;
            }
            Ok(out)
        })
        .collect::<Result<_, SvdError>>()?;
    Ok((0..x_width * y_width).map(|i| pieces.iter().map(|piece| f64::from(piece[i])).sum()).collect())
}
