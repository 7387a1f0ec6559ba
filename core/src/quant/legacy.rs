//! ggml's first block types: 32 weights behind one f16 scale, and an f16 minimum in the `_1` types.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*` in `ggml-quants.c`.
//! Products and sums are rounded one by one, as gguf-py does, so results agree to the last bit.

use super::layout::{ONES, half, halves, layout, masks};
use crate::simd::level::{Level, map};

const BLOCK: usize = 32;

layout!(Q4_0 = Q4_0 { d: 2, qs: 16 });
layout!(Q4_1 = Q4_1 { d: 2, m: 2, qs: 16 });
layout!(Q5_0 = Q5_0 { d: 2, qh: 4, qs: 16 });
layout!(Q5_1 = Q5_1 { d: 2, m: 2, qh: 4, qs: 16 });
layout!(Q8_0 = Q8_0 { d: 2, qs: 32 });
// The sum of the codes, times the scale, spares a dot product an addition; no weight depends on it.
layout!(Q8_1 = Q8_1 { d: 2, _s: 2, qs: 32 });

/// The nibbles of `qs`, eight at a time, together with what `high` makes of eight fifth bits.
#[inline(always)]
fn five_bits(qs: &[u8; 16], qh: &[u8; 4], high: impl Fn(u8) -> u64) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for (i, qs) in qs.as_chunks().0.iter().enumerate() {
        let pairs = u64::from_le_bytes(*qs);
        let codes = codes.as_chunks_mut::<8>().0;
        codes[i] = (pairs & (15 * ONES) | high(qh[i])).to_le_bytes();
        codes[i + 2] = (pairs >> 4 & (15 * ONES) | high(qh[i + 2])).to_le_bytes();
    }
    codes
}

/// Q4_0: f16 scale, 16 bytes of nibbles; `(q − 8) · d`.
#[inline(always)]
pub fn q4_0<L: Level>(level: L, block: &[u8; 18], out: &mut [f32; BLOCK]) {
    let Q4_0 { d, qs } = Q4_0::from_block(block);
    level.scale(&map(&halves(qs), |q| q.wrapping_sub(8)), half(d), out);
}

/// Q4_1: f16 scale, f16 minimum, 16 bytes of nibbles; `q · d + m`.
#[inline(always)]
pub fn q4_1<L: Level>(level: L, block: &[u8; 20], out: &mut [f32; BLOCK]) {
    let Q4_1 { d, m, qs } = Q4_1::from_block(block);
    level.scale_add(&halves(qs), half(d), half(m), out);
}

/// Q5_0: f16 scale, 32 high bits, 16 bytes of nibbles; `(q − 16) · d`.
#[inline(always)]
pub fn q5_0<L: Level>(level: L, block: &[u8; 22], out: &mut [f32; BLOCK]) {
    let Q5_0 { d, qh, qs } = Q5_0::from_block(block);
    // Where the fifth bit is clear, sixteen is taken away.
    level.scale(&five_bits(qs, qh, |high| masks(!high) & (0xf0 * ONES)), half(d), out);
}

/// Q5_1: f16 scale, f16 minimum, 32 high bits, 16 bytes of nibbles; `q · d + m`.
#[inline(always)]
pub fn q5_1<L: Level>(level: L, block: &[u8; 24], out: &mut [f32; BLOCK]) {
    let Q5_1 { d, m, qh, qs } = Q5_1::from_block(block);
    level.scale_add(&five_bits(qs, qh, |high| masks(high) & (16 * ONES)), half(d), half(m), out);
}

/// Q8_0: f16 scale, 32 signed bytes; `q · d`.
#[inline(always)]
pub fn q8_0<L: Level>(level: L, block: &[u8; 34], out: &mut [f32; BLOCK]) {
    let Q8_0 { d, qs } = Q8_0::from_block(block);
    level.scale(qs, half(d), out);
}

/// Q8_1: as Q8_0, with the sum of its weights as an f16 behind the scale. ggml makes such blocks of
/// activations only.
#[inline(always)]
pub fn q8_1<L: Level>(level: L, block: &[u8; 36], out: &mut [f32; BLOCK]) {
    let Q8_1 { d, qs, .. } = Q8_1::from_block(block);
    level.scale(qs, half(d), out);
}
