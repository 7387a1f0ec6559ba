//! Quantizing to ggml's K types. Each sub-block of 16 or 32 weights gets a scale (and a minimum); these are
//! rounded to small integers at an f16 scale of the whole block; then the weights are encoded again, with the
//! scales as they are stored.
//! Source: `quantize_row_q*_K_ref` in ggml's `ggml-quants.c`. Layouts: `quant/k.rs`.

use super::fit::{Fit, NEGLIGIBLE, Search, affine, extreme, nearest, one_by_one, symmetric};
use super::pack::{put_half, put_two_bits};
use crate::quant::half_float::{f16_to_f32, f32_to_f16};
use crate::quant::layout::SUPER;

/// A number as an f16 holds it.
fn stored(value: f32) -> f32 {
    f16_to_f32(f32_to_f16(value))
}

/// The greatest value, at least 0.
fn greatest<const N: usize>(values: &[f32; N]) -> f32 {
    values.iter().fold(0.0, |greatest, &value| if value > greatest { value } else { greatest })
}

/// Fits every sub-block.
#[inline(always)]
fn fit_all<const N: usize, const COUNT: usize>(
    weights: &[f32; SUPER],
    fit: impl Fn(&[f32; N]) -> Fit<N>,
) -> [Fit<N>; COUNT] {
    let parts = weights.as_chunks().0;
    std::array::from_fn(|i| fit(&parts[i]))
}

/// Encodes weights again with a stored scale and minimum; codes from `min` to `max` are counted from 0.
/// With a scale that became zero the codes stay as they were found.
#[inline(always)]
fn encode<const N: usize>(fit: &mut Fit<N>, weights: &[f32; N], d: f32, m: f32, min: i32, max: i32) {
    if d != 0.0 {
        fit.codes = weights.map(|weight| (nearest((weight + m) / d).clamp(min, max) - min) as u8);
    }
}

/// The codes of all sub-blocks.
fn join<const N: usize>(fits: &[Fit<N>]) -> [u8; SUPER] {
    let mut codes = [0; SUPER];
    for (codes, fit) in codes.as_chunks_mut().0.iter_mut().zip(fits) {
        *codes = fit.codes;
    }
    codes
}

/// Packs one bit of each code: those of the first 32 are the lowest bits of 32 bytes.
fn put_bits(out: &mut Vec<u8>, bits: &[u8; SUPER]) {
    out.extend((0..32).map(|j| (0..8).fold(0, |byte, i| byte | bits[32 * i + j] << i)));
}

/// Packs the lowest four bits of each code: of every 2 × `HALF` codes the first ones are the low nibbles.
fn put_nibbles<const HALF: usize>(out: &mut Vec<u8>, codes: &[u8; SUPER]) {
    for codes in codes.chunks_exact(2 * HALF) {
        out.extend((0..HALF).map(|i| codes[i] & 15 | codes[HALF + i] << 4));
    }
}

/// Q2_K: sub-blocks of 16 whose absolute errors count; scales and minima of four bits.
pub(super) fn q2_k(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let mut fits: [_; 16] = fit_all(weights, |weights: &[f32; 16]| {
        affine(weights, &weights.map(f32::abs), Search { top: 3, first: -0.5, steps: 15 }, f32::abs)
    });
    let four_bits = |values: [f32; 16]| {
        let greatest = greatest(&values);
        let inverse = if greatest > 0.0 { 15.0 / greatest } else { 0.0 };
        (greatest / 15.0, values.map(|value| nearest(inverse * value) as u8))
    };
    let (d, scales) = four_bits(fits.each_ref().map(|fit| fit.scale));
    let (dmin, minima) = four_bits(fits.each_ref().map(|fit| fit.minimum));
    for (i, (fit, weights)) in fits.iter_mut().zip(weights.as_chunks().0).enumerate() {
        let both = scales[i] | minima[i] << 4;
        encode(fit, weights, stored(d) * f32::from(both & 15), stored(dmin) * f32::from(both >> 4), 0, 3);
        out.push(both);
    }
    put_two_bits(out, &join(&fits));
    put_half(out, d);
    put_half(out, dmin);
}

