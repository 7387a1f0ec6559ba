//! ggml's types for weights that are −d, 0 or d (TQ), −d or d (Q1_0), or −d, 0, d or 2d (Q2_0).
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_tq*`, `dequantize_row_q1_0`, `dequantize_row_q2_0` in
//! `ggml-quants.c`.

use super::layout::{ONES, SUPER, half, layout, masks, two_bits};
use crate::simd::level::{Level, map};

layout!(Tq1_0 = TQ1_0 { qs: 48, qh: 4, d: 2 });
layout!(Tq2_0 = TQ2_0 { qs: 64, d: 2 });
layout!(Q1_0 = Q1_0 { d: 2, qs: 16 });
layout!(Q2_0 = Q2_0 { d: 2, qs: 16 });

/// The digits of each byte of `qs`: the first digits of all bytes, then the second ones, and so on. A
/// byte is a fraction of 256, written in base three.
#[inline(always)]
fn digits(qs: &[u8], codes: &mut [u8]) {
    let mut power = 1u8;
    for codes in codes.chunks_exact_mut(qs.len()) {
        for (code, q) in codes.iter_mut().zip(qs) {
            *code = (((u16::from(q.wrapping_mul(power)) * 3) >> 8) as u8).wrapping_sub(1);
        }
        power = power.wrapping_mul(3);
    }
}

/// TQ1_0: five weights in a byte of the first 48, four in one of the last 4; `d · (q − 1)`.
#[inline(always)]
pub fn tq1_0<L: Level>(level: L, block: &[u8; 54], out: &mut [f32; SUPER]) {
    let Tq1_0 { qs, qh, d } = Tq1_0::from_block(block);
    let mut codes = [0; SUPER];
    let (first, rest) = codes.split_at_mut(160);
    let (second, last) = rest.split_at_mut(80);
    digits(&qs[..32], first);
    digits(&qs[32..], second);
    digits(qh, last);
    level.scale(&codes, half(d), out);
}

/// TQ2_0: four weights in a byte; `d · (q − 1)`.
#[inline(always)]
pub fn tq2_0<L: Level>(level: L, block: &[u8; 66], out: &mut [f32; SUPER]) {
    let Tq2_0 { qs, d } = Tq2_0::from_block(block);
    level.scale(&map(&two_bits(qs), |q| q.wrapping_sub(1)), half(d), out);
}

/// Q1_0: a bit for each of 128 weights; `d` where it is set, else `−d`.
#[inline(always)]
pub fn q1_0<L: Level>(level: L, block: &[u8; 18], out: &mut [f32; 128]) {
    let Q1_0 { d, qs } = Q1_0::from_block(block);
    let mut codes = [0; 128];
    for (codes, &q) in codes.as_chunks_mut::<8>().0.iter_mut().zip(qs) {
        // −1 is all ones; the mask of a plus is nought.
        *codes = (masks(!q) | ONES).to_le_bytes();
    }
    level.scale(&codes, half(d), out);
}

/// Q2_0: four weights in a byte, the first in its lowest bits; `d · (q − 1)`.
#[inline(always)]
pub fn q2_0<L: Level>(level: L, block: &[u8; 18], out: &mut [f32; 64]) {
    let Q2_0 { d, qs } = Q2_0::from_block(block);
    let mut codes = [0; 64];
    for (codes, q) in codes.as_chunks_mut::<4>().0.iter_mut().zip(qs) {
        *codes = [q & 3, q >> 2 & 3, q >> 4 & 3, q >> 6].map(|q| q.wrapping_sub(1));
    }
    level.scale(&codes, half(d), out);
}
