//! ggml's types for weights that are −d, 0 or d (TQ), or −d or d (Q1_0).
//! Source: ggml `ggml-common.h` (layouts) and `dequantize_row_tq*`, `dequantize_row_q1_0` in
//! `ggml-quants.c`.

use super::k::two_bits;
use super::layout::{SUPER, half, layout};

layout!(Tq1_0 = TQ1_0 { qs: 48, qh: 4, d: 2 });
layout!(Tq2_0 = TQ2_0 { qs: 64, d: 2 });
layout!(Q1_0 = Q1_0 { d: 2, qs: 16 });

/// Decodes the digits of each byte of `qs`: the first digits of all bytes, then the second ones.
/// A byte is a fraction of 256, written in base three.
#[inline(always)]
fn digits(qs: &[u8], out: &mut [f32], d: f32) {
    let mut power = 1u8;
    for out in out.chunks_exact_mut(qs.len()) {
        for (out, q) in out.iter_mut().zip(qs) {
            let digit = ((u16::from(q.wrapping_mul(power)) * 3) >> 8) as i16;
            *out = d * f32::from(digit - 1);
        }
        power = power.wrapping_mul(3);
    }
}

/// TQ1_0: five weights in a byte of the first 48, four in one of the last 4.
#[inline(always)]
pub fn tq1_0(block: &[u8; 54], out: &mut [f32; SUPER]) {
    let Tq1_0 { qs, qh, d } = Tq1_0::of(block);
    let d = half(d);
    let (first, rest) = out.split_at_mut(160);
    let (second, last) = rest.split_at_mut(80);
    digits(&qs[..32], first, d);
    digits(&qs[32..], second, d);
    digits(qh, last, d);
}

/// TQ2_0: four weights in a byte; `d · (q − 1)`.
#[inline(always)]
pub fn tq2_0(block: &[u8; 66], out: &mut [f32; SUPER]) {
    let Tq2_0 { qs, d } = Tq2_0::of(block);
    let d = half(d);
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (qs, shift) = two_bits(qs, i);
        for (out, q) in out.iter_mut().zip(qs) {
            *out = d * f32::from((q >> shift & 3) as i8 - 1);
        }
    }
}

/// Q1_0: a bit for each of 128 weights; `d` where it is set, else `−d`.
#[inline(always)]
pub fn q1_0(block: &[u8; 18], out: &mut [f32; 128]) {
    let Q1_0 { d, qs } = Q1_0::of(block);
    let d = half(d).to_bits();
    for (out, &q) in out.as_chunks_mut::<8>().0.iter_mut().zip(qs) {
        for (j, out) in out.iter_mut().enumerate() {
            *out = f32::from_bits(d ^ (u32::from(!q) << (31 - j) & 1 << 31));
        }
    }
}
