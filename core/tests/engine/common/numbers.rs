//! Small floating-point numbers as their standards define them, and comparing weights bit by bit.

use atomizer_core::dtype::Dtype;
use atomizer_core::weights::{Weights, decode};

pub fn f32s(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match decode(dtype, bytes).unwrap() {
        Weights::F32(values) => values,
        other => panic!("{} decodes to {other:?}", dtype.name()),
    }
}

/// Asserts the same bits, or any NaN for a NaN where `loose`.
#[track_caller]
pub fn assert_same(what: &str, found: &[f32], expected: &[f32], loose: bool) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (loose && found.is_nan() && expected.is_nan());
        assert!(
            same,
            "{what}, weight {i}: {found:e} ({:08x}), not {expected:e} ({:08x})",
            found.to_bits(),
            expected.to_bits()
        );
    }
}

/// A small binary floating-point number as IEEE 754 defines it, with infinities and NaN. All of its
/// values fit f32 exactly; a NaN keeps its sign and its payload's bits, leftmost first.
pub fn ieee(bits: u32, exponent_bits: u32, mantissa_bits: u32) -> f32 {
    let bias = (1 << (exponent_bits - 1)) - 1;
    let mantissa = bits & ((1 << mantissa_bits) - 1);
    let exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    let negative = (bits >> (mantissa_bits + exponent_bits)) & 1;
    if exponent == (1 << exponent_bits) - 1 {
        return f32::from_bits((negative << 31) | (0xff << 23) | (mantissa << (23 - mantissa_bits)));
    }
    finite(negative == 1, exponent as i32, mantissa, bias, mantissa_bits)
}

/// `± 2^(exponent − bias) · 1.mantissa`, or `0.mantissa` for the lowest exponent.
pub fn finite(negative: bool, exponent: i32, mantissa: u32, bias: i32, mantissa_bits: u32) -> f32 {
    let fraction = f64::from(mantissa) / f64::from(1 << mantissa_bits);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(1 - bias),
        _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
    };
    (if negative { -magnitude } else { magnitude }) as f32
}
