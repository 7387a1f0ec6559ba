//! Quantizing: what a tensor would be in a smaller type. Bit for bit what ggml's `ggml_quantize_chunk` makes
//! of finite weights without an importance matrix, which is its reference (`quantize_row_*_ref` in
//! `ggml-quants.c`) for every type but IQ4_NL; and what gguf-py's `gguf.quants.quantize` makes, where that
//! knows the type. The two differ in one bit, in which gguf-py is followed: the sign of the scale of Q4_0 and
//! Q5_0 blocks of zeros.
//!
//! Every sum and product is rounded by itself. So does ggml where its base library is built for plain x86-64,
//! as packages have it; where a compiler may fuse a product and a sum, as it may by default for 64-bit
//! ARM, ggml itself finds other codes.

mod fit;
mod iq4;
mod k;
mod pack;

use super::half_float::{bf16, f32s_to_f16s};
use super::layout::SUPER;
use super::mx::{E2M1_DOUBLED, e8m0_halved};
use crate::dtype::Dtype;
use pack::{bounds, put_half, put_nibbles, put_two_bits, reciprocal};

/// Why weights could not be quantized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// There is no quantizer for this type.
    #[error("weights cannot be quantized to type {}", .0.name())]
    Unsupported(Dtype),
    /// The weights do not fill whole blocks.
    #[error("{count} weights do not fill a whole number of {} blocks of {}", .dtype.name(), .dtype.info().block_weights)]
    PartialBlock {
        /// The type.
        dtype: Dtype,
        /// Number of weights given.
        count: usize,
    },
    /// A row of no weights, or a last row that is not full.
    #[error("{count} weights are not a whole number of rows of {columns}")]
    PartialRow {
        /// Weights of a row.
        columns: usize,
        /// Number of weights given.
        count: usize,
    },
    /// A block has a scale for all of its weights, which only finite ones can share.
    #[error("weight {position} is {value}: blocks hold finite weights only")]
    NotFinite {
        /// Position of the weight among those given.
        position: usize,
        /// The weight.
        value: f32,
    },
}

impl Dtype {
    /// True when [`quantize`] makes this type.
    pub fn is_quantizable(self) -> bool {
        use Dtype::*;
        matches!(
            self,
            F32 | F16
                | BF16
                | Q4_0
                | Q4_1
                | Q5_0
                | Q5_1
                | Q8_0
                | Q2_K
                | Q3_K
                | Q4_K
                | Q5_K
                | Q6_K
                | IQ4_NL
                | IQ4_XS
                | TQ1_0
                | TQ2_0
                | MXFP4
        )
    }
}

/// Weights between two calls of `watch`: about 25 ms of work of the slowest type.
const PIECE: usize = 1 << 18;

/// Quantizes weights that fill whole blocks.
///
/// # Errors
/// [`QuantizeError`]; F32, F16 and BF16 hold infinities and NaN, blocks do not.
pub fn quantize(dtype: Dtype, weights: &[f32]) -> Result<Vec<u8>, QuantizeError> {
    quantize_watched(dtype, weights, || ())
}

/// As [`quantize`], with a call of `watch`, which may unwind, many times a second: the K and IQ types take
/// about a second for ten million weights.
///
/// # Errors
/// As [`quantize`].
pub fn quantize_watched(
    dtype: Dtype,
    weights: &[f32],
    mut watch: impl FnMut(),
) -> Result<Vec<u8>, QuantizeError> {
    if !dtype.is_quantizable() {
        return Err(QuantizeError::Unsupported(dtype));
    }
    let row = dtype.info();
    if !weights.len().is_multiple_of(row.block_weights as usize) {
        return Err(QuantizeError::PartialBlock { dtype, count: weights.len() });
    }
    if dtype.is_quantized() {
        check_finite(weights)?;
    }
    let mut out = Vec::with_capacity(weights.len() / row.block_weights as usize * row.block_bytes as usize);
    for piece in weights.chunks(PIECE) {
        watch();
        append(dtype, piece, &mut out)?;
    }
    Ok(out)
}

