//! ggml's first block types: 32 weights behind one f16 scale, and an f16 minimum in the `_1` types.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*` in `ggml-quants.c`.
//! Products and sums are rounded one by one, as gguf-py does, so results agree to the last bit.

use super::layout::{half, layout};

const BLOCK: usize = 32;

layout!(Q4_0 = Q4_0 { d: 2, qs: 16 });
layout!(Q4_1 = Q4_1 { d: 2, m: 2, qs: 16 });
layout!(Q5_0 = Q5_0 { d: 2, qh: 4, qs: 16 });
layout!(Q5_1 = Q5_1 { d: 2, m: 2, qh: 4, qs: 16 });
layout!(Q8_0 = Q8_0 { d: 2, qs: 32 });
// The sum of the codes, times the scale, spares a dot product an addition; no weight depends on it.
layout!(Q8_1 = Q8_1 { d: 2, _s: 2, qs: 32 });

/// Turns the nibbles of `qs` into weights: low halves are weights 0–15, high halves 16–31.
#[inline(always)]
fn nibbles(qs: &[u8; 16], out: &mut [f32; BLOCK], weight: impl Fn(f32) -> f32) {
    let (low, high) = out.split_at_mut(BLOCK / 2);
    for ((low, high), &pair) in low.iter_mut().zip(high).zip(qs) {
        *low = weight(f32::from(pair & 15));
        *high = weight(f32::from(pair >> 4));
    }
}

/// The same with the fifth bits from `qh`.
#[inline(always)]
fn five_bits(qs: &[u8; 16], qh: &[u8; 4], out: &mut [f32; BLOCK], weight: impl Fn(f32) -> f32) {
    let qh = u32::from_le_bytes(*qh);
    let (low, high) = out.split_at_mut(BLOCK / 2);
    for (i, ((low, high), &pair)) in low.iter_mut().zip(high).zip(qs).enumerate() {
        let pair = u32::from(pair);
        let code = |nibble: u32, i: usize| (nibble | (qh >> i & 1) << 4) as i32 as f32;
        *low = weight(code(pair & 15, i));
        *high = weight(code(pair >> 4, i + BLOCK / 2));
    }
}

/// Turns signed bytes into weights.
#[inline(always)]
fn bytes(qs: &[u8; BLOCK], out: &mut [f32; BLOCK], d: f32) {
    for (out, &q) in out.iter_mut().zip(qs) {
        *out = f32::from(q as i8) * d;
    }
}

/// Q4_0: f16 scale, 16 bytes of nibbles; `(q − 8) · d`.
#[inline(always)]
pub fn q4_0(block: &[u8; 18], out: &mut [f32; BLOCK]) {
    let Q4_0 { d, qs } = Q4_0::of(block);
    let d = half(d);
    nibbles(qs, out, |q| (q - 8.0) * d);
}

/// Q4_1: f16 scale, f16 minimum, 16 bytes of nibbles; `q · d + m`.
#[inline(always)]
pub fn q4_1(block: &[u8; 20], out: &mut [f32; BLOCK]) {
    let Q4_1 { d, m, qs } = Q4_1::of(block);
    let (d, m) = (half(d), half(m));
    nibbles(qs, out, |q| q * d + m);
}

/// Q5_0: f16 scale, 32 high bits, 16 bytes of nibbles; `(q − 16) · d`.
#[inline(always)]
pub fn q5_0(block: &[u8; 22], out: &mut [f32; BLOCK]) {
    let Q5_0 { d, qh, qs } = Q5_0::of(block);
    let d = half(d);
    five_bits(qs, qh, out, |q| (q - 16.0) * d);
}

/// Q5_1: f16 scale, f16 minimum, 32 high bits, 16 bytes of nibbles; `q · d + m`.
#[inline(always)]
pub fn q5_1(block: &[u8; 24], out: &mut [f32; BLOCK]) {
    let Q5_1 { d, m, qh, qs } = Q5_1::of(block);
    let (d, m) = (half(d), half(m));
    five_bits(qs, qh, out, |q| q * d + m);
}

/// Q8_0: f16 scale, 32 signed bytes; `q · d`.
#[inline(always)]
pub fn q8_0(block: &[u8; 34], out: &mut [f32; BLOCK]) {
    let Q8_0 { d, qs } = Q8_0::of(block);
    bytes(qs, out, half(d));
}

/// Q8_1: as Q8_0, with the sum of its weights as an f16 behind the scale. ggml makes such blocks of
/// activations only.
#[inline(always)]
pub fn q8_1(block: &[u8; 36], out: &mut [f32; BLOCK]) {
    let Q8_1 { d, qs, .. } = Q8_1::of(block);
    bytes(qs, out, half(d));
}
