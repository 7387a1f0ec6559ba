//! What the quantizers share: bounds of weights, and how scales and codes are put into blocks.

use crate::quant::half_float::f32_to_f16;
use crate::quant::layout::SUPER;

/// 1 / d, or 0 for no scale.
pub(super) fn reciprocal(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The least and the greatest weight.
pub(super) fn bounds(weights: &[f32]) -> (f32, f32) {
    weights.iter().fold((weights[0], weights[0]), |(low, high), &weight| {
        (if weight < low { weight } else { low }, if weight > high { weight } else { high })
    })
}

pub(super) fn put_half(out: &mut Vec<u8>, value: f32) {
    out.extend(f32_to_f16(value).to_le_bytes());
}

/// Two nibbles to a byte: the first 16 codes are the low ones.
pub(super) fn put_nibbles(out: &mut Vec<u8>, codes: &[u8; 32]) {
    let (low, high) = codes.split_at(16);
    out.extend(low.iter().zip(high).map(|(low, high)| low & 15 | high << 4));
}

/// Packs codes of two bits; `layout::two_bits` unpacks them.
pub(super) fn put_two_bits(out: &mut Vec<u8>, codes: &[u8; SUPER]) {
    for codes in codes.as_chunks::<128>().0 {
        out.extend((0..32).map(|i| codes[i] | codes[32 + i] << 2 | codes[64 + i] << 4 | codes[96 + i] << 6));
    }
}