fn append(dtype: Dtype, weights: &[f32], out: &mut Vec<u8>) -> Result<(), QuantizeError> {
    match dtype {
        Dtype::F32 => out.extend(weights.iter().flat_map(|weight| weight.to_le_bytes())),
        Dtype::F16 => out.extend(f32s_to_f16s(weights).into_iter().flat_map(|half| half.to_le_bytes())),
        Dtype::BF16 => out.extend(weights.iter().flat_map(|weight| bf16::from_f32(*weight).to_le_bytes())),
        Dtype::Q4_0 => blocks(weights, out, q4_0),
        Dtype::Q4_1 => blocks(weights, out, q4_1),
        Dtype::Q5_0 => blocks(weights, out, q5_0),
        Dtype::Q5_1 => blocks(weights, out, q5_1),
        Dtype::Q8_0 => blocks(weights, out, q8_0),
        Dtype::Q2_K => blocks(weights, out, k::q2_k),
        Dtype::Q3_K => blocks(weights, out, k::q3_k),
        Dtype::Q4_K => blocks(weights, out, k::q4_k),
        Dtype::Q5_K => blocks(weights, out, k::q5_k),
        Dtype::Q6_K => blocks(weights, out, k::q6_k),
        Dtype::IQ4_NL => blocks(weights, out, iq4::iq4_nl),
        Dtype::IQ4_XS => blocks(weights, out, iq4::iq4_xs),
        Dtype::TQ1_0 => blocks(weights, out, tq1_0),
        Dtype::TQ2_0 => blocks(weights, out, tq2_0),
        Dtype::MXFP4 => blocks(weights, out, mxfp4),
        _ => return Err(QuantizeError::Unsupported(dtype)),
    }
    Ok(())
}

fn check_finite(weights: &[f32]) -> Result<(), QuantizeError> {
    match weights.iter().position(|weight| !weight.is_finite()) {
        Some(position) => Err(QuantizeError::NotFinite { position, value: weights[position] }),
        None => Ok(()),
    }
}

/// Appends one block after the other.
fn blocks<const N: usize>(weights: &[f32], out: &mut Vec<u8>, block: fn(&[f32; N], &mut Vec<u8>)) {
    weights.as_chunks().0.iter().for_each(|weights| block(weights, out));
}

/// The integer part, as x86 converts it: ggml and numpy leave numbers outside of i32 to the
/// processor, and only tiny scales, whose reciprocal is infinite, lead there.
fn integer(value: f32) -> i32 {
    const END: f32 = 2_147_483_648.0;
    if (-END..END).contains(&value) { value as i32 } else { i32::MIN }
}

/// The nearest integer; halves go away from zero.
fn round(value: f32) -> f32 {
    let whole = value.abs().floor();
    let rounded = whole + (2.0 * (value.abs() - whole)).floor();
    if value < 0.0 { -rounded } else { rounded }
}

fn greatest_magnitude(weights: &[f32]) -> f32 {
    weights.iter().fold(0.0, |greatest, weight| weight.abs().max(greatest))
}

/// The first weight of the greatest magnitude, with its sign.
fn extreme(weights: &[f32]) -> f32 {
    weights
        .iter()
        .fold(weights[0], |extreme, &weight| if weight.abs() > extreme.abs() { weight } else { extreme })
}

/// The fifth bits of 32 codes.
fn put_high_bits(out: &mut Vec<u8>, codes: &[u8; 32]) {
    let bits = codes.iter().rev().fold(0u32, |bits, code| bits << 1 | u32::from(code >> 4 & 1));
    out.extend(bits.to_le_bytes());
}

/// A scale that maps the extreme weight to the least code, −`half`; and the codes, without their sign.
fn symmetric(weights: &[f32; 32], half: f32) -> (f32, [u8; 32]) {
    let d = extreme(weights) / -half;
    let inverse = reciprocal(d);
    let top = (2.0 * half) as u8 - 1;
    (d, weights.map(|weight| (integer(weight * inverse + (half + 0.5)) as u8).min(top)))
}

/// A scale and a minimum that map the weights to 0 … `top`; and the codes.
fn affine(weights: &[f32; 32], top: u8) -> (f32, f32, [u8; 32]) {
    let (low, high) = bounds(weights);
    let d = (high - low) / f32::from(top);
    let inverse = reciprocal(d);
    (d, low, weights.map(|weight| (integer((weight - low) * inverse + 0.5) as u8).min(top)))
}