/// Q3_K: sub-blocks of 16; scales of six bits, the highest two apart; the highest bits of the codes apart.
pub(super) fn q3_k(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let mut fits: [_; 16] = fit_all(weights, |weights: &[f32; 16]| one_by_one(weights, 4));
    let extreme = extreme(&fits.each_ref().map(|fit| fit.scale));
    let inverse = -32.0 / extreme;
    let d = if extreme == 0.0 { 0.0 } else { 1.0 / inverse };
    let mut scales = [0; 12];
    for (i, (fit, weights)) in fits.iter_mut().zip(weights.as_chunks().0).enumerate() {
        // Without any scale all bits are zero, which stands for −32.
        let scale = if extreme == 0.0 { -32 } else { (nearest(inverse * fit.scale) as i8).clamp(-32, 31) };
        encode(fit, weights, stored(d) * f32::from(scale), 0.0, -4, 3);
        let bits = (scale + 32) as u8;
        scales[i % 8] |= (bits & 15) << (i / 8 * 4);
        scales[8 + i % 4] |= bits >> 4 << (i / 4 * 2);
    }
    let codes = join(&fits);
    put_bits(out, &codes.map(|code| code >> 2));
    put_two_bits(out, &codes.map(|code| code & 3));
    out.extend(scales);
    put_half(out, d);
}

/// Writes the scales and minima of Q4_K and Q5_K, six bits each, and returns the codes: sub-blocks of 32.
#[inline(always)]
fn q4_or_q5(weights: &[f32; SUPER], search: fn() -> Search, out: &mut Vec<u8>) -> [u8; SUPER] {
    let mut fits: [_; 8] = fit_all(weights, |weights: &[f32; 32]| {
        let squares = weights.iter().fold(0.0, |sum, weight| sum + weight * weight);
        let average = (squares / 32.0f32).sqrt();
        affine(weights, &weights.map(|weight| average + weight.abs()), search(), |error| error * error)
    });
    let six_bits = |values: [f32; 8]| {
        let greatest = greatest(&values);
        let inverse = if greatest > 0.0 { 63.0 / greatest } else { 0.0 };
        (greatest / 63.0, values.map(|value| (nearest(inverse * value) as u8).min(63)))
    };
    let (d, scales) = six_bits(fits.each_ref().map(|fit| fit.scale));
    let (dmin, minima) = six_bits(fits.each_ref().map(|fit| fit.minimum));
    for (i, (fit, weights)) in fits.iter_mut().zip(weights.as_chunks().0).enumerate() {
        let (scale, minimum) = (stored(d) * f32::from(scales[i]), stored(dmin) * f32::from(minima[i]));
        encode(fit, weights, scale, minimum, 0, search().top.into());
    }
    put_half(out, d);
    put_half(out, dmin);
    for values in [&scales, &minima] {
        out.extend((0..4).map(|i| values[i] | values[4 + i] >> 4 << 6));
    }
    out.extend((4..8).map(|i| scales[i] & 15 | minima[i] << 4));
    join(&fits)
}

/// Q4_K.
pub(super) fn q4_k(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let codes = q4_or_q5(weights, || Search { top: 15, first: -1.0, steps: 20 }, out);
    put_nibbles::<32>(out, &codes);
}

/// Q5_K: the fifth bits of the codes apart.
pub(super) fn q5_k(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let codes = q4_or_q5(weights, || Search { top: 31, first: -0.5, steps: 15 }, out);
    put_bits(out, &codes.map(|code| code >> 4));
    put_nibbles::<32>(out, &codes);
}

/// Q6_K: sub-blocks of 16; signed scales of eight bits; the highest two bits of the codes apart.
pub(super) fn q6_k(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let mut fits: [_; 16] = fit_all(weights, |weights: &[f32; 16]| symmetric(weights, 32));
    let extreme = extreme(&fits.each_ref().map(|fit| fit.scale));
    if extreme.abs() < NEGLIGIBLE {
        out.extend([0; 210]);
        return;
    }
    let inverse = -128.0 / extreme;
    let d = 1.0 / inverse;
    let scales = fits.each_ref().map(|fit| nearest(inverse * fit.scale).min(127) as i8);
    for ((fit, weights), scale) in fits.iter_mut().zip(weights.as_chunks().0).zip(scales) {
        encode(fit, weights, stored(d) * f32::from(scale), 0.0, -32, 31);
    }
    let codes = join(&fits);
    put_nibbles::<64>(out, &codes);
    put_two_bits(out, &codes.map(|code| code >> 4));
    out.extend(scales.map(|scale| scale as u8));
    put_half(out, d);
}
