//! The decoders of block types against a reference that reads one weight at a time, bit by bit, as
//! ggml's layouts say. Goldens of the official implementations are in `decode.rs`.

use crate::common::noise;
use crate::common::numbers::{assert_same, f32s, finite, ieee};
use crate::testdata;
use atomizer_core::dtype::{DTYPES, Dtype};
use atomizer_core::hash::sha256;
use atomizer_core::quant::iq_grids as grids;
use atomizer_core::weights::{DecodeError, decode, decode_f32_into};
use proptest::prelude::*;

/// `count` bits from bit `first` on; bit 0 is the lowest of the first byte.
fn bits(bytes: &[u8], first: usize, count: usize) -> u32 {
    (first..first + count).rev().fold(0, |all, i| 2 * all + u32::from(bytes[i / 8] >> (i % 8) & 1))
}

fn half(block: &[u8], offset: usize) -> f32 {
    ieee(bits(&block[offset..], 0, 16), 5, 10)
}

/// Where weight `i` stands among bytes that each hold a code of `count` bits for every one of `per`
/// weights, `per` apart: the lowest bits of the first `per` bytes, then their next bits, and so on.
fn interleaved(bytes: &[u8], i: usize, count: usize, per: usize) -> u32 {
    let codes = 8 / count;
    let (group, within) = (i / (per * codes), i % (per * codes));
    bits(bytes, 8 * (group * per + within % per) + count * (within / per), count)
}

/// Eight signs of which seven are stored: as many minus signs as make an even number.
fn even_sign(seven: u32, j: usize) -> f32 {
    let minus = if j < 7 { seven >> j & 1 } else { seven.count_ones() % 2 };
    if minus == 1 { -1.0 } else { 1.0 }
}

/// The 6-bit scale and minimum of sub-block `s` of Q4_K and Q5_K.
fn scale_and_minimum(scales: &[u8], s: usize) -> (f32, f32) {
    let (scale, minimum) = if s < 4 {
        (bits(scales, 8 * s, 6), bits(scales, 32 + 8 * s, 6))
    } else {
        let s = s - 4;
        let scale = bits(scales, 64 + 8 * s, 4) + 16 * bits(scales, 8 * s + 6, 2);
        (scale, bits(scales, 64 + 8 * s + 4, 4) + 16 * bits(scales, 32 + 8 * s + 6, 2))
    };
    (scale as f32, minimum as f32)
}

const IQ4: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
];
/// E2M1, doubled; ggml has no negative zero.
const E2M1: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// One of the signed bytes of a point.
fn lane(point: u64, j: usize) -> f32 {
    f32::from((point >> (8 * j)) as u8 as i8)
}

