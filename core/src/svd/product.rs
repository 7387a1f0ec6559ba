//! Products of a large matrix of `f32` with a tall, narrow one, from both sides.
//!
//! These are what a truncated decomposition spends its time on, and what general matrix products do
//! least well: they copy the large matrix into their own order first, which pays over thousands of
//! columns and not over 64. Best of 25 on one core (Zen 3, a shared machine), 2048 × 2048 by 2048 × 64,
//! A·B and Aᵀ·B: here 80 and 57 GFLOP/s, and in the same run matrixmultiply, which nalgebra uses, 58
//! and 51; in another run that 53 and 47, crate gemm 59 and 44, faer 69 and 39.
//!
//! The tile is 6 × two vectors: 12 sums, two vectors and a number are the 15 registers that AVX2 has
//! room for, and 12 sums hide the latency of a fused multiply-add. (AVX-512 has room for twice as many,
//! which gained nothing; its vectors make the products 1.45 times as fast as AVX2's.) Sums are taken over [`INNER`]
//! terms at a time and then added up, which keeps the rounding error small. Pieces have fixed sizes,
//! so a result doesn't depend on the number of threads; it may on the processor's vectors.

use super::error::{SvdError, stop_if, zeros};
use crate::simd::wide;
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
/// Rows of A that are fetched ahead while it is copied: pieces of rows lie too far from each other for
/// the processor to foresee.
const ROWS_AHEAD: usize = 4;
/// `f32` in a line of the cache.
const LINE: usize = 16;
/// Numbers of Aᵀ·A·B up to which both products are taken in one pass: more of them leave the cache
/// between two passes.
const MAX_SUMS: usize = 1 << 17;
/// Rows of A that are multiplied from both sides while they are in the level 2 cache.
const PASS_ROWS: usize = 64;
/// Columns of A that are copied at a time: whole strips, and lines of the cache.
const COPIED: usize = 8 * ROWS;
/// Rows of A whose sums are taken by one task.
const PIECE_ROWS: usize = 256;
/// Numbers of a result that one task sums up.
const SUM_LENGTH: usize = 1 << 14;
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

/// The tall, narrow factor B, row by row, and a number to multiply it by.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    pub values: &'a [f32],
    pub width: usize,
    pub scale: f32,
}

impl<'a> Factor<'a> {
    /// A factor as it is.
    pub(super) fn new(values: &'a [f32], width: usize) -> Self {
        Self { values, width, scale: 1.0 }
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

/// Puts a tile, or what of it there is room for, into rows of `width` numbers from column `at` on.
#[inline(always)]
fn put<S: Simd>(
    simd: S,
    tile: &[[S::f32s; VECTORS]; ROWS],
    out: &mut [f32],
    width: usize,
    position: usize,
    onto: Onto,
) {
    for (out, sums) in out.chunks_exact_mut(width).zip(tile) {
        let out = &mut out[position..width.min(position + VECTORS * S::F32_LANES)];
        if let [out] = vectors_mut::<S>(out) {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = if onto == Onto::Sum { simd.add_f32s(*out, *sum) } else { *sum };
            }
        } else {
            let mut line = [0.0; WIDEST];
            vectors_mut::<S>(&mut line)[0] = *sums;
            match onto {
                Onto::Nothing => out.copy_from_slice(&line[..out.len()]),
                Onto::Sum => out.iter_mut().zip(line).for_each(|(out, sum)| *out += sum),
            }
        }
    }
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
            for (index, b) in b.chunks_exact(inner * panel).enumerate() {
                let sums = tile(simd, inner, |k| [a0[k], a1[k], a2[k], a3[k], a4[k], a5[k]], vectors::<S>(b));
                put(simd, &sums, out, width, index * panel, onto);
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
                for position in (0..columns).step_by(LINE) {
                    wide::prefetch(a, (k + ROWS_AHEAD) * stride + position);
                }
                let line = vectors::<S>(&a[k * stride..][..columns]);
                for (index, piece) in line[..whole].iter().enumerate() {
                    packed[index * inner + k] = *piece;
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

/// B in pieces `wide` columns wide, one below the other, [`INNER`] rows at a time, with zeros where it
/// has no more columns.
fn arrange(b: Factor, wide: usize) -> Result<Vec<f32>, SvdError> {
    let Factor { values: b, width, scale } = b;
    let padded = width.next_multiple_of(wide);
    let mut out: Vec<f32> = zeros(b.len() / width * padded)?;
    b.par_chunks(INNER * width).zip(out.par_chunks_mut(INNER * padded)).for_each(|(rows, out)| {
        let count = rows.len() / width;
        for (index, out) in out.chunks_exact_mut(count * wide).enumerate() {
            let position = index * wide;
            let columns = position..width.min(position + wide);
            for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(wide)) {
                out[..columns.len()].copy_from_slice(&row[columns.clone()]);
            }
        }
        if scale != 1.0 {
            out.iter_mut().for_each(|value| *value *= scale);
        }
    });
    Ok(out)
}

/// A product A·B: A has rows of `inner` numbers, and B so many rows.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub a: &'a [f32],
    pub inner: usize,
    pub b: Factor<'a>,
}

/// `out` = (or +=) A·B.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn plain(
    a: &[f32],
    inner: usize,
    b: Factor,
    onto: Onto,
    out: &mut [f32],
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    plain_sum(&[Product { a, inner, b }], onto, out, cancel)
}

/// `out` = (or +=) the sum of products of one size, one at least.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn plain_sum(
    products: &[Product],
    onto: Onto,
    out: &mut [f32],
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    let ((arch, panel), width) = (*ARCH, products[0].b.width);
    for Product { a, inner, b } in products {
        debug_assert!(b.width == width && b.values.len() == inner * width);
        debug_assert!(a.len() / inner == out.len() / width);
    }
    let factors: Vec<Vec<f32>> =
        products.iter().map(|product| arrange(product.b, panel)).collect::<Result<_, _>>()?;
    let tasks = out.par_chunks_mut(TASK_ROWS * width).enumerate().with_max_len(1);
    tasks.try_for_each(|(task, out)| {
        let mut onto = onto;
        for (Product { a, inner, .. }, b) in products.iter().zip(&factors) {
            let rows = &a[task * TASK_ROWS * inner..][..out.len() / width * inner];
            for (index, b) in b.chunks(INNER * width.next_multiple_of(panel)).enumerate() {
                stop_if(cancel)?;
                let (a, terms) = (&rows[index * INNER..], INNER.min(inner - index * INNER));
                arch.dispatch(Plain { a, stride: *inner, inner: terms, b, width, out, onto });
                onto = Onto::Sum;
            }
        }
        Ok(())
    })
}

