//! Quantizers against goldens of gguf-py (`testdata/generate/quant.py`), and what is lost by them.

use crate::common::numbers::f32s;
use crate::testdata;
use atomizer_core::analytics::QuantizationError;
use atomizer_core::dtype::DTYPES;
use atomizer_core::quant::quantize;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(testdata("quant").join(name)).unwrap()
}

fn golden_weights() -> Vec<f32> {
    golden("quantize.f32").as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[test]
fn blocks_are_those_of_gguf() {
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
    assert_eq!(seen, 10);
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
    for (name, least) in [("F16", 70.0), ("BF16", 50.0), ("Q8_0", 46.0), ("Q5_0", 28.0), ("Q4_0", 22.0)] {
        assert!((least..least + 10.0).contains(&snr(name)), "{name}: {}", snr(name));
    }
    for (less, more) in [("MXFP4", "Q4_0"), ("TQ2_0", "MXFP4")] {
        assert!(snr(less) < snr(more), "{less}: {}, {more}: {}", snr(less), snr(more));
    }
    // Without a minimum, weights of one sign leave half of the codes unused: 6 dB.
    let positive: Vec<f32> = weights.iter().map(|weight| weight + 1.0).collect();
    for (less, more) in [("Q4_0", "Q4_1"), ("Q5_0", "Q5_1")] {
        assert!(snr_of(&positive, less) + 5.0 < snr_of(&positive, more), "{less}, {more}");
    }
    assert_eq!(snr("TQ1_0"), snr("TQ2_0"));
}
