//! ggml's K types: 256 weights in sub-blocks of 16 or 32, whose scales (and minima) are small
//! integers behind an f16 scale of the whole.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*_K` in `ggml-quants.c`.
//! Products and differences are rounded one by one, as gguf-py does.

use super::layout::{SUPER, half, layout, two_bits};
use crate::simd::level::{Level, map};

layout!(Q2K = Q2_K { scales: 16, qs: 64, d: 2, dmin: 2 });
layout!(Q3K = Q3_K { hmask: 32, qs: 64, scales: 12, d: 2 });
layout!(Q4K = Q4_K { d: 2, dmin: 2, scales: 12, qs: 128 });
layout!(Q5K = Q5_K { d: 2, dmin: 2, scales: 12, qh: 32, qs: 128 });
layout!(Q6K = Q6_K { ql: 128, qh: 64, scales: 16, d: 2 });
// Sums of 16 codes each spare a dot product additions; no weight depends on them.
layout!(Q8K = Q8_K { d: 4, qs: 256, _bsums: 32 });

/// Scales the 16 sub-blocks of a block, each with its own `d`.
#[inline(always)]
fn scale_sixteens<L: Level>(level: L, codes: &[u8; SUPER], d: &[f32; 16], out: &mut [f32; SUPER]) {
    let parts = codes.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<16>().0);
    for ((codes, out), &d) in parts.zip(d) {
        level.scale(codes, d, out);
    }
}

/// Q2_K: sub-blocks of 16, each with a 4-bit scale and a 4-bit minimum; `d·sc · q − dmin·m`.
#[inline(always)]
pub fn q2_k<L: Level>(level: L, block: &[u8; 84], out: &mut [f32; SUPER]) {
    let Q2K { scales, qs, d, dmin } = Q2K::from_block(block);
    let (mut scale, mut minimum) = ([0.0; 16], [0.0; 16]);
    level.scale(&map(scales, |scale| scale & 15), half(d), &mut scale);
    level.scale(&map(scales, |scale| scale >> 4), half(dmin), &mut minimum);
    let codes = two_bits(qs);
    let parts = codes.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<16>().0);
    for ((codes, out), (d, m)) in parts.zip(scale.into_iter().zip(minimum)) {
        level.scale_add(codes, d, -m, out);
    }
}

/// Q3_K: sub-blocks of 16, each with a 6-bit scale; the third bit of a code lies apart, and four is
/// taken away where it is clear. `d·(sc − 32) · q`.
#[inline(always)]
pub fn q3_k<L: Level>(level: L, block: &[u8; 110], out: &mut [f32; SUPER]) {
    let Q3K { hmask, qs, scales, d } = Q3K::from_block(block);
    // The low four bits of 16 scales in 8 bytes, their high two in 4.
    let mut unpacked = [0; 16];
    for (i, scale) in unpacked.iter_mut().enumerate() {
        let (low, high) = (scales[i % 8] >> (i / 8 * 4) & 15, scales[8 + i % 4] >> (i / 4 * 2) & 3);
        *scale = (low | high << 4).wrapping_sub(32);
    }
    let mut scale = [0.0; 16];
    level.scale(&unpacked, half(d), &mut scale);
    let mut codes = two_bits(qs);
    for (i, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (code, high) in codes.iter_mut().zip(hmask) {
            *code = (*code | (high >> i & 1) << 2).wrapping_sub(4);
        }
    }
    scale_sixteens(level, &codes, &scale, out);
}

/// The 6-bit scales and minima of Q4_K and Q5_K: the first four of each in the low bits of a byte,
/// the last four in a nibble and the two highest bits that the first ones left over.
#[inline(always)]
fn scales_and_minima(scales: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (mut unpacked, mut minima) = ([0; 8], [0; 8]);
    for i in 0..4 {
        unpacked[i] = scales[i] & 63;
        minima[i] = scales[4 + i] & 63;
        unpacked[4 + i] = scales[8 + i] & 15 | scales[i] >> 2 & 48;
        minima[4 + i] = scales[8 + i] >> 4 | scales[4 + i] >> 2 & 48;
    }
    (unpacked, minima)
}

/// The scales and minima of Q4_K and Q5_K, as f32; minima with their sign turned.
#[inline(always)]
fn scale_and_minus<L: Level>(level: L, scales: &[u8; 12], d: f32, dmin: f32) -> ([f32; 8], [f32; 8]) {
    let (scales, minima) = scales_and_minima(scales);
    let (mut scale, mut minus) = ([0.0; 8], [0.0; 8]);
    level.scale(&scales, d, &mut scale);
    level.scale(&minima, dmin, &mut minus);
    minus.iter_mut().for_each(|minimum| *minimum = -*minimum);
    (scale, minus)
}

/// Q4_K: sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum; `d·sc · q − dmin·m`.
#[inline(always)]
pub fn q4_k<L: Level>(level: L, block: &[u8; 144], out: &mut [f32; SUPER]) {
    let Q4K { d, dmin, scales, qs } = Q4K::from_block(block);
    let (d, m) = scale_and_minus(level, scales, half(d), half(dmin));
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let qs: &[u8; 32] = &qs.as_chunks().0[i / 2];
        level.scale_add(&map(qs, |q| q >> (i % 2 * 4) & 15), d[i], m[i], out);
    }
}

/// Q5_K: as Q4_K, with the fifth bits of all codes apart.
#[inline(always)]
pub fn q5_k<L: Level>(level: L, block: &[u8; 176], out: &mut [f32; SUPER]) {
    let Q5K { d, dmin, scales, qh, qs } = Q5K::from_block(block);
    let (d, m) = scale_and_minus(level, scales, half(d), half(dmin));
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let qs: &[u8; 32] = &qs.as_chunks().0[i / 2];
        let mut codes = map(qs, |q| q >> (i % 2 * 4) & 15);
        for (code, high) in codes.iter_mut().zip(qh) {
            *code |= (high >> i & 1) << 4;
        }
        level.scale_add(&codes, d[i], m[i], out);
    }
}

/// Q6_K: sub-blocks of 16, each with an 8-bit scale; the highest two bits of a code lie apart.
/// `d·sc · (q − 32)`.
#[inline(always)]
pub fn q6_k<L: Level>(level: L, block: &[u8; 210], out: &mut [f32; SUPER]) {
    let Q6K { ql, qh, scales, d } = Q6K::from_block(block);
    let mut scale = [0.0; 16];
    level.scale(scales, half(d), &mut scale);
    let mut codes = two_bits(qh);
    // 64 bytes hold the low halves of 128 weights, the first 64 of them in the low nibbles.
    for (i, codes) in codes.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let ql: &[u8; 64] = &ql.as_chunks().0[i / 2];
        for (code, low) in codes.iter_mut().zip(ql) {
            *code = (*code << 4 | low >> (i % 2 * 4) & 15).wrapping_sub(32);
        }
    }
    scale_sixteens(level, &codes, &scale, out);
}

/// Q8_K: an f32 scale and 256 signed bytes; `d · q`. ggml makes such blocks of activations only.
#[inline(always)]
pub fn q8_k<L: Level>(level: L, block: &[u8; 292], out: &mut [f32; SUPER]) {
    let Q8K { d, qs, .. } = Q8K::from_block(block);
    level.scale(qs, f32::from_le_bytes(*d), out);
}
