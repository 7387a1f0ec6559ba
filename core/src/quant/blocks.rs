//! Decoding whole blocks of every type that becomes f32.

use super::half_float::{bf16, bf16_to_f32, f16, f16_to_f32};
use super::{iq, k, legacy, mx, small_float, ternary};
use crate::dtype::Dtype;
#[cfg(target_arch = "x86_64")]
use crate::simd::level::Avx2;
use crate::simd::level::{Level, Portable};

/// Decodes whole blocks of a type whose weights all fit f32 to as many weights. False, and `out` is
/// as it was, for any other type.
pub(crate) fn decode(dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if let Some(level) = Avx2::detect() {
        return decode_at(level, dtype, bytes, out);
    }
    decode_at(Portable, dtype, bytes, out)
}

fn decode_at<L: Level>(level: L, dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> bool {
    match dtype {
        Dtype::F32 => words::<L, 4>(level, bytes, out, f32::from_le_bytes),
        Dtype::F16 => words::<L, 2>(level, bytes, out, |word| f16_to_f32(f16::from_le_bytes(word))),
        Dtype::BF16 => words::<L, 2>(level, bytes, out, |word| bf16_to_f32(bf16::from_le_bytes(word))),
        Dtype::F8_E4M3 => look_up(level, bytes, out, &small_float::e4m3()),
        Dtype::F8_E5M2 => look_up(level, bytes, out, &small_float::e5m2()),
        Dtype::F8_E4M3FNUZ => look_up(level, bytes, out, &small_float::e4m3fnuz()),
        Dtype::F8_E5M2FNUZ => look_up(level, bytes, out, &small_float::e5m2fnuz()),
        Dtype::F8_E8M0 => look_up(level, bytes, out, &small_float::e8m0()),
        Dtype::I8 => words::<L, 1>(level, bytes, out, |word| i8::from_le_bytes(word).into()),
        Dtype::U8 | Dtype::BOOL => words::<L, 1>(level, bytes, out, |word| u8::from_le_bytes(word).into()),
        Dtype::I16 => words::<L, 2>(level, bytes, out, |word| i16::from_le_bytes(word).into()),
        Dtype::U16 => words::<L, 2>(level, bytes, out, |word| u16::from_le_bytes(word).into()),
        Dtype::Q4_0 => level.each_block(bytes, out, legacy::q4_0),
        Dtype::Q4_1 => level.each_block(bytes, out, legacy::q4_1),
        Dtype::Q5_0 => level.each_block(bytes, out, legacy::q5_0),
        Dtype::Q5_1 => level.each_block(bytes, out, legacy::q5_1),
        Dtype::Q8_0 => level.each_block_streamed(bytes, out, legacy::q8_0),
        Dtype::Q8_1 => level.each_block(bytes, out, legacy::q8_1),
        Dtype::Q2_K => level.each_block(bytes, out, k::q2_k),
        Dtype::Q3_K => level.each_block(bytes, out, k::q3_k),
        Dtype::Q4_K => level.each_block(bytes, out, k::q4_k),
        Dtype::Q5_K => level.each_block(bytes, out, k::q5_k),
        Dtype::Q6_K => level.each_block(bytes, out, k::q6_k),
        Dtype::Q8_K => level.each_block(bytes, out, k::q8_k),
        Dtype::IQ1_S => level.each_block(bytes, out, iq::iq1_s),
        Dtype::IQ1_M => level.each_block(bytes, out, iq::iq1_m),
        Dtype::IQ2_XXS => level.each_block(bytes, out, iq::iq2_xxs),
        Dtype::IQ2_XS => level.each_block(bytes, out, iq::iq2_xs),
        Dtype::IQ2_S => level.each_block(bytes, out, iq::iq2_s),
        Dtype::IQ3_XXS => level.each_block(bytes, out, iq::iq3_xxs),
        Dtype::IQ3_S => level.each_block(bytes, out, iq::iq3_s),
        Dtype::IQ4_NL => level.each_block(bytes, out, iq::iq4_nl),
        Dtype::IQ4_XS => level.each_block(bytes, out, iq::iq4_xs),
        Dtype::TQ1_0 => level.each_block(bytes, out, ternary::tq1_0),
        Dtype::TQ2_0 => level.each_block(bytes, out, ternary::tq2_0),
        Dtype::Q1_0 => level.each_block(bytes, out, ternary::q1_0),
        Dtype::Q2_0 => level.each_block(bytes, out, ternary::q2_0),
        Dtype::MXFP4 => level.each_block(bytes, out, mx::mxfp4),
        Dtype::NVFP4 => level.each_block(bytes, out, mx::nvfp4),
        Dtype::F64
        | Dtype::I32
        | Dtype::I64
        | Dtype::U32
        | Dtype::U64
        | Dtype::F6_E2M3
        | Dtype::F6_E3M2
        | Dtype::F4
        | Dtype::C64
        | Dtype::C128
        | Dtype::I4
        | Dtype::U4
        | Dtype::I2
        | Dtype::U2 => return false,
    }
    true
}

#[inline(always)]
fn words<L: Level, const N: usize>(level: L, bytes: &[u8], out: &mut [f32], decode: impl Fn([u8; N]) -> f32) {
    level.each_block(bytes, out, |_, word: &[u8; N], out: &mut [f32; 1]| out[0] = decode(*word));
}

#[inline(always)]
fn look_up<L: Level>(level: L, bytes: &[u8], out: &mut [f32], table: &[f32; 256]) {
    words::<L, 1>(level, bytes, out, |[code]| table[usize::from(code)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DTYPES;
    use proptest::prelude::*;

    /// Weights' bits; NaN is NaN, whatever its bits.
    fn bits(dtype: Dtype, bytes: &[u8], decode: impl Fn(Dtype, &[u8], &mut [f32]) -> bool) -> Vec<u32> {
        let row = dtype.info();
        let mut out = vec![0.0; bytes.len() / row.block_bytes as usize * row.block_weights as usize];
        decode(dtype, bytes, &mut out);
        let bits = |value: f32| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
        out.into_iter().map(bits).collect()
    }

    #[test]
    fn past_the_cache_the_bits_are_the_same() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        // Just enough blocks, and a place at every multiple of 4 bytes.
        let blocks = (1 << 20) / 32 + 3;
        let bytes: Vec<u8> = (0..blocks * 34).map(|_| random()).collect();
        let mut expected = vec![0.0; blocks * 32];
        decode_at(Portable, Dtype::Q8_0, &bytes, &mut expected);
        for shift in 0..4 {
            let mut out = vec![0.5; blocks * 32 + 4];
            decode(Dtype::Q8_0, &bytes, &mut out[shift..shift + blocks * 32]);
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(out[shift..].iter().zip(&expected).all(same), "at {shift}");
            assert!(
                out[..shift].iter().chain(&out[shift + blocks * 32..]).all(|untouched| *untouched == 0.5)
            );
        }
    }

    proptest! {
        // On a processor without AVX2 both are one.
        #[test]
        fn all_levels_give_the_same_bits(noise in prop::collection::vec(any::<u8>(), 4096)) {
            for row in DTYPES {
                let block = row.block_bytes as usize;
                let whole = &noise[..noise.len() / block * block];
                let portable = |dtype, bytes: &[u8], out: &mut [f32]| decode_at(Portable, dtype, bytes, out);
                prop_assert_eq!(bits(row.dtype, whole, decode), bits(row.dtype, whole, portable));
            }
        }
    }
}
