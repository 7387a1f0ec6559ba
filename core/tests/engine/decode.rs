//! Decoders against values computed here from what the formats' specifications say, and against
//! goldens of the reference implementations (`testdata/generate/quant.py`).

use crate::common::noise;
use crate::common::numbers::{assert_same, f32s, finite, ieee};
use crate::testdata;
use atomizer_core::dtype::{DTYPES, Dtype};
use atomizer_core::weight_counts::DtypeCounter;
use atomizer_core::weights::{DecodeError, Weights, Width, decode};
use std::collections::BTreeMap;

#[test]
fn all_patterns_of_the_half_types() {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let all = |exponent_bits, mantissa_bits| -> Vec<f32> {
        (0..=0xffff).map(|bits| ieee(bits, exponent_bits, mantissa_bits)).collect()
    };
    assert_same("F16", &f32s(Dtype::F16, &bytes), &all(5, 10), false);
    assert_same("BF16", &f32s(Dtype::BF16, &bytes), &all(8, 7), false);
}

#[test]
fn all_codes_of_the_eight_bit_types() {
    let codes: Vec<u8> = (0..=255).collect();
    // Types without infinities: the codes in `nan` are NaN, all others numbers.
    let plain = |bias: i32, mantissa_bits: u32, nan: &[u8]| -> Vec<f32> {
        let value = |&code: &u8| match nan.contains(&code) {
            true => f32::NAN.copysign(if code < 128 { 1.0 } else { -1.0 }),
            false => {
                let exponent = i32::from(code & 0x7f) >> mantissa_bits;
                finite(
                    code > 127,
                    exponent,
                    u32::from(code) & ((1 << mantissa_bits) - 1),
                    bias,
                    mantissa_bits,
                )
            }
        };
        codes.iter().map(value).collect()
    };
    assert_same("F8_E4M3", &f32s(Dtype::F8_E4M3, &codes), &plain(7, 3, &[0x7f, 0xff]), false);
    assert_same("F8_E4M3FNUZ", &f32s(Dtype::F8_E4M3FNUZ, &codes), &plain(8, 3, &[0x80]), false);
    assert_same("F8_E5M2FNUZ", &f32s(Dtype::F8_E5M2FNUZ, &codes), &plain(16, 2, &[0x80]), false);
    // Six codes are NaN: ml_dtypes makes them one of each sign.
    let e5m2: Vec<f32> = codes.iter().map(|&code| ieee(code.into(), 5, 2)).collect();
    assert_same("F8_E5M2", &f32s(Dtype::F8_E5M2, &codes), &e5m2, true);
    let e8m0: Vec<f32> = (0..255).map(|code| 2f64.powi(code - 127) as f32).chain([f32::NAN]).collect();
    assert_same("F8_E8M0", &f32s(Dtype::F8_E8M0, &codes), &e8m0, false);
}

#[test]
fn integers_are_exact() {
    let bytes: Vec<u8> = (0..=255).collect();
    let expected: Vec<f32> = (0..256).map(|i| i as f32).collect();
    assert_same("U8", &f32s(Dtype::U8, &bytes), &expected, false);
    assert_same("BOOL", &f32s(Dtype::BOOL, &bytes), &expected, false);
    let signed: Vec<f32> = (0..128).chain(-128..0).map(|i| i as f32).collect();
    assert_same("I8", &f32s(Dtype::I8, &bytes), &signed, false);
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let expected: Vec<f32> = (0..65_536).map(|i| i as f32).collect();
    assert_same("U16", &f32s(Dtype::U16, &bytes), &expected, false);
    let signed: Vec<f32> = (0..32_768).chain(-32_768..0).map(|i| i as f32).collect();
    assert_same("I16", &f32s(Dtype::I16, &bytes), &signed, false);

    let words = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe_u32];
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let (max, min) = (i64::from(i32::MAX), i64::from(i32::MIN));
    assert_eq!(decode(Dtype::I32, &bytes).unwrap(), Weights::I64(vec![0, 1, max, min, -2]));
    assert_eq!(decode(Dtype::U32, &bytes).unwrap(), Weights::I64(words.map(i64::from).into()));
    let words = [0, 1, i64::MAX, i64::MIN, -2];
    let bytes: Vec<u8> = words.into_iter().flat_map(i64::to_le_bytes).collect();
    assert_eq!(decode(Dtype::I64, &bytes).unwrap(), Weights::I64(words.into()));
    let unsigned = decode(Dtype::U64, &bytes).unwrap();
    assert_eq!(unsigned, Weights::U64(vec![0, 1, (1 << 63) - 1, 1 << 63, u64::MAX - 1]));
    assert_eq!((unsigned.f64(3), unsigned.f32(3)), (2f64.powi(63), 2f32.powi(63)));
    assert_eq!(unsigned.atomic_value(3).as_bytes(), i64::MIN.to_be_bytes());
}