fn q4_0(weights: &[f32; 32], out: &mut Vec<u8>) {
    let (d, codes) = symmetric(weights, 8.0);
    put_half(out, d);
    put_nibbles(out, &codes);
}

fn q4_1(weights: &[f32; 32], out: &mut Vec<u8>) {
    let (d, m, codes) = affine(weights, 15);
    put_half(out, d);
    put_half(out, m);
    put_nibbles(out, &codes);
}

fn q5_0(weights: &[f32; 32], out: &mut Vec<u8>) {
    let (d, codes) = symmetric(weights, 16.0);
    put_half(out, d);
    put_high_bits(out, &codes);
    put_nibbles(out, &codes);
}

fn q5_1(weights: &[f32; 32], out: &mut Vec<u8>) {
    let (d, m, codes) = affine(weights, 31);
    put_half(out, d);
    put_half(out, m);
    put_high_bits(out, &codes);
    put_nibbles(out, &codes);
}

/// Weights as multiples of a scale that is not much below theirs, rounded; halves go away from zero.
fn multiples<const N: usize>(weights: &[f32; N], d: f32) -> [i8; N] {
    let inverse = reciprocal(d);
    if inverse.is_infinite() {
        return [0; N]; // what x86 makes of infinities and NaN
    }
    weights.map(|weight| {
        let multiple = weight * inverse;
        let whole = multiple as i32;
        let rest = multiple - whole as f32;
        (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as i8
    })
}

fn q8_0(weights: &[f32; 32], out: &mut Vec<u8>) {
    let d = greatest_magnitude(weights) / 127.0;
    put_half(out, d);
    out.extend(multiples(weights, d).map(|code| code as u8));
}

/// Digits in base three, as many to a byte as `codes` has rows of `bytes`; then the fraction of 256
/// that multiplying by three takes apart again.
fn put_digits(out: &mut Vec<u8>, codes: &[u8], bytes: usize) {
    for i in 0..bytes {
        let row = |n: usize| codes.get(n * bytes + i).map_or(0, |code| u16::from(*code));
        let number = (0..5).fold(0, |number, n| 3 * number + row(n));
        out.push((number * 256).div_ceil(243) as u8);
    }
}

/// Digits 0, 1, 2 for −d, 0, d.
fn ternary(weights: &[f32; SUPER]) -> (f32, [u8; SUPER]) {
    let d = greatest_magnitude(weights);
    (d, multiples(weights, d).map(|code| code.wrapping_add(1) as u8))
}

fn tq1_0(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let (d, codes) = ternary(weights);
    put_digits(out, &codes[..160], 32);
    put_digits(out, &codes[160..240], 16);
    put_digits(out, &codes[240..], 4);
    put_half(out, d);
}

fn tq2_0(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let (d, codes) = ternary(weights);
    put_two_bits(out, &codes);
    put_half(out, d);
}

fn mxfp4(weights: &[f32; 32], out: &mut Vec<u8>) {
    let greatest = greatest_magnitude(weights);
    // The C library's log2f, as numpy and ggml call it: near a power of two it may round up.
    let exponent = if greatest > 0.0 { integer(greatest.log2().floor() - 2.0 + 127.0) as u8 } else { 0 };
    // Code by code and not weight by weight: this is vectorized. The first code of the nearest wins.
    let (mut codes, mut errors) = ([0u32; 32], [f32::INFINITY; 32]);
    for (code, value) in (0..).zip(E2M1_DOUBLED) {
        let value = e8m0_halved(exponent) * f32::from(value);
        for i in 0..32 {
            let error = (value - weights[i]).abs();
            let nearer = error < errors[i];
            codes[i] = if nearer { code } else { codes[i] };
            errors[i] = if nearer { error } else { errors[i] };
        }
    }
    out.push(exponent);
    put_nibbles(out, &codes.map(|code| code as u8));
}

/// Rows of weights as signed bytes, each row (an output channel of a matrix) with a scale of its own:
/// Q8_0 with one block to a row, and an f32 scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Rows {
    columns: usize,
    scales: Vec<f32>,
    codes: Vec<i8>,
}