/// Aᵀ·B for up to [`PASS_ROWS`] rows of A, which should be in the level 2 cache. They are copied a few
/// columns at a time: rows that are a power of two apart have few places in the level 1 cache.
struct Across<'a> {
    a: &'a [f32],
    columns: usize,
    /// B's rows in panels as wide as a tile.
    b: &'a [f32],
    width: usize,
    out: &'a mut [f32],
    onto: Onto,
}

impl WithSimd for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Self { a, columns, b, width, out, onto }, panel) = (self, VECTORS * S::F32_LANES);
        let inner = a.len() / columns;
        let mut lines = [[0.0; COPIED]; PASS_ROWS];
        for (index, out) in out.chunks_mut(COPIED * width).enumerate() {
            let (from, count) = (index * COPIED, out.len() / width);
            for (line, a) in lines.iter_mut().zip(a.chunks_exact(columns)) {
                line[..count].copy_from_slice(&a[from..][..count]);
            }
            for (strip, out) in out.chunks_mut(ROWS * width).enumerate() {
                for (index, b) in b.chunks_exact(inner * panel).enumerate() {
                    let a = |k: usize| std::array::from_fn(|i| lines[k][strip * ROWS + i]);
                    let sums = tile(simd, inner, a, vectors::<S>(b));
                    put(simd, &sums, out, width, index * panel, onto);
                }
            }
        }
    }
}

/// Memory that a task of [`turned`] uses again and again.
#[derive(Default)]
struct Room {
    packed: Vec<f32>,
    sums: Vec<f32>,
}

/// The first `out.len() / width` columns of A, turned, times B, whose strips `b` holds. A's rows are
/// `stride` apart.
fn turned_columns(
    a: &[f32],
    stride: usize,
    b: &[f32],
    width: usize,
    out: &mut [f32],
    room: &mut Room,
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    let ((arch, panel), padded) = (*ARCH, width.next_multiple_of(ROWS));
    let count = out.len() / width;
    let wide = count.next_multiple_of(panel);
    room.packed.resize(INNER * wide, 0.0);
    room.sums.resize(padded * wide, 0.0);
    for (index, b) in b.chunks(INNER * padded).enumerate() {
        stop_if(cancel)?;
        let inner = b.len() / padded;
        let packed = &mut room.packed[..inner * wide];
        arch.dispatch(Pack { a: &a[index * INNER * stride..], stride, inner, columns: count, packed });
        let onto = if index == 0 { Onto::Nothing } else { Onto::Sum };
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

/// `out` = Aᵀ·B: A has rows of `columns` numbers, and as many rows as B.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn turned(
    a: &[f32],
    columns: usize,
    b: Factor,
    out: &mut [f32],
    cancel: &AtomicBool,
) -> Result<(), SvdError> {
    let width = b.width;
    debug_assert!(out.len() == columns * width && a.len() / columns == b.values.len() / width);
    let b = arrange(b, ROWS)?;
    let tasks = out.par_chunks_mut(TASK_COLUMNS * width).enumerate().with_max_len(1);
    tasks.try_for_each_init(Room::default, |room, (index, out)| {
        turned_columns(&a[index * TASK_COLUMNS..], columns, &b, width, out, room, cancel)
    })
}

/// The products A·B and Aᵀ·(A·B) of one matrix A and several B. If they are small, both are taken in
/// one pass over A: a few rows of it, once they were multiplied, are still in the cache.
pub(super) struct Normal<'a> {
    a: &'a [f32],
    columns: usize,
    /// Sums of the pieces, kept for the next product.
    sums: Vec<f32>,
}

