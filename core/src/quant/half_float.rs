//! Sixteen-bit floating point: the types and conversions of the crate `half`, but for NaN. Widened
//! without loss, every pattern becomes an f32 of its own, and so an atom of its own; the crate, as
//! x86's F16C, makes a signalling NaN quiet, and two patterns would share one atom. The tests below
//! show for each of the 65,536 patterns where the two differ. See `docs/decisions/0003-half-crate.md`.

use half::slice::HalfFloatSliceExt;
pub use half::{bf16, f16};

/// How much greater an exponent is in an f32, in its bits.
const REBIAS: u32 = (127 - 15) << 23;
/// 2⁻¹⁴, the smallest normal f16, in an f32's bits.
const LEAST_NORMAL: u32 = 113 << 23;

/// Widens IEEE 754 binary16; a NaN keeps its bits. Without branches and in words of 32 bits, so that
/// loops over it are vectorized.
#[inline(always)]
pub fn f16_to_f32(value: f16) -> f32 {
    let bits = u32::from(value.to_bits());
    let sign = (bits & 0x8000) << 16;
    let rest = (bits & 0x7fff) << 13;
    // The highest exponent, of infinities and NaN, is the highest again: 31 + 112 + 112 = 255.
    let special = if rest >= 0x7c00 << 13 { REBIAS } else { 0 };
    // A subnormal, read as 2⁻¹⁴ · 1.mantissa; taking 2⁻¹⁴ away is exact.
    let subnormal = f32::from_bits(rest + LEAST_NORMAL) - f32::from_bits(LEAST_NORMAL);
    let magnitude = if rest < 0x400 << 13 { subnormal.to_bits() } else { rest + REBIAS + special };
    f32::from_bits(sign | magnitude)
}

/// Widens bfloat16, the upper half of an f32; a NaN keeps its bits.
#[inline(always)]
pub fn bf16_to_f32(value: bf16) -> f32 {
    f32::from_bits(u32::from(value.to_bits()) << 16)
}

/// The nearest binary16; from 65520 on that is infinity. A NaN keeps its sign and the upper bits of
/// its payload, and stays a NaN.
#[inline]
pub fn f32_to_f16(value: f32) -> f16 {
    if value.is_nan() { nan_to_f16(value) } else { f16::from_f32(value) }
}

/// As [`f32_to_f16`], of many numbers.
pub fn f32s_to_f16s(values: &[f32]) -> Vec<f16> {
    let mut narrow = vec![f16::ZERO; values.len()];
    narrow.convert_from_f32_slice(values);
    for (narrow, value) in narrow.iter_mut().zip(values).filter(|(_, value)| value.is_nan()) {
        *narrow = nan_to_f16(*value);
    }
    narrow
}

