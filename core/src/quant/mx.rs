//! Four-bit floating point (E2M1) behind eight-bit scales.
//! Sources: OCP Microscaling Formats v1.0 (E2M1, E8M0), ggml `ggml-common.h` (layouts) and
//! `dequantize_row_mxfp4`, `dequantize_row_nvfp4` in `ggml-quants.c`, gguf-py's `MXFP4` and `NVFP4`.

use super::layout::{halves, layout, scale_values};
use crate::simd::level::{Level, map};

layout!(Mxfp4 = MXFP4 { e: 1, qs: 16 });
layout!(Nvfp4 = NVFP4 { d: 4, qs: 32 });

/// The values of E2M1, doubled; scales are halved instead. Code 8, a negative zero, is 0 in ggml.
pub(super) const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Half of an E8M0: 2^(code − 128). Unlike the specification ggml has no NaN: code 255 is 2¹²⁷.
#[inline(always)]
pub(super) fn e8m0_halved(code: u8) -> f32 {
    let code = u32::from(code);
    // 2⁻¹²⁸ and 2⁻¹²⁷ are subnormal.
    f32::from_bits(if code < 2 { 1 << (21 + code) } else { (code - 1) << 23 })
}

/// Half of an unsigned E4M3 for each byte. The eighth bit has no meaning. 127 is 0 and not NaN; 255 is a
/// number.
static UE4M3_HALVED: [f32; 256] = {
    let mut values = [0.0; 256];
    let mut code = 1;
    while code < 256 {
        let (exponent, mantissa) = (code >> 3 & 15, (code & 7) as f32);
        values[code] = if exponent == 0 {
            // A unit of 2⁻⁹, halved.
            mantissa / 1024.0
        } else {
            // 2^(exponent − 7), halved, as an f32.
            (1.0 + mantissa / 8.0) * f32::from_bits(((exponent + 127 - 8) << 23) as u32)
        };
        code += 1;
    }
    values[0x7f] = 0.0;
    values
};

/// MXFP4: 32 weights behind an E8M0 scale.
#[inline(always)]
pub fn mxfp4<L: Level>(level: L, block: &[u8; 17], out: &mut [f32; 32]) {
    let Mxfp4 { e: [e], qs } = Mxfp4::from_block(block);
    scale_values(level, &E2M1_DOUBLED, &halves(qs), e8m0_halved(*e), out);
}

/// NVFP4: four groups of 16 weights, each behind an E4M3 scale.
#[inline(always)]
pub fn nvfp4<L: Level>(level: L, block: &[u8; 36], out: &mut [f32; 64]) {
    let Nvfp4 { d, qs } = Nvfp4::from_block(block);
    for ((qs, &d), out) in qs.as_chunks::<8>().0.iter().zip(d).zip(out.as_chunks_mut::<16>().0) {
        let mut codes = [0; 16];
        codes[..8].copy_from_slice(&map(qs, |pair| pair & 15));
        codes[8..].copy_from_slice(&map(qs, |pair| pair >> 4));
        level.scale(&level.look_up(&E2M1_DOUBLED, &codes), UE4M3_HALVED[usize::from(d)], out);
    }
}