impl Int8Rows {
    /// Quantizes rows of `columns` weights.
    ///
    /// # Errors
    /// [`QuantizeError`] for rows that are not full, and for weights that are not finite.
    pub fn quantize(weights: &[f32], columns: usize) -> Result<Self, QuantizeError> {
        if columns == 0 || !weights.len().is_multiple_of(columns) {
            return Err(QuantizeError::PartialRow { columns, count: weights.len() });
        }
        check_finite(weights)?;
        let rows = weights.chunks_exact(columns);
        let scales: Vec<f32> = rows.clone().map(|row| greatest_magnitude(row) / 127.0).collect();
        let codes = rows.zip(&scales).flat_map(|(row, &scale)| {
            // A row of zeros has no scale; a subnormal scale is itself rounded, and may be too small.
            let code = move |weight: &f32| if scale == 0.0 { 0.0 } else { round(weight / scale) };
            row.iter().map(move |weight| code(weight).clamp(-127.0, 127.0) as i8)
        });
        Ok(Self { columns, codes: codes.collect(), scales })
    }

    /// The scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The codes, row by row, from −127 to 127.
    pub fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// The weights that codes and scales stand for, row by row.
    pub fn decoded(&self) -> impl Iterator<Item = f32> + '_ {
        let rows = self.codes.chunks_exact(self.columns).zip(&self.scales);
        rows.flat_map(|(row, &scale)| row.iter().map(move |code| f32::from(*code) * scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_quantized_is_said() {
        let words = |result: Result<Vec<u8>, QuantizeError>| result.unwrap_err().to_string();
        assert_eq!(words(quantize(Dtype::Q8_K, &[0.0; 256])), "weights cannot be quantized to type Q8_K");
        let partial = "33 weights do not fill a whole number of Q8_0 blocks of 32";
        assert_eq!(words(quantize(Dtype::Q8_0, &[0.0; 33])), partial);
        let mut weights = [0.0; 64];
        weights[40] = f32::NEG_INFINITY;
        let infinite = "weight 40 is -inf: blocks hold finite weights only";
        assert_eq!(words(quantize(Dtype::Q8_0, &weights)), infinite);
        assert_eq!(quantize(Dtype::BF16, &weights[40..41]), Ok(vec![0x80, 0xff]));
        for (count, columns) in [(6, 4), (6, 0)] {
            let result = Int8Rows::quantize(&weights[..count], columns);
            assert_eq!(result, Err(QuantizeError::PartialRow { columns, count }));
        }
        assert_eq!(quantize(Dtype::Q4_0, &[]), Ok(Vec::new()));
    }

    #[test]
    fn every_quantizable_type_is_quantized() {
        for row in crate::dtype::DTYPES {
            let weights = vec![0.5; row.block_weights as usize];
            let length = quantize(row.dtype, &weights).map(|bytes| bytes.len()).ok();
            let expected = row.dtype.is_quantizable().then_some(row.block_bytes as usize);
            assert_eq!(length, expected, "{}", row.name);
        }
    }

    #[test]
    fn rows_have_scales_of_their_own() {
        let weights = [1.27, -0.5, 0.004, 254.0, 100.0, -3.0, 0.0, 0.0, -0.0, 1e-44, -2e-43, 0.0];
        let rows = Int8Rows::quantize(&weights, 3).unwrap();
        assert_eq!(rows.scales(), [1.27 / 127.0, 2.0, 0.0, f32::from_bits(1)]);
        assert_eq!(rows.codes(), [127, -50, 0, 127, 50, -2, 0, 0, 0, 7, -127, 0]);
        let decoded: Vec<f32> = rows.decoded().collect();
        assert_eq!(decoded[3..9], [254.0, 100.0, -4.0, 0.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn rows_lose_half_a_step_at_most(weights in prop::collection::vec(-1e6f32..1e6, 40)) {
            let rows = Int8Rows::quantize(&weights, 8).unwrap();
            let steps = rows.scales().iter().flat_map(|scale| [scale; 8]);
            for ((weight, decoded), step) in weights.iter().zip(rows.decoded()).zip(steps) {
                prop_assert!((weight - decoded).abs() <= step * 0.5001, "{} became {}", weight, decoded);
            }
        }
    }
}
