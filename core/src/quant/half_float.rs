//! Sixteen-bit floating point, widened without loss: every pattern becomes an f32 of its own. The
//! crate `half` and x86's F16C make a signalling NaN quiet, so two patterns would share one atom.
//! And the way back, rounded to the nearest, ties to even.

/// How much greater an exponent is in an f32, in its bits.
const REBIAS: u32 = (127 - 15) << 23;
/// 2⁻¹⁴, the smallest normal f16, in an f32's bits.
const LEAST_NORMAL: u32 = 113 << 23;

/// IEEE 754 binary16. Without branches and in words of 32 bits, so that loops over it are vectorized.
#[inline(always)]
pub fn f16(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let sign = (bits & 0x8000) << 16;
    let rest = (bits & 0x7fff) << 13;
    // The highest exponent, of infinities and NaN, is the highest again: 31 + 112 + 112 = 255.
    let special = if rest >= 0x7c00 << 13 { REBIAS } else { 0 };
    // A subnormal, read as 2⁻¹⁴ · 1.mantissa; taking 2⁻¹⁴ away is exact.
    let subnormal = f32::from_bits(rest + LEAST_NORMAL) - f32::from_bits(LEAST_NORMAL);
    let magnitude = if rest < 0x400 << 13 { subnormal.to_bits() } else { rest + REBIAS + special };
    f32::from_bits(sign | magnitude)
}

/// bfloat16: the upper half of an f32.
#[inline(always)]
pub fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest binary16; from 65520 on that is infinity. A NaN keeps its sign and the upper bits of
/// its payload, and stays a NaN.
pub fn to_f16(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let magnitude = value.to_bits() & 0x7fff_ffff;
    sign | match magnitude {
        0x7f80_0001.. => (0x7c00 | magnitude >> 13 & 0x3ff).max(0x7c01) as u16,
        // 65520, half-way between the greatest binary16 and the number that would come after it.
        0x477f_f000.. => 0x7c00,
        // Normal: the exponent moves, and a carry from rounding may move it again.
        0x3880_0000.. => {
            let even = magnitude >> 13 & 1;
            ((magnitude - (112 << 23) + 0xfff + even) >> 13) as u16
        }
        // Subnormal: adding ½ lets the unit in the last place be that of a subnormal, 2⁻²⁴.
        _ => ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()) as u16,
    }
}

/// The nearest bfloat16. A NaN is made quiet, as ggml does.
pub fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16 | 0x40) as u16;
    }
    // Cannot overflow: an infinity has nothing to round.
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_comes_back() {
        for bits in 0..=u16::MAX {
            assert_eq!(to_f16(f16(bits)), bits, "{bits:04x}");
            let quiet = if bf16(bits).is_nan() { bits | 0x40 } else { bits };
            assert_eq!(to_bf16(bf16(bits)), quiet, "{bits:04x}");
        }
    }

    #[test]
    fn between_two_neighbours_the_nearer_is_taken() {
        for bits in (0..0x7bff).chain(0x8000..0xfbff) {
            let (one, two) = (f16(bits), f16(bits + 1));
            let middle = one + (two - one) / 2.0;
            let even = bits + (bits & 1);
            assert_eq!(to_f16(middle), even, "{bits:04x}");
            assert_eq!(to_f16(f32::from_bits(middle.to_bits() - 1)), bits, "{bits:04x}");
            assert_eq!(to_f16(f32::from_bits(middle.to_bits() + 1)), bits + 1, "{bits:04x}");
        }
        assert_eq!(to_f16(65519.996), 0x7bff);
        assert_eq!(to_f16(65520.0), 0x7c00);
        assert_eq!(to_f16(f32::MIN), 0xfc00);
        assert_eq!(to_f16(1e-45), 0);
        assert_eq!(to_f16(f32::from_bits(0x7f80_0001)), 0x7c01);
    }
}
