//! ggml's first block types: 32 weights behind one f16 scale, and an f16 minimum in the `_1` types.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*` in `ggml-quants.c`.
//! Products and sums are rounded one by one, as gguf-py does, so results agree to the last bit.

use super::half_float::f16;

const BLOCK: usize = 32;

#[inline]
fn scale(block: &[u8], at: usize) -> f32 {
    f16(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// Unpacks the 32 nibbles of `qs`: low halves are weights 0–15, high halves 16–31.
#[inline]
fn nibbles(qs: &[u8]) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    let (low, high) = codes.split_at_mut(BLOCK / 2);
    for ((low, high), &pair) in low.iter_mut().zip(high).zip(qs) {
        (*low, *high) = (pair & 15, pair >> 4);
    }
    codes
}

/// The nibbles of `qs` with their fifth bits from `high`.
#[inline]
fn five_bits(qs: &[u8], high: u32) -> [u8; BLOCK] {
    let mut codes = nibbles(qs);
    for (i, code) in codes.iter_mut().enumerate() {
        *code |= ((high >> i & 1) << 4) as u8;
    }
    codes
}

/// Turns codes into weights.
#[inline]
fn map(codes: [u8; BLOCK], out: &mut [f32; BLOCK], weight: impl Fn(f32) -> f32) {
    for (out, code) in out.iter_mut().zip(codes) {
        *out = weight(f32::from(code));
    }
}

/// The fifth bits of the 32 weights of a Q5 block.
#[inline]
fn high_bits(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// Q4_0: f16 scale, 16 bytes of nibbles; `(q − 8) · d`.
#[inline]
pub fn q4_0(block: &[u8; 18], out: &mut [f32; BLOCK]) {
    let d = scale(block, 0);
    map(nibbles(&block[2..]), out, |q| (q - 8.0) * d);
}

/// Q4_1: f16 scale, f16 minimum, 16 bytes of nibbles; `q · d + m`.
#[inline]
pub fn q4_1(block: &[u8; 20], out: &mut [f32; BLOCK]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    map(nibbles(&block[4..]), out, |q| q * d + m);
}

/// Q5_0: f16 scale, 32 high bits, 16 bytes of nibbles; `(q − 16) · d`.
#[inline]
pub fn q5_0(block: &[u8; 22], out: &mut [f32; BLOCK]) {
    let d = scale(block, 0);
    map(five_bits(&block[6..], high_bits(block, 2)), out, |q| (q - 16.0) * d);
}

/// Q5_1: f16 scale, f16 minimum, 32 high bits, 16 bytes of nibbles; `q · d + m`.
#[inline]
pub fn q5_1(block: &[u8; 24], out: &mut [f32; BLOCK]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    map(five_bits(&block[8..], high_bits(block, 4)), out, |q| q * d + m);
}

/// Q8_0: f16 scale, 32 signed bytes; `q · d`.
#[inline]
pub fn q8_0(block: &[u8; 34], out: &mut [f32; BLOCK]) {
    let d = scale(block, 0);
    for (out, &q) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(q as i8) * d;
    }
}
