//! Sixteen-bit floating point, widened without loss: every pattern becomes an f32 of its own. The
//! crate `half` and x86's F16C make a signalling NaN quiet, so two patterns would share one atom.

/// Exponent of the smallest normal f16, 2⁻¹⁴, in an f32's bits.
const LEAST_NORMAL: u32 = 113 << 23;

/// IEEE 754 binary16. Without branches, so that loops over it are vectorized.
pub fn f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff) << 13;
    let magnitude = match bits & 0x7c00 {
        0x7c00 => rest | 0x7f80_0000,
        // A subnormal, read as 2⁻¹⁴ · 1.mantissa; taking 2⁻¹⁴ away is exact.
        0 => (f32::from_bits(rest + LEAST_NORMAL) - f32::from_bits(LEAST_NORMAL)).to_bits(),
        _ => rest + (112 << 23),
    };
    f32::from_bits(sign | magnitude)
}

/// bfloat16: the upper half of an f32.
pub fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
