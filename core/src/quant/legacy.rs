//! ggml's first block types: 32 weights behind one f16 scale, and an f16 minimum in the `_1` types.
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_q*` in `ggml-quants.c`.
//! Products and sums are rounded one by one, as gguf-py does, so results agree to the last bit.

use half::f16;

const BLOCK: usize = 32;

fn scale(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Unpacks the 32 nibbles of `qs`: low halves are weights 0–15, high halves 16–31.
fn nibbles(qs: &[u8], mut put: impl FnMut(usize, u8)) {
    for (i, &byte) in qs.iter().enumerate() {
        put(i, byte & 15);
        put(i + BLOCK / 2, byte >> 4);
    }
}

/// The fifth bits of the 32 weights of a Q5 block.
fn high_bits(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// Q4_0: f16 scale, 16 bytes of nibbles; `(q − 8) · d`.
pub fn q4_0(block: &[u8; 18], out: &mut [f32; BLOCK]) {
    let d = scale(block, 0);
    nibbles(&block[2..], |i, q| out[i] = (f32::from(q) - 8.0) * d);
}

/// Q4_1: f16 scale, f16 minimum, 16 bytes of nibbles; `q · d + m`.
pub fn q4_1(block: &[u8; 20], out: &mut [f32; BLOCK]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    nibbles(&block[4..], |i, q| out[i] = f32::from(q) * d + m);
}

/// Q5_0: f16 scale, 32 high bits, 16 bytes of nibbles; `(q − 16) · d`.
pub fn q5_0(block: &[u8; 22], out: &mut [f32; BLOCK]) {
    let (d, high) = (scale(block, 0), high_bits(block, 2));
    nibbles(&block[6..], |i, q| {
        let q = q | (((high >> i) & 1) as u8) << 4;
        out[i] = (f32::from(q) - 16.0) * d;
    });
}

/// Q5_1: f16 scale, f16 minimum, 32 high bits, 16 bytes of nibbles; `q · d + m`.
pub fn q5_1(block: &[u8; 24], out: &mut [f32; BLOCK]) {
    let (d, m, high) = (scale(block, 0), scale(block, 2), high_bits(block, 4));
    nibbles(&block[8..], |i, q| {
        let q = q | (((high >> i) & 1) as u8) << 4;
        out[i] = f32::from(q) * d + m;
    });
}

/// Q8_0: f16 scale, 32 signed bytes; `q · d`.
pub fn q8_0(block: &[u8; 34], out: &mut [f32; BLOCK]) {
    let d = scale(block, 0);
    for (out, &q) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(q as i8) * d;
    }
}
