//! ggml's IQ types: groups of weights are points of a lattice (IQ1, IQ2, IQ3), or codes name the
//! values of an uneven scale (IQ4).
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_iq*` in `ggml-quants.c`.
//! Products and sums are rounded one by one in gguf-py's order; a sign only flips a bit.

use super::iq_grids as grids;
use super::layout::{ONES, SUPER, half, halves, layout, masks, nibble, scale_values};
use crate::simd::level::Level;

layout!(Iq1S = IQ1_S { d: 2, qs: 32, qh: 16 });
layout!(Iq1M = IQ1_M { qs: 32, qh: 16, scales: 8 });
layout!(Iq2Xxs = IQ2_XXS { d: 2, qs: 64 });
layout!(Iq2Xs = IQ2_XS { d: 2, qs: 64, scales: 8 });
layout!(Iq2S = IQ2_S { d: 2, qs: 32, signs: 32, qh: 8, scales: 8 });
layout!(Iq3Xxs = IQ3_XXS { d: 2, qs: 64, signs: 32 });
layout!(Iq3S = IQ3_S { d: 2, qs: 64, qh: 8, signs: 32, scales: 4 });
layout!(Iq4Nl = IQ4_NL { d: 2, qs: 16 });
layout!(Iq4Xs = IQ4_XS { d: 2, scales_h: 2, scales_l: 4, qs: 128 });

/// The values of IQ4 codes.
pub(super) const IQ4_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Eight signs of which seven are stored: the number of minus signs is even.
static EVEN_SIGNS: [u8; 128] = {
    let mut signs = [0; 128];
    let mut i = 0;
    while i < 128 {
        signs[i] = i as u8 | ((i.count_ones() % 2) as u8) << 7;
        i += 1;
    }
    signs
};

/// The signs of eight weights, the seven stored bits of which begin at bit `7 · i`.
#[inline(always)]
fn even_signs(bits: u32, i: usize) -> u8 {
    EVEN_SIGNS[(bits >> (7 * i) & 127) as usize]
}

/// Eight magnitudes with their signs: bit `j` set is minus.
#[inline(always)]
fn with_signs(magnitudes: u64, signs: u8) -> u64 {
    let mask = masks(signs);
    // A negative number is its complement plus one; no magnitude is zero, so nothing is carried.
    (magnitudes ^ mask) + (mask & ONES)
}

/// Two points of four weights as one of eight.
#[inline(always)]
fn join(one: u32, two: u32) -> u64 {
    u64::from(one) | u64::from(two) << 32
}

/// Eight times the weights of a point of IQ1, after each was shifted by an eighth to one side.
#[inline(always)]
fn shifted(point: u64, minus: bool) -> u64 {
    const LOW: u64 = 0x7f * ONES;
    let eightfold = point << 3 & (0xf8 * ONES);
    let side = if minus { 0xff * ONES } else { ONES };
    // Adds byte by byte: the highest bits apart, so that none is carried into the next byte.
    ((eightfold & LOW) + (side & LOW)) ^ ((eightfold ^ side) & !LOW)
}

/// A little-endian word of a block.
#[inline(always)]
fn word(bytes: &[u8], i: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]])
}

/// The low 8 bits of a point's number, and the bits above them.
#[inline(always)]
fn number(low: u8, high: u8) -> usize {
    usize::from(low) | usize::from(high) << 8
}

/// IQ1_S: for 32 weights a 3-bit scale, a side to shift to, and four points of 11 bits.
#[inline(always)]
pub fn iq1_s<L: Level>(level: L, block: &[u8; 50], out: &mut [f32; SUPER]) {
    let Iq1S { d, qs, qh } = Iq1S::from_block(block);
    // An eighth of it: an f16 has no digits so low that f32 would lose them.
    let d = half(d) / 8.0;
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let qh = word(qh, i);
        let mut codes = [0; 32];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            let point = grids::IQ1_S[number(qs[4 * i + k], (qh >> (3 * k) & 7) as u8)];
            *codes = shifted(point, qh & 0x8000 != 0).to_le_bytes();
        }
        level.scale(&codes, d * f32::from(2 * (qh >> 12 & 7) + 1), out);
    }
}

/// IQ1_M: for 16 weights a 3-bit scale, and two points of 11 bits with a side to shift to. The f16
/// scale of all lies in the highest nibbles of the four words of scales.
#[inline(always)]
pub fn iq1_m<L: Level>(level: L, block: &[u8; 56], out: &mut [f32; SUPER]) {
    let Iq1M { qs, qh, scales } = Iq1M::from_block(block);
    let scales = [word(scales, 0), word(scales, 1), word(scales, 2), word(scales, 3)];
    let d = scales[0] >> 12 | scales[1] >> 8 & 0xf0 | scales[2] >> 4 & 0xf00 | scales[3] & 0xf000;
    let d = half(&d.to_le_bytes()) / 8.0;
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let mut codes = [0; 16];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            let high = qh[i] >> (4 * k);
            let point = grids::IQ1_S[number(qs[2 * i + k], high & 7)];
            *codes = shifted(point, high & 8 != 0).to_le_bytes();
        }
        let scale = scales[i / 4] >> (i % 4 * 3) & 7;
        level.scale(&codes, d * f32::from(2 * scale + 1), out);
    }
}

/// IQ2_XXS: for 32 weights four points of 8 bits, then a word of a 4-bit scale and 4 × 7 signs.
#[inline(always)]
pub fn iq2_xxs<L: Level>(level: L, block: &[u8; 66], out: &mut [f32; SUPER]) {
    let Iq2Xxs { d, qs } = Iq2Xxs::from_block(block);
    let d = half(d);
    for (qs, out) in qs.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<32>().0) {
        let signs = u32::from_le_bytes([qs[4], qs[5], qs[6], qs[7]]);
        let mut codes = [0; 32];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            *codes = with_signs(grids::IQ2_XXS[usize::from(qs[k])], even_signs(signs, k)).to_le_bytes();
        }
        level.scale(&codes, d * (0.5 + (signs >> 28) as f32) * 0.25, out);
    }
}

/// IQ2_XS: for 8 weights a word of a 9-bit point and 7 signs; for 16 a 4-bit scale.
#[inline(always)]
pub fn iq2_xs<L: Level>(level: L, block: &[u8; 74], out: &mut [f32; SUPER]) {
    let Iq2Xs { d, qs, scales } = Iq2Xs::from_block(block);
    let d = half(d);
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let mut codes = [0; 16];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            let code = word(qs, 2 * i + k);
            *codes = with_signs(grids::IQ2_XS[usize::from(code & 511)], even_signs(u32::from(code >> 9), 0))
                .to_le_bytes();
        }
        level.scale(&codes, d * (0.5 + f32::from(nibble(scales, i))) * 0.25, out);
    }
}

/// IQ2_S: for 8 weights a 10-bit point, its highest two bits apart, and 8 signs; for 16 a 4-bit scale.
#[inline(always)]
pub fn iq2_s<L: Level>(level: L, block: &[u8; 82], out: &mut [f32; SUPER]) {
    let Iq2S { d, qs, signs, qh, scales } = Iq2S::from_block(block);
    let d = half(d);
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let mut codes = [0; 16];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            let position = 2 * i + k;
            let point = grids::IQ2_S[number(qs[position], qh[position / 4] >> (position % 4 * 2) & 3)];
            *codes = with_signs(point, signs[position]).to_le_bytes();
        }
        level.scale(&codes, d * (0.5 + f32::from(nibble(scales, i))) * 0.25, out);
    }
}

/// IQ3_XXS: for 4 weights a point of 8 bits; for 32 a word of a 4-bit scale and 4 × 7 signs.
#[inline(always)]
pub fn iq3_xxs<L: Level>(level: L, block: &[u8; 98], out: &mut [f32; SUPER]) {
    let Iq3Xxs { d, qs, signs } = Iq3Xxs::from_block(block);
    let d = half(d);
    let groups = qs.as_chunks::<8>().0.iter().zip(signs.as_chunks().0);
    for ((qs, signs), out) in groups.zip(out.as_chunks_mut::<32>().0) {
        let signs = u32::from_le_bytes(*signs);
        let point = |i: usize| grids::IQ3_XXS[usize::from(qs[i])];
        let mut codes = [0; 32];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            *codes = with_signs(join(point(2 * k), point(2 * k + 1)), even_signs(signs, k)).to_le_bytes();
        }
        level.scale(&codes, d * (0.5 + (signs >> 28) as f32) * 0.5, out);
    }
}

/// IQ3_S: for 4 weights a 9-bit point, its highest bit apart; for 8 a byte of signs; for 32 a 4-bit
/// scale.
#[inline(always)]
pub fn iq3_s<L: Level>(level: L, block: &[u8; 110], out: &mut [f32; SUPER]) {
    let Iq3S { d, qs, qh, signs, scales } = Iq3S::from_block(block);
    let d = half(d);
    for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let point = |j: usize| grids::IQ3_S[number(qs[8 * i + j], qh[i] >> j & 1)];
        let mut codes = [0; 32];
        for (k, codes) in codes.as_chunks_mut().0.iter_mut().enumerate() {
            *codes = with_signs(join(point(2 * k), point(2 * k + 1)), signs[4 * i + k]).to_le_bytes();
        }
        level.scale(&codes, d * f32::from(1 + 2 * nibble(scales, i)), out);
    }
}

/// IQ4_NL: 32 weights behind an f16 scale.
#[inline(always)]
pub fn iq4_nl<L: Level>(level: L, block: &[u8; 18], out: &mut [f32; 32]) {
    let Iq4Nl { d, qs } = Iq4Nl::from_block(block);
    scale_values(level, &IQ4_VALUES, &halves(qs), half(d), out);
}

/// IQ4_XS: for 32 weights a 6-bit scale, its highest two bits apart.
#[inline(always)]
pub fn iq4_xs<L: Level>(level: L, block: &[u8; 136], out: &mut [f32; SUPER]) {
    let Iq4Xs { d, scales_h, scales_l, qs } = Iq4Xs::from_block(block);
    let (d, scales_h) = (half(d), u16::from_le_bytes(*scales_h));
    let groups = qs.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<32>().0);
    for (i, (qs, out)) in groups.enumerate() {
        let scale = nibble(scales_l, i) | ((scales_h >> (2 * i) & 3) as u8) << 4;
        scale_values(level, &IQ4_VALUES, &halves(qs), d * f32::from(scale as i8 - 32), out);
    }
}