/// One weight of a block.
fn weight(dtype: Dtype, b: &[u8], i: usize) -> f32 {
    // The number of the group of four, eight, … weights, and the place in the last of them.
    let (four, eight, sixteen, thirty_two, j) = (i / 4, i / 8, i / 16, i / 32, i % 8);
    let high_byte = |low: u8, high: u32| usize::from(low) + 256 * high as usize;
    let byte = |offset: usize| f32::from(b[offset] as i8);
    match dtype {
        Dtype::Q4_0 => half(b, 0) * (interleaved(&b[2..], i, 4, 16) as f32 - 8.0),
        Dtype::Q4_1 => half(b, 0) * interleaved(&b[4..], i, 4, 16) as f32 + half(b, 2),
        Dtype::Q5_0 => {
            let code = interleaved(&b[6..], i, 4, 16) + 16 * bits(&b[2..], i, 1);
            half(b, 0) * (code as f32 - 16.0)
        }
        Dtype::Q5_1 => {
            let code = interleaved(&b[8..], i, 4, 16) + 16 * bits(&b[4..], i, 1);
            half(b, 0) * code as f32 + half(b, 2)
        }
        Dtype::Q8_0 => half(b, 0) * byte(2 + i),
        Dtype::Q8_1 => half(b, 0) * byte(4 + i),
        Dtype::Q2_K => {
            let scale = half(b, 80) * bits(b, 8 * sixteen, 4) as f32;
            let minimum = half(b, 82) * bits(b, 8 * sixteen + 4, 4) as f32;
            scale * interleaved(&b[16..], i, 2, 32) as f32 - minimum
        }
        Dtype::Q3_K => {
            let scale = interleaved(&b[96..104], sixteen, 4, 8) + 16 * interleaved(&b[104..], sixteen, 2, 4);
            let code = interleaved(&b[32..], i, 2, 32) + 4 * interleaved(b, i, 1, 32);
            half(b, 108) * (scale as f32 - 32.0) * (code as f32 - 4.0)
        }
        Dtype::Q4_K => {
            let (scale, minimum) = scale_and_minimum(&b[4..], thirty_two);
            half(b, 0) * scale * interleaved(&b[16..], i, 4, 32) as f32 - half(b, 2) * minimum
        }
        Dtype::Q5_K => {
            let (scale, minimum) = scale_and_minimum(&b[4..], thirty_two);
            let code = interleaved(&b[48..], i, 4, 32) + 16 * interleaved(&b[16..], i, 1, 32);
            half(b, 0) * scale * code as f32 - half(b, 2) * minimum
        }
        Dtype::Q6_K => {
            let code = interleaved(b, i, 4, 64) + 16 * interleaved(&b[128..], i, 2, 32);
            half(b, 208) * byte(192 + sixteen) * (code as f32 - 32.0)
        }
        Dtype::Q8_K => f32::from_bits(bits(b, 0, 32)) * byte(4 + i),
        Dtype::IQ1_S => {
            let group = bits(&b[34..], 16 * thirty_two, 16);
            let point = grids::IQ1_S[high_byte(b[2 + eight], group >> (3 * (eight % 4)) & 7)];
            let side = if group >> 15 == 1 { -0.125 } else { 0.125 };
            half(b, 0) * (2 * (group >> 12 & 7) + 1) as f32 * (lane(point, j) + side)
        }
        Dtype::IQ1_M => {
            let d = (0..4).map(|word| bits(&b[48..], 16 * word + 12, 4) << (4 * word)).sum();
            let scale = bits(&b[48..], 16 * (sixteen / 4) + 3 * (sixteen % 4), 3);
            let point = grids::IQ1_S[high_byte(b[eight], bits(&b[32..], 4 * eight, 3))];
            let side = if bits(&b[32..], 4 * eight + 3, 1) == 1 { -0.125 } else { 0.125 };
            ieee(d, 5, 10) * (2 * scale + 1) as f32 * (lane(point, j) + side)
        }
        Dtype::IQ2_XXS => {
            let group = &b[2 + 8 * thirty_two..];
            let point = grids::IQ2_XXS[usize::from(group[eight % 4])];
            let scale = half(b, 0) * (0.5 + bits(group, 60, 4) as f32) * 0.25;
            scale * lane(point, j) * even_sign(bits(group, 32 + 7 * (eight % 4), 7), j)
        }
        Dtype::IQ2_XS => {
            let point = grids::IQ2_XS[bits(&b[2..], 16 * eight, 9) as usize];
            let scale = half(b, 0) * (0.5 + bits(&b[66..], 4 * sixteen, 4) as f32) * 0.25;
            scale * lane(point, j) * even_sign(bits(&b[2..], 16 * eight + 9, 7), j)
        }
        Dtype::IQ2_S => {
            let point = grids::IQ2_S[high_byte(b[2 + eight], bits(&b[66..], 2 * eight, 2))];
            let scale = half(b, 0) * (0.5 + bits(&b[74..], 4 * sixteen, 4) as f32) * 0.25;
            scale * lane(point, j) * (1.0 - 2.0 * bits(&b[34..], i, 1) as f32)
        }
        Dtype::IQ3_XXS => {
            let point = grids::IQ3_XXS[usize::from(b[2 + four])];
            let group = &b[66 + 4 * thirty_two..];
            let scale = half(b, 0) * (0.5 + bits(group, 28, 4) as f32) * 0.5;
            scale * lane(point.into(), i % 4) * even_sign(bits(group, 7 * (eight % 4), 7), j)
        }
        Dtype::IQ3_S => {
            let point = grids::IQ3_S[high_byte(b[2 + four], bits(&b[66..], four, 1))];
            let scale = half(b, 0) * (1 + 2 * bits(&b[106..], 4 * thirty_two, 4)) as f32;
            scale * lane(point.into(), i % 4) * (1.0 - 2.0 * bits(&b[74..], i, 1) as f32)
        }
        Dtype::IQ4_NL => half(b, 0) * IQ4[interleaved(&b[2..], i, 4, 16) as usize],
        Dtype::IQ4_XS => {
            let scale = bits(&b[4..], 4 * thirty_two, 4) + 16 * bits(&b[2..], 2 * thirty_two, 2);
            half(b, 0) * (scale as f32 - 32.0) * IQ4[interleaved(&b[8..], i, 4, 16) as usize]
        }
        Dtype::TQ1_0 => {
            // Bytes that hold weights so many apart, of which the digit is the how manieth.
            let (first, per, i) = match i {
                0..160 => (0, 32, i),
                160..240 => (32, 16, i - 160),
                _ => (48, 4, i - 240),
            };
            let fraction = u32::from(b[first + i % per]) * 3u32.pow((i / per) as u32) % 256;
            half(b, 52) * ((fraction * 3 / 256) as f32 - 1.0)
        }
        Dtype::TQ2_0 => half(b, 64) * (interleaved(b, i, 2, 32) as f32 - 1.0),
        Dtype::Q1_0 => half(b, 0) * (2.0 * bits(&b[2..], i, 1) as f32 - 1.0),
        Dtype::Q2_0 => half(b, 0) * (bits(&b[2..], 2 * i, 2) as f32 - 1.0),
        Dtype::MXFP4 => {
            2f64.powi(i32::from(b[0]) - 128) as f32 * E2M1[interleaved(&b[1..], i, 4, 16) as usize]
        }
        Dtype::NVFP4 => {
            // 127 alone is zero: 255, the same with the bit that has no meaning, is a number.
            let (exponent, mantissa) = (bits(b, 8 * sixteen + 3, 4), bits(b, 8 * sixteen, 3));
            let scale = if b[sixteen] == 127 { 0.0 } else { finite(false, exponent as i32, mantissa, 8, 3) };
            scale * E2M1[interleaved(&b[4..], i, 4, 8) as usize]
        }
        _ => panic!("{} has no blocks", dtype.name()),
    }
}