#[test]
fn wide_floats_keep_their_bits() {
    let singles = [0, 1, 0x8000_0000, 0x007f_ffff, 0x3f80_0000, 0x7f80_0000, 0x7f80_0001, 0xffff_ffff_u32];
    let bytes: Vec<u8> = singles.into_iter().flat_map(u32::to_le_bytes).collect();
    assert_same("F32", &f32s(Dtype::F32, &bytes), &singles.map(f32::from_bits), false);
    let doubles = [0, 1, 1 << 63, 0x3ff0 << 48, 0x7ff0 << 48, (0x7ff0 << 48) + 1, u64::MAX];
    let bytes: Vec<u8> = doubles.into_iter().flat_map(u64::to_le_bytes).collect();
    let Weights::F64(values) = decode(Dtype::F64, &bytes).unwrap() else {
        panic!("no f64");
    };
    let bits: Vec<u64> = values.into_iter().map(f64::to_bits).collect();
    assert_eq!(bits, doubles);
}

/// Where the parts of a legacy block lie.
struct Layout {
    dtype: Dtype,
    block: usize,
    has_minimum: bool,
    high_bits: Option<usize>,
    quants: usize,
    /// Taken away from a quant before it is scaled.
    zero: i32,
}

const LEGACY: [Layout; 5] = [
    Layout { dtype: Dtype::Q4_0, block: 18, has_minimum: false, high_bits: None, quants: 2, zero: 8 },
    Layout { dtype: Dtype::Q4_1, block: 20, has_minimum: true, high_bits: None, quants: 4, zero: 0 },
    Layout { dtype: Dtype::Q5_0, block: 22, has_minimum: false, high_bits: Some(2), quants: 6, zero: 16 },
    Layout { dtype: Dtype::Q5_1, block: 24, has_minimum: true, high_bits: Some(4), quants: 8, zero: 0 },
    Layout { dtype: Dtype::Q8_0, block: 34, has_minimum: false, high_bits: None, quants: 2, zero: 0 },
];

/// One weight of a block: `(quant − zero) · scale + minimum` in f64, where it is exact, rounded once.
fn legacy_weight(layout: &Layout, block: &[u8], i: usize) -> f32 {
    let half =
        |offset: usize| f64::from(ieee(u32::from(block[offset]) + 256 * u32::from(block[offset + 1]), 5, 10));
    let quant = if layout.dtype == Dtype::Q8_0 {
        i32::from(block[layout.quants + i] as i8)
    } else {
        let byte = block[layout.quants + i % 16];
        let nibble = if i < 16 { byte % 16 } else { byte / 16 };
        let high = layout.high_bits.map_or(0, |offset| (block[offset + i / 8] >> (i % 8)) & 1);
        i32::from(nibble) + 16 * i32::from(high) - layout.zero
    };
    let product = f64::from(quant) * half(0);
    (if layout.has_minimum { product + half(2) } else { product }) as f32
}

#[test]
fn legacy_blocks_weight_by_weight() {
    for layout in &LEGACY {
        // Every scale there is (zero, subnormal, infinite, NaN among them) over random quants.
        let mut bytes = noise(3, 65_536 * layout.block);
        for (scale, block) in bytes.chunks_exact_mut(layout.block).enumerate() {
            block[..2].copy_from_slice(&(scale as u16).to_le_bytes());
        }
        let blocks = bytes.chunks_exact(layout.block);
        let expected: Vec<f32> =
            blocks.flat_map(|block| (0..32).map(|i| legacy_weight(layout, block, i))).collect();
        assert_same(layout.dtype.name(), &f32s(layout.dtype, &bytes), &expected, true);
    }
}

