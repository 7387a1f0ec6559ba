//! The layout of block types: what the decoders share.

use super::half_float::f16;

/// Weights in a block of the K, IQ and TQ types (`QK_K` in ggml).
pub(super) const SUPER: usize = 256;

/// Declares a block type's fields in the order in which they lie, each with its length in bytes, and
/// checks at compile time that they add up to the bytes of a block in the table of data types. All
/// fields are bytes: the parts of a block are not aligned.
macro_rules! layout {
    ($name:ident = $dtype:ident { $($field:ident: $length:literal),* }) => {
        struct $name<'a> { $($field: &'a [u8; $length],)* }

        impl<'a> $name<'a> {
            #[inline(always)]
            fn of(block: &'a [u8; 0 $(+ $length)*]) -> Self {
                let rest: &[u8] = block;
                $(let ($field, rest) = rest.split_first_chunk().expect("the lengths add up");)*
                debug_assert!(rest.is_empty());
                Self { $($field,)* }
            }
        }

        const _: () = assert!($crate::quant::Dtype::$dtype.info().block_bytes == 0 $(+ $length)*);
    };
}
pub(super) use layout;

/// An f16 of a block.
#[inline(always)]
pub(super) fn half(bytes: &[u8; 2]) -> f32 {
    f16(u16::from_le_bytes(*bytes))
}

/// One nibble of a row of them, low half first.
#[inline(always)]
pub(super) fn nibble(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 2] >> (i % 2 * 4) & 15
}

/// The values of the codes 0–15, times a scale.
#[inline(always)]
pub(super) fn scaled(values: &[i8; 16], scale: f32) -> [f32; 16] {
    values.map(|value| scale * f32::from(value))
}

/// Looks up the low nibbles of `qs` for the first half of the weights, the high ones for the second.
#[inline(always)]
pub(super) fn look_up_halves(qs: &[u8], table: &[f32; 16], out: &mut [f32]) {
    let (low, high) = out.split_at_mut(qs.len());
    for ((low, high), &pair) in low.iter_mut().zip(high).zip(qs) {
        *low = table[usize::from(pair & 15)];
        *high = table[usize::from(pair >> 4)];
    }
}
