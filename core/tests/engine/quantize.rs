//! Quantizers against goldens of gguf-py and ggml (`testdata/generate/quant.py`), and what is lost by them.

use crate::common::numbers::f32s;
use crate::testdata;
use atomizer_core::analytics::QuantizationError;
use atomizer_core::dtype::{DTYPES, Dtype};
use atomizer_core::quant::{QuantizeError, quantize, quantize_watched};
use proptest::prelude::*;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(testdata("quant").join(name)).unwrap()
}

fn golden_weights() -> Vec<f32> {
    golden("quantize.f32").as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[test]
fn blocks_are_those_of_ggml() {
    let weights = golden_weights();
    let mut seen = 0;
    for row in DTYPES.iter().filter(|row| row.dtype.is_quantizable() && row.name != "F32") {
        let expected = golden(&format!("quantize.{}", row.name.to_lowercase()));
        let found = quantize(row.dtype, &weights).unwrap();
        let size = row.block_bytes as usize;
        assert_eq!(found.len(), expected.len(), "{}", row.name);
        for (i, (found, expected)) in found.chunks(size).zip(expected.chunks(size)).enumerate() {
            let weights = &weights[i * row.block_weights as usize..][..row.block_weights as usize];
            assert_eq!(found, expected, "{}, block {i} of {weights:?}", row.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 17);
}

/// A uniform quantizer of n bits has a signal-to-noise ratio of about 6 dB a bit; the types keep
/// their order.
#[test]
fn more_bits_lose_less() {
    // A saw-tooth: all sizes and signs alike.
    let weights: Vec<f32> = (0..8192).map(|i| (i * 619 % 8192) as f32 / 4096.0 - 1.0).collect();
    let snr_of = |weights: &[f32], name: &str| {
        let row = DTYPES.iter().find(|row| row.name == name).unwrap();
        let decoded = f32s(row.dtype, &quantize(row.dtype, weights).unwrap());
        let mut error = QuantizationError::default();
        error.add(weights.iter().zip(&decoded).map(|(one, two)| (f64::from(*one), f64::from(*two))));
        error.snr_db().unwrap()
    };
    let snr = |name: &str| snr_of(&weights, name);
    assert_eq!(snr("F32"), f64::INFINITY);
    for (name, min) in
        [("F16", 70.0), ("BF16", 50.0), ("Q8_0", 46.0), ("Q6_K", 36.0), ("Q5_0", 28.0), ("Q4_0", 22.0)]
    {
        assert!((min..min + 10.0).contains(&snr(name)), "{name}: {}", snr(name));
    }
    let types = [
        "TQ2_0", "Q2_K", "MXFP4", "Q3_K", "Q4_0", "IQ4_XS", "IQ4_NL", "Q4_K", "Q5_0", "Q5_K", "Q6_K", "Q8_0",
    ];
    for [less, more] in types.array_windows() {
        assert!(snr(less) < snr(more), "{less}: {}, {more}: {}", snr(less), snr(more));
    }
    // Without a minimum, weights of one sign leave half of the codes unused: 6 dB.
    let positive: Vec<f32> = weights.iter().map(|weight| weight + 1.0).collect();
    for (less, more) in [("Q4_0", "Q4_1"), ("Q5_0", "Q5_1")] {
        assert!(snr_of(&positive, less) + 5.0 < snr_of(&positive, more), "{less}, {more}");
    }
    assert_eq!(snr("TQ1_0"), snr("TQ2_0"));
}

/// What a weight may lose at most, as a part of the greatest magnitude of its block.
const MAX_ERRORS: [(Dtype, f32); 15] = [
    (Dtype::Q4_0, 0.126),
    (Dtype::Q4_1, 0.068),
    (Dtype::Q5_0, 0.063),
    (Dtype::Q5_1, 0.034),
    (Dtype::Q8_0, 0.005),
    (Dtype::Q2_K, 0.8),
    (Dtype::Q3_K, 0.4),
    (Dtype::Q4_K, 0.15),
    (Dtype::Q5_K, 0.09),
    (Dtype::Q6_K, 0.035),
    (Dtype::IQ4_NL, 0.2),
    (Dtype::IQ4_XS, 0.2),
    (Dtype::TQ1_0, 0.501),
    (Dtype::TQ2_0, 0.501),
    (Dtype::MXFP4, 0.251),
];

/// A block of weights of a few kinds, each group of 16 with a magnitude of its own.
fn block() -> impl Strategy<Value = Vec<f32>> {
    let weight = prop_oneof![-1f32..1.0, -0.01f32..0.01, Just(0.0), Just(1.0), Just(-1.0), 0.3f32..0.4];
    let magnitude = prop_oneof![Just(1f32), Just(0.0), 0.01f32..1.0];
    (prop::collection::vec(weight, 256), prop::collection::vec(magnitude, 16), -3i32..5).prop_map(
        |(weights, magnitudes, exponent)| {
            let scaled = |(i, weight): (usize, &f32)| weight * magnitudes[i / 16] * 10f32.powi(exponent);
            weights.iter().enumerate().map(scaled).collect()
        },
    )
}

proptest! {
    #[test]
    fn no_weight_loses_more_than_its_type_may(weights in block()) {
        for (dtype, max_error) in MAX_ERRORS {
            let decoded = f32s(dtype, &quantize(dtype, &weights).unwrap());
            let size = dtype.info().block_weights as usize;
            for (weights, decoded) in weights.chunks(size).zip(decoded.chunks(size)) {
                let greatest = weights.iter().fold(0f32, |greatest, weight| greatest.max(weight.abs()));
                for (weight, decoded) in weights.iter().zip(decoded) {
                    // Small scales are subnormal f16, whose steps are 2⁻²⁴.
                    let bound = greatest * max_error + 1e-4;
                    prop_assert!((weight - decoded).abs() <= bound, "{}: {weight} became {decoded}", dtype.name());
                }
            }
        }
    }
}

#[test]
fn long_work_is_watched() {
    let weights = vec![0.5; 1 << 20];
    let mut calls = 0;
    let bytes = quantize_watched(Dtype::Q4_K, &weights, || calls += 1).unwrap();
    assert_eq!(bytes, quantize(Dtype::Q4_K, &weights[..256]).unwrap().repeat(1 << 12));
    assert!(calls >= 4, "{calls}");
    let mut weights = weights;
    weights[1_000_000] = f32::NAN;
    let refused = quantize_watched(Dtype::Q4_K, &weights, || panic!("work began"));
    assert!(matches!(refused, Err(QuantizeError::NotFinite { position: 1_000_000, .. })), "{refused:?}");
}