fn expected(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let row = dtype.info();
    let blocks = bytes.chunks_exact(row.block_bytes as usize);
    blocks.flat_map(|block| (0..row.block_weights as usize).map(|i| weight(dtype, block, i))).collect()
}

/// Where the f16 scales of a type stand.
fn scales(dtype: Dtype) -> &'static [usize] {
    match dtype {
        Dtype::Q4_1 | Dtype::Q5_1 | Dtype::Q4_K | Dtype::Q5_K => &[0, 2],
        Dtype::Q2_K => &[80, 82],
        Dtype::Q3_K => &[108],
        Dtype::Q6_K => &[208],
        Dtype::TQ1_0 => &[52],
        Dtype::TQ2_0 => &[64],
        // IQ1_M's lies in four places; the others have scales of eight or 32 bits.
        Dtype::IQ1_M | Dtype::Q8_K | Dtype::MXFP4 | Dtype::NVFP4 => &[],
        _ => &[0],
    }
}

#[test]
fn all_kinds_of_scales() {
    for row in DTYPES.iter().filter(|row| row.dtype.is_quantized()) {
        // Patterns of every exponent and sign: 61 has no factor in common with 2¹⁶.
        let patterns: Vec<u16> =
            (0..=u16::MAX).step_by(61).chain([0x8000, 0x7c00, 0xfc00, 0x7e00, 1]).collect();
        let size = row.block_bytes as usize;
        let mut bytes = noise(5, patterns.len() * size);
        for (i, block) in bytes.chunks_exact_mut(size).enumerate() {
            for (&offset, pattern) in
                scales(row.dtype).iter().zip([patterns[i], patterns[i * 7 % patterns.len()]])
            {
                block[offset..offset + 2].copy_from_slice(&pattern.to_le_bytes());
            }
        }
        assert_same(row.name, &f32s(row.dtype, &bytes), &expected(row.dtype, &bytes), true);
    }
}

proptest! {
    #[test]
    fn any_bytes(noise in prop::collection::vec(any::<u8>(), 1024)) {
        for row in DTYPES.iter().filter(|row| row.dtype.is_quantized()) {
            let whole = &noise[..noise.len() / row.block_bytes as usize * row.block_bytes as usize];
            assert_same(row.name, &f32s(row.dtype, whole), &expected(row.dtype, whole), true);
        }
    }
}

#[test]
fn points_are_those_of_gguf() {
    let file = testdata("quant/iq_grids.sha256");
    let file = std::fs::read_to_string(file).unwrap();
    let eights = |points: &[u64]| points.iter().flat_map(|point| point.to_le_bytes()).collect::<Vec<_>>();
    let fours = |points: &[u32]| points.iter().flat_map(|point| point.to_le_bytes()).collect::<Vec<_>>();
    let found = [
        ("IQ1_S", eights(&grids::IQ1_S)),
        ("IQ2_XXS", eights(&grids::IQ2_XXS)),
        ("IQ2_XS", eights(&grids::IQ2_XS)),
        ("IQ2_S", eights(&grids::IQ2_S)),
        ("IQ3_XXS", fours(&grids::IQ3_XXS)),
        ("IQ3_S", fours(&grids::IQ3_S)),
    ];
    let hex = |hash: &[u8]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: Vec<String> =
        found.iter().map(|(name, points)| format!("{name} {}", hex(&sha256(points)[..]))).collect();
    assert_eq!(found, file.lines().collect::<Vec<_>>());
}

#[test]
fn decoding_into_a_place_is_decoding() {
    for row in DTYPES.iter().filter(|row| row.dtype.is_decodable()) {
        let bytes = noise(6, 7 * row.block_bytes as usize);
        let weights = decode(row.dtype, &bytes).unwrap();
        let rounded: Vec<f32> = (0..weights.len()).map(|i| weights.f32(i)).collect();
        let mut place = vec![f32::NAN; weights.len()];
        decode_f32_into(row.dtype, &bytes, &mut place).unwrap();
        assert_same(row.name, &place, &rounded, row.dtype == Dtype::F64);
        for length in [0, weights.len() - 1, weights.len() + 1] {
            let result = decode_f32_into(row.dtype, &bytes, &mut vec![0.0; length]);
            assert!(matches!(result, Err(DecodeError::WrongLength { .. })), "{} to {length}", row.name);
        }
    }
}
