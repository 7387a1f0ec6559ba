//! ggml's K types: 256 weights in sub-blocks of 16 or 32, whose scales (and minima) are small
//! integers behind an f16 scale of the whole.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*_K` in `ggml-quants.c`.
//! Products and differences are rounded one by one, as gguf-py does.

use super::layout::{SUPER, half, layout};
use std::array::from_fn;

layout!(Q2K = Q2_K { scales: 16, qs: 64, d: 2, dmin: 2 });
layout!(Q3K = Q3_K { hmask: 32, qs: 64, scales: 12, d: 2 });
layout!(Q4K = Q4_K { d: 2, dmin: 2, scales: 12, qs: 128 });
layout!(Q5K = Q5_K { d: 2, dmin: 2, scales: 12, qh: 32, qs: 128 });
layout!(Q6K = Q6_K { ql: 128, qh: 64, scales: 16, d: 2 });
// Sums of 16 codes each spare a dot product additions; no weight depends on them.
layout!(Q8K = Q8_K { d: 4, qs: 256, _bsums: 32 });

/// Sixteen of the bytes that hold two bits of each of 256 weights, and the place of the bits of
/// sub-block `i`: 32 bytes hold 128 weights, the first 32 of them in the lowest bits.
#[inline(always)]
pub(super) fn two_bits(qs: &[u8; 64], i: usize) -> (&[u8; 16], usize) {
    (&qs.as_chunks().0[i / 8 * 2 + i % 2], i % 8 / 2 * 2)
}

/// Q2_K: sub-blocks of 16, each with a 4-bit scale and a 4-bit minimum; `d·sc · q − dmin·m`.
#[inline(always)]
pub fn q2_k(block: &[u8; 84], out: &mut [f32; SUPER]) {
    let Q2K { scales, qs, d, dmin } = Q2K::of(block);
    let (d, dmin) = (half(d), half(dmin));
    let d: [f32; 16] = from_fn(|i| d * f32::from(scales[i] & 15));
    let m: [f32; 16] = from_fn(|i| dmin * f32::from(scales[i] >> 4));
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (qs, shift) = two_bits(qs, i);
        for (out, q) in out.iter_mut().zip(qs) {
            *out = d[i] * f32::from(q >> shift & 3) - m[i];
        }
    }
}

/// Q3_K: sub-blocks of 16, each with a 6-bit scale; the third bit of a code lies apart, and four is
/// taken away where it is clear. `d·(sc − 32) · q`.
#[inline(always)]
pub fn q3_k(block: &[u8; 110], out: &mut [f32; SUPER]) {
    let Q3K { hmask, qs, scales, d } = Q3K::of(block);
    let d = half(d);
    // The low four bits of 16 scales in 8 bytes, their high two in 4.
    let d: [f32; 16] = from_fn(|i| {
        let low = scales[i % 8] >> (i / 8 * 4) & 15;
        let high = scales[8 + i % 4] >> (i / 4 * 2) & 3;
        d * f32::from((low | high << 4) as i8 - 32)
    });
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (qs, shift) = two_bits(qs, i);
        let hmask: &[u8; 16] = &hmask.as_chunks().0[i % 2];
        for ((out, q), high) in out.iter_mut().zip(qs).zip(hmask) {
            let code = q >> shift & 3 | (high >> (i / 2) & 1) << 2;
            *out = d[i] * f32::from(code as i8 - 4);
        }
    }
}

/// The 6-bit scales and minima of Q4_K and Q5_K: the first four of each in the low bits of a byte,
/// the last four in a nibble and the two highest bits that the first ones left over.
#[inline(always)]
fn scales_and_minima(scales: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (first, rest) = scales.split_at(4);
    let (minima, last) = rest.split_at(4);
    let join =
        |own: &[u8], nibble: u8, i: usize| if i < 4 { own[i] & 63 } else { nibble | own[i - 4] >> 2 & 48 };
    (from_fn(|i| join(first, last[i % 4] & 15, i)), from_fn(|i| join(minima, last[i % 4] >> 4, i)))
}

/// Q4_K: sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum; `d·sc · q − dmin·m`.
#[inline(always)]
pub fn q4_k(block: &[u8; 144], out: &mut [f32; SUPER]) {
    let Q4K { d, dmin, scales, qs } = Q4K::of(block);
    let (d, dmin) = (half(d), half(dmin));
    let (scales, minima) = scales_and_minima(scales);
    let (d, m) = (scales.map(|scale| d * f32::from(scale)), minima.map(|minimum| dmin * f32::from(minimum)));
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let qs: &[u8; 32] = &qs.as_chunks().0[i / 2];
        for (out, q) in out.iter_mut().zip(qs) {
            *out = d[i] * f32::from(q >> (i % 2 * 4) & 15) - m[i];
        }
    }
}

/// Q5_K: as Q4_K, with the fifth bits of all codes apart.
#[inline(always)]
pub fn q5_k(block: &[u8; 176], out: &mut [f32; SUPER]) {
    let Q5K { d, dmin, scales, qh, qs } = Q5K::of(block);
    let (d, dmin) = (half(d), half(dmin));
    let (scales, minima) = scales_and_minima(scales);
    let (d, m) = (scales.map(|scale| d * f32::from(scale)), minima.map(|minimum| dmin * f32::from(minimum)));
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let qs: &[u8; 32] = &qs.as_chunks().0[i / 2];
        for ((out, q), high) in out.iter_mut().zip(qs).zip(qh) {
            *out = d[i] * f32::from(q >> (i % 2 * 4) & 15 | (high >> i & 1) << 4) - m[i];
        }
    }
}

/// Q6_K: sub-blocks of 16, each with an 8-bit scale; the highest two bits of a code lie apart.
/// `d·sc · (q − 32)`.
#[inline(always)]
pub fn q6_k(block: &[u8; 210], out: &mut [f32; SUPER]) {
    let Q6K { ql, qh, scales, d } = Q6K::of(block);
    let d = half(d);
    let d = scales.map(|scale| d * f32::from(scale as i8));
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // 64 bytes hold the low halves of 128 weights, the first 64 of them in the low nibbles.
        let low: &[u8; 16] = &ql.as_chunks().0[i / 8 * 4 + i % 4];
        let low_shift = i % 8 / 4 * 4;
        let (high, shift) = two_bits(qh, i);
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = d[i] * f32::from((low >> low_shift & 15 | (high >> shift & 3) << 4) as i8 - 32);
        }
    }
}

/// Q8_K: an f32 scale and 256 signed bytes; `d · q`. ggml makes such blocks of activations only.
#[inline(always)]
pub fn q8_k(block: &[u8; 292], out: &mut [f32; SUPER]) {
    let Q8K { d, qs, .. } = Q8K::of(block);
    let d = f32::from_le_bytes(*d);
    for (out, &q) in out.iter_mut().zip(qs) {
        *out = d * f32::from(q as i8);
    }
}