impl<'a> Normal<'a> {
    /// Products of a matrix with rows of `columns` numbers.
    pub(super) fn new(a: &'a [f32], columns: usize) -> Self {
        Self { a, columns, sums: Vec::new() }
    }

    /// A·B, and Aᵀ times that and times B's number once more.
    ///
    /// # Errors
    /// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
    pub(super) fn times(&mut self, b: Factor, cancel: &AtomicBool) -> Result<(Vec<f32>, Vec<f32>), SvdError> {
        let ((arch, panel), width) = (*ARCH, b.width);
        let &mut Self { a, columns, ref mut sums } = self;
        let mut image: Vec<f32> = zeros(a.len() / columns * width)?;
        let mut back: Vec<f32> = zeros(columns * width)?;
        if back.len() > MAX_SUMS {
            plain(a, columns, b, Onto::Nothing, &mut image, cancel)?;
            turned(a, columns, Factor { values: &image, ..b }, &mut back, cancel)?;
            return Ok((image, back));
        }
        let (arranged, padded) = (arrange(b, panel)?, width.next_multiple_of(panel));
        let pieces = image.par_chunks_mut(PIECE_ROWS * width).zip(a.par_chunks(PIECE_ROWS * columns));
        if sums.len() != pieces.len() * back.len() {
            *sums = zeros(pieces.len() * back.len())?;
        }
        pieces.zip(sums.par_chunks_mut(back.len())).with_max_len(1).try_for_each(|((image, a), sums)| {
            let passes = image.chunks_mut(PASS_ROWS * width).zip(a.chunks(PASS_ROWS * columns));
            for (pass, (image, a)) in passes.enumerate() {
                let onto = |index| if index == 0 { Onto::Nothing } else { Onto::Sum };
                for (index, b) in arranged.chunks(INNER * padded).enumerate() {
                    stop_if(cancel)?;
                    let (a, inner, onto) = (&a[index * INNER..], b.len() / padded, onto(index));
                    arch.dispatch(Plain { a, stride: columns, inner, b, width, out: image, onto });
                }
                let image = arrange(Factor { values: image, ..b }, panel)?;
                arch.dispatch(Across { a, columns, b: &image, width, out: sums, onto: onto(pass) });
            }
            Ok(())
        })?;
        back.par_chunks_mut(SUM_LENGTH).enumerate().for_each(|(index, out)| {
            for sums in sums.chunks_exact(columns * width) {
                out.iter_mut().zip(&sums[index * SUM_LENGTH..]).for_each(|(out, sum)| *out += sum);
            }
        });
        Ok((image, back))
    }
}

/// The products Xᵀ·Y of tall matrices X, each given with its width, below each other: small themselves, so
/// they are summed up in pieces, in `f64`.
///
/// # Errors
/// [`SvdError::Cancelled`], [`SvdError::OutOfMemory`].
pub(super) fn cross(
    xs: &[(&[f32], usize)],
    y: &[f32],
    y_width: usize,
    cancel: &AtomicBool,
) -> Result<Vec<f64>, SvdError> {
    let (arch, panel) = *ARCH;
    let total: usize = xs.iter().map(|(_, width)| width).sum();
    let rows = (y.len() / y_width).div_ceil(PIECES).next_multiple_of(INNER);
    let pieces: Vec<Vec<f32>> = y
        .par_chunks(rows * y_width)
        .enumerate()
        .map(|(piece, y)| {
            let mut sums = zeros(total * y_width)?;
            for (index, y) in y.chunks(PASS_ROWS * y_width).enumerate() {
                stop_if(cancel)?;
                let (from, count) = (piece * rows + index * PASS_ROWS, y.len() / y_width);
                let b = arrange(Factor::new(y, y_width), panel)?;
                let mut rest = &mut sums[..];
                for &(x, width) in xs {
                    let out;
                    (out, rest) = rest.split_at_mut(width * y_width);
                    let a = &x[from * width..][..count * width];
                    arch.dispatch(Across { a, columns: width, b: &b, width: y_width, out, onto: Onto::Sum });
                }
            }
            Ok(sums)
        })
        .collect::<Result<_, SvdError>>()?;
    Ok((0..total * y_width).map(|i| pieces.iter().map(|piece| f64::from(piece[i])).sum()).collect())
}