#[test]
fn legacy_blocks_with_every_quant() {
    for layout in &LEGACY {
        // Each weight of a block takes each value, with the others at nought.
        let mut bytes = Vec::new();
        for i in layout.quants - layout.high_bits.map_or(0, |_| 4)..layout.block {
            for value in 0..=255 {
                let mut block = vec![0; layout.block];
                // A scale of 1.5, a minimum of −0.25.
                block[..2].copy_from_slice(&0x3e00u16.to_le_bytes());
                if layout.has_minimum {
                    block[2..4].copy_from_slice(&0xb400u16.to_le_bytes());
                }
                block[i] = value;
                bytes.extend(block);
            }
        }
        let blocks = bytes.chunks_exact(layout.block);
        let expected: Vec<f32> =
            blocks.flat_map(|block| (0..32).map(|i| legacy_weight(layout, block, i))).collect();
        assert_same(layout.dtype.name(), &f32s(layout.dtype, &bytes), &expected, false);
    }
}

#[test]
fn goldens_of_the_reference_implementations() {
    let folder = testdata("quant");
    let mut seen = 0;
    for row in DTYPES {
        let file = |kind: &str| folder.join(format!("{}.{kind}", row.name.to_lowercase()));
        let Ok(bytes) = std::fs::read(file("bytes")) else {
            continue;
        };
        let expected = std::fs::read(file("f32")).unwrap();
        let expected: Vec<f32> =
            expected.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect();
        // A NaN that comes out of arithmetic has the sign and payload of the processor's choice;
        // one that is only widened keeps its own.
        assert_same(row.name, &f32s(row.dtype, &bytes), &expected, row.dtype.is_quantized());
        seen += 1;
    }
    assert_eq!(seen, 34, "golden files in {}", folder.display());
}

/// Bytes of whole blocks of any type.
fn blocks_of(dtype: Dtype) -> Vec<u8> {
    noise(4, 300 * dtype.info().block_bytes as usize)
}

#[test]
fn every_type_decodes_or_says_that_it_does_not() {
    for row in DTYPES {
        let bytes = blocks_of(row.dtype);
        match decode(row.dtype, &bytes) {
            Ok(weights) => {
                assert!(row.dtype.is_decodable(), "{}", row.name);
                assert_eq!(weights.len(), 300 * row.block_weights as usize, "{}", row.name);
                assert!(decode(row.dtype, &[]).unwrap().is_empty());
                let width = match weights {
                    Weights::F32(_) => Width::F32,
                    Weights::F64(_) => Width::F64,
                    Weights::I64(_) | Weights::U64(_) => Width::I64,
                };
                assert_eq!(row.dtype.width(), width, "{}", row.name);
            }
            Err(DecodeError::Unsupported(dtype)) => {
                assert_eq!(dtype, row.dtype);
                assert!(!row.dtype.is_decodable(), "{}", row.name);
            }
            Err(error) => panic!("{}: {error}", row.name),
        }
        for cut in 1..row.block_bytes.min(40) as usize {
            let result = decode(row.dtype, &bytes[..bytes.len() - cut]);
            assert!(matches!(result, Err(DecodeError::PartialBlock { .. })), "{} − {cut}", row.name);
        }
    }
}

#[test]
fn weights_are_counted_as_they_decode() {
    for row in DTYPES.iter().filter(|row| row.dtype.is_decodable()) {
        let bytes = blocks_of(row.dtype).repeat(2);
        let weights = decode(row.dtype, &bytes).unwrap();
        let mut expected: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for i in 0..weights.len() {
            *expected.entry(weights.atomic_value(i).as_bytes().into()).or_default() += 1;
        }
        let mut counter = DtypeCounter::new(row.dtype, usize::MAX);
        let (one, two) = bytes.split_at(bytes.len() / 2);
        let zeros = counter.add(row.dtype, one, true).unwrap() + counter.add(row.dtype, two, true).unwrap();
        let naive = (0..weights.len()).filter(|i| weights.f64(*i) == 0.0).count();
        assert_eq!(zeros, naive as u64, "{}", row.name);
        let mut counted: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for (width, bits, count) in counter.drain() {
            let value = atomizer_core::weights::AtomicValue::from_bits(width, bits);
            *counted.entry(value.as_bytes().into()).or_default() += count;
        }
        assert_eq!(counted, expected, "{}", row.name);
        assert!(counter.drain().is_empty(), "{}", row.name);
    }
}
