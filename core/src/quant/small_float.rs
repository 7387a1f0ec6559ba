//! Eight-bit floating point. Sources: OCP 8-bit Floating Point Specification (E4M3, E5M2), OCP
//! Microscaling Formats v1.0 (E8M0), and arXiv 2206.02915 (the FNUZ variants).

/// What an eight-bit type does with its highest codes.
#[derive(Clone, Copy, PartialEq)]
enum Specials {
    /// As IEEE 754: the highest exponent holds infinities and NaN.
    Ieee,
    /// No infinity; only all ones below the sign is NaN.
    FiniteNan,
    /// No infinity and no negative zero: that code is the only NaN.
    UnsignedZero,
}

fn decode(code: u8, mantissa_bits: u32, bias: i32, specials: Specials) -> f32 {
    let exponent_bits = 7 - mantissa_bits;
    let exponent = i32::from(code >> mantissa_bits) & ((1 << exponent_bits) - 1);
    let mantissa = u32::from(code) & ((1 << mantissa_bits) - 1);
    let sign = if code & 0x80 == 0 { 1.0 } else { -1.0 };
    let top_exponent = exponent == (1 << exponent_bits) - 1;
    let nan = match specials {
        Specials::Ieee => top_exponent && mantissa != 0,
        Specials::FiniteNan => code & 0x7f == 0x7f,
        Specials::UnsignedZero => code == 0x80,
    };
    if nan {
        return f32::NAN.copysign(sign);
    }
    if specials == Specials::Ieee && top_exponent {
        return f32::INFINITY.copysign(sign);
    }
    // Every value fits f32 exactly, so powers of two and products round nothing.
    let unit = (mantissa_bits as f32).exp2().recip();
    let magnitude = if exponent == 0 {
        mantissa as f32 * unit * ((1 - bias) as f32).exp2()
    } else {
        (1.0 + mantissa as f32 * unit) * ((exponent - bias) as f32).exp2()
    };
    magnitude * sign
}

fn table(decode: impl Fn(u8) -> f32) -> [f32; 256] {
    std::array::from_fn(|code| decode(code as u8))
}

/// All 256 values of F8_E4M3 (no infinity, as safetensors and PyTorch's `float8_e4m3fn`).
pub fn e4m3() -> [f32; 256] {
    table(|code| decode(code, 3, 7, Specials::FiniteNan))
}

/// All 256 values of F8_E5M2.
pub fn e5m2() -> [f32; 256] {
    table(|code| decode(code, 2, 15, Specials::Ieee))
}

/// All 256 values of F8_E4M3FNUZ.
pub fn e4m3fnuz() -> [f32; 256] {
    table(|code| decode(code, 3, 8, Specials::UnsignedZero))
}

/// All 256 values of F8_E5M2FNUZ.
pub fn e5m2fnuz() -> [f32; 256] {
    table(|code| decode(code, 2, 16, Specials::UnsignedZero))
}

/// All 256 values of F8_E8M0: powers of two from 2⁻¹²⁷ to 2¹²⁷, and NaN.
pub fn e8m0() -> [f32; 256] {
    table(|code| match code {
        255 => f32::NAN,
        // 2⁻¹²⁷ is a subnormal f32: half the smallest normal one.
        0 => f32::MIN_POSITIVE / 2.0,
        _ => f32::from_bits(u32::from(code) << 23),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes() {
        let e4m3 = e4m3();
        assert_eq!(e4m3[0x38], 1.0);
        assert_eq!(e4m3[0x7e], 448.0);
        assert_eq!(e4m3[0x01], 2f32.powi(-9));
        assert!(e4m3[0x7f].is_nan() && e4m3[0xff].is_nan());
        let e5m2 = e5m2();
        assert_eq!(e5m2[0x3c], 1.0);
        assert_eq!(e5m2[0x7b], 57344.0);
        assert_eq!(e5m2[0x7c], f32::INFINITY);
        assert_eq!(e5m2[0x01], 2f32.powi(-16));
        assert!(e4m3fnuz()[0x80].is_nan());
        assert_eq!(e4m3fnuz()[0x7f], 240.0);
        assert_eq!(e5m2fnuz()[0x7f], 57344.0);
        assert_eq!(e8m0()[127], 1.0);
        assert_eq!(e8m0()[0], 2f32.powi(-127));
    }
}