fn nan_to_f16(value: f32) -> f16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let payload = (value.to_bits() >> 13 & 0x3ff) as u16;
    f16::from_bits(sign | 0x7c00 | payload.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NaN whose quiet bit, the highest of the mantissa, is clear.
    fn is_signalling(is_nan: bool, bits: u16, quiet: u16) -> bool {
        is_nan && bits & quiet == 0
    }

    #[test]
    fn half_widens_all_but_signalling_nan_as_we_do() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let f16s: Vec<f16> = all.iter().copied().map(f16::from_bits).collect();
        let bf16s: Vec<bf16> = all.iter().copied().map(bf16::from_bits).collect();
        let (mut slice_f16, mut slice_bf16) = (vec![0.0; all.len()], vec![0.0; all.len()]);
        f16s.convert_to_f32_slice(&mut slice_f16);
        bf16s.convert_to_f32_slice(&mut slice_bf16);
        let (mut differ_f16, mut differ_bf16) = (0, 0);
        for (i, bits) in all.into_iter().enumerate() {
            let ours = f16_to_f32(f16s[i]).to_bits();
            let signalling = is_signalling(f16s[i].is_nan(), bits, 0x200);
            // The crate sets the quiet bit and nothing else.
            let quiet = if signalling { ours | 0x40_0000 } else { ours };
            assert_eq!(f16s[i].to_f32().to_bits(), quiet, "f16 {bits:04x}");
            assert_eq!(slice_f16[i].to_bits(), quiet, "f16 {bits:04x} of a slice");
            differ_f16 += u32::from(ours != quiet);

            let ours = bf16_to_f32(bf16s[i]).to_bits();
            let signalling = is_signalling(bf16s[i].is_nan(), bits, 0x40);
            let quiet = if signalling { ours | 0x40_0000 } else { ours };
            assert_eq!(bf16s[i].to_f32().to_bits(), quiet, "bf16 {bits:04x}");
            assert_eq!(slice_bf16[i].to_bits(), quiet, "bf16 {bits:04x} of a slice");
            differ_bf16 += u32::from(ours != quiet);
        }
        // If these become none, our own widening can go.
        assert_eq!((differ_f16, differ_bf16), (2 * 511, 2 * 63));
    }

    #[test]
    fn every_pattern_widens_to_a_number_of_its_own() {
        for widen in [|bits| f16_to_f32(f16::from_bits(bits)), |bits| bf16_to_f32(bf16::from_bits(bits))] {
            let mut widened: Vec<u32> = (0..=u16::MAX).map(|bits| widen(bits).to_bits()).collect();
            widened.sort_unstable();
            widened.dedup();
            assert_eq!(widened.len(), 1 << 16);
        }
    }

    #[test]
    fn every_pattern_comes_back() {
        let mut of_half = 0;
        for bits in 0..=u16::MAX {
            let wide = f16_to_f32(f16::from_bits(bits));
            assert_eq!(f32_to_f16(wide).to_bits(), bits, "{bits:04x}");
            assert_eq!(f32s_to_f16s(&[wide])[0].to_bits(), bits, "{bits:04x}");
            of_half += u32::from(f16::from_f32(wide).to_bits() != bits);
            // A NaN is made quiet, as ggml does.
            let wide = bf16_to_f32(bf16::from_bits(bits));
            let quiet = if wide.is_nan() { bits | 0x40 } else { bits };
            assert_eq!(bf16::from_f32(wide).to_bits(), quiet, "{bits:04x}");
        }
        // The crate alone would lose the signalling ones on this way too.
        assert_eq!(of_half, 2 * 511);
    }

    #[test]
    fn between_two_neighbours_the_nearer_is_taken() {
        let wide = |bits| f16_to_f32(f16::from_bits(bits));
        let narrow = |value| f32_to_f16(value).to_bits();
        for bits in (0..0x7bff).chain(0x8000..0xfbff) {
            let (one, two) = (wide(bits), wide(bits + 1));
            let middle = one + (two - one) / 2.0;
            let even = bits + (bits & 1);
            let sides = [f32::from_bits(middle.to_bits() - 1), middle, f32::from_bits(middle.to_bits() + 1)];
            assert_eq!(sides.map(narrow), [bits, even, bits + 1], "{bits:04x}");
            assert_eq!(
                f32s_to_f16s(&sides).iter().map(|f| f.to_bits()).collect::<Vec<_>>(),
                [bits, even, bits + 1]
            );
        }
        assert_eq!(narrow(65519.996), 0x7bff);
        assert_eq!(narrow(65520.0), 0x7c00);
        assert_eq!(narrow(f32::MIN), 0xfc00);
        assert_eq!(narrow(1e-45), 0);
        assert_eq!(narrow(f32::from_bits(0x7f80_0001)), 0x7c01);
        assert_eq!(narrow(f32::from_bits(0xff80_0001)), 0xfc01);
    }

    #[test]
    fn bfloat16_rounds_to_the_nearest_even() {
        for upper in (0..0x7f7f_u32).chain(0x8000..0xff7f) {
            for (lower, expected) in [(0, 0), (0x7fff, 0), (0x8000, upper & 1), (0x8001, 1), (0xffff, 1)] {
                let narrow = bf16::from_f32(f32::from_bits(upper << 16 | lower)).to_bits();
                assert_eq!(u32::from(narrow), upper + expected, "{upper:04x} {lower:04x}");
            }
        }
    }
}
