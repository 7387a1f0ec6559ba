//! The layout of block types: what the decoders share.

use super::half_float::{f16, f16_to_f32};
use crate::simd::level::{Level, map};

/// Weights in a block of the K, IQ and TQ types (`QK_K` in ggml).
pub(super) const SUPER: usize = 256;

/// Eight bytes, each of them one.
pub(super) const ONES: u64 = 0x0101_0101_0101_0101;

/// Declares a block type's fields in the order in which they lie, each with its length in bytes, and
/// checks at compile time that they add up to the bytes of a block in the table of data types. All
/// fields are bytes: the parts of a block are not aligned.
macro_rules! layout {
    ($name:ident = $dtype:ident { $($field:ident: $length:literal),* }) => {
        struct $name<'a> { $($field: &'a [u8; $length],)* }

        impl<'a> $name<'a> {
            #[inline(always)]
            fn from_block(block: &'a [u8; 0 $(+ $length)*]) -> Self {
                let rest: &[u8] = block;
                $(let ($field, rest) = rest.split_first_chunk().expect("the lengths add up");)*
                debug_assert!(rest.is_empty());
                Self { $($field,)* }
            }
        }

        const _: () = assert!($crate::dtype::Dtype::$dtype.info().block_bytes == 0 $(+ $length)*);
    };
}
pub(super) use layout;

/// An f16 of a block.
#[inline(always)]
pub(super) fn half(bytes: &[u8; 2]) -> f32 {
    f16_to_f32(f16::from_le_bytes(*bytes))
}

/// One nibble of a row of them, low half first.
#[inline(always)]
pub(super) fn nibble(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 2] >> (i % 2 * 4) & 15
}

/// The nibbles of 16 bytes: low ones are codes 0–15, high ones 16–31.
#[inline(always)]
pub(super) fn halves(qs: &[u8; 16]) -> [u8; 32] {
    let mut codes = [0; 32];
    let (low, high) = codes.split_at_mut(16);
    low.copy_from_slice(&map(qs, |pair| pair & 15));
    high.copy_from_slice(&map(qs, |pair| pair >> 4));
    codes
}

/// Codes of two bits of 256 weights in 64 bytes: the lowest bits of the first 32 bytes, then the next
/// bits of them, and so on; then the other 32 bytes.
#[inline(always)]
pub(super) fn two_bits(qs: &[u8; 64]) -> [u8; SUPER] {
    let mut codes = [0; SUPER];
    for (qs, codes) in qs.as_chunks::<32>().0.iter().zip(codes.as_chunks_mut::<128>().0) {
        for (i, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            *codes = map(qs, |q| q >> (2 * i) & 3);
        }
    }
    codes
}

/// For each bit of a byte, lowest first, a byte that is all ones where it is set.
#[inline(always)]
pub(super) fn masks(bits: u8) -> u64 {
    MASKS[usize::from(bits)]
}

static MASKS: [u64; 256] = {
    let mut masks = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        let mut j = 0;
        while j < 8 {
            masks[bits] |= (0xff * (bits as u64 >> j & 1)) << (8 * j);
            j += 1;
        }
        bits += 1;
    }
    masks
};

/// Scales the values that 32 codes name.
#[inline(always)]
pub(super) fn scale_values<L: Level>(
    level: L,
    values: &[i8; 16],
    codes: &[u8; 32],
    d: f32,
    out: &mut [f32; 32],
) {
    for (codes, out) in codes.as_chunks().0.iter().zip(out.as_chunks_mut::<16>().0) {
        level.scale(&level.look_up(values, codes), d, out);
    }
}
