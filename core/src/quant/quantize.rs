//! Quantizing: what a tensor would be in a smaller type. Bit for bit what gguf-py's
//! `gguf.quants.quantize` makes of finite weights, which for most types is ggml's reference
//! (`quantize_row_*_ref` in `ggml-quants.c`). Simple rather than fast.

use super::half_float::{bf16, f32_to_f16, f32s_to_f16s};
use super::layout::SUPER;
use super::mx::{E2M1_DOUBLED, e8m0_halved};
use crate::dtype::{Dtype, DtypeInfo};

/// Why weights could not be quantized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// There is no quantizer for this type.
    #[error("weights cannot be quantized to type {}", .0.name())]
    Unsupported(Dtype),
    /// The weights do not fill whole blocks.
    #[error("{count} weights fill no whole number of {} blocks of {}", .dtype.name(), .dtype.info().block_weights)]
    PartialBlock {
        /// The type.
        dtype: Dtype,
        /// Number of weights given.
        count: usize,
    },
    /// A row of no weights, or a last row that is not full.
    #[error("{count} weights are no whole number of rows of {columns}")]
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
        matches!(self, F32 | F16 | BF16 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | TQ1_0 | TQ2_0 | MXFP4)
    }
}

/// Quantizes weights that fill whole blocks.
///
/// # Errors
/// [`QuantizeError`]; F32, F16 and BF16 hold infinities and NaN, blocks do not.
pub fn quantize(dtype: Dtype, weights: &[f32]) -> Result<Vec<u8>, QuantizeError> {
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
    Ok(match dtype {
        Dtype::F32 => weights.iter().flat_map(|weight| weight.to_le_bytes()).collect(),
        Dtype::F16 => f32s_to_f16s(weights).into_iter().flat_map(|half| half.to_le_bytes()).collect(),
        Dtype::BF16 => weights.iter().flat_map(|weight| bf16::from_f32(*weight).to_le_bytes()).collect(),
        Dtype::Q4_0 => blocks(row, weights, q4_0),
        Dtype::Q4_1 => blocks(row, weights, q4_1),
        Dtype::Q5_0 => blocks(row, weights, q5_0),
        Dtype::Q5_1 => blocks(row, weights, q5_1),
        Dtype::Q8_0 => blocks(row, weights, q8_0),
        Dtype::TQ1_0 => blocks(row, weights, tq1_0),
        Dtype::TQ2_0 => blocks(row, weights, tq2_0),
        Dtype::MXFP4 => blocks(row, weights, mxfp4),
        _ => return Err(QuantizeError::Unsupported(dtype)),
    })
}

fn check_finite(weights: &[f32]) -> Result<(), QuantizeError> {
    match weights.iter().position(|weight| !weight.is_finite()) {
        Some(position) => Err(QuantizeError::NotFinite { position, value: weights[position] }),
        None => Ok(()),
    }
}

/// Appends one block after the other.
fn blocks<const N: usize>(row: &DtypeInfo, weights: &[f32], block: fn(&[f32; N], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(weights.len() / N * row.block_bytes as usize);
    weights.as_chunks().0.iter().for_each(|weights| block(weights, &mut out));
    out
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

/// 1 / d, or 0 for no scale.
fn reciprocal(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
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

/// The least and the greatest weight.
fn bounds(weights: &[f32]) -> (f32, f32) {
    weights.iter().fold((weights[0], weights[0]), |(low, high), &weight| {
        (if weight < low { weight } else { low }, if weight > high { weight } else { high })
    })
}

fn put_half(out: &mut Vec<u8>, value: f32) {
    out.extend(f32_to_f16(value).to_le_bytes());
}

/// Two nibbles to a byte: the first 16 codes are the low ones.
fn put_nibbles(out: &mut Vec<u8>, codes: &[u8; 32]) {
    let (low, high) = codes.split_at(16);
    out.extend(low.iter().zip(high).map(|(low, high)| low & 15 | high << 4));
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

/// Weights as multiples of a scale, rounded.
fn multiples<const N: usize>(weights: &[f32; N], d: f32) -> [i8; N] {
    let inverse = reciprocal(d);
    weights.map(|weight| integer(round(weight * inverse)) as i8)
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
    for codes in codes.as_chunks::<128>().0 {
        out.extend((0..32).map(|i| codes[i] | codes[32 + i] << 2 | codes[64 + i] << 4 | codes[96 + i] << 6));
    }
    put_half(out, d);
}

fn mxfp4(weights: &[f32; 32], out: &mut Vec<u8>) {
    let greatest = greatest_magnitude(weights);
    // The C library's log2f, as numpy and ggml call it: near a power of two it may round up.
    let exponent = if greatest > 0.0 { integer(greatest.log2().floor() - 2.0 + 127.0) as u8 } else { 0 };
    let d = e8m0_halved(exponent);
    let nearest = |weight: f32| {
        let error = |code: u8| (d * f32::from(E2M1_DOUBLED[usize::from(code)]) - weight).abs();
        (1..16).fold(0, |best, code| if error(code) < error(best) { code } else { best })
    };
    out.push(exponent);
    put_nibbles(out, &weights.map(nearest));
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
        assert_eq!(words(quantize(Dtype::Q4_K, &[0.0; 256])), "weights cannot be quantized to type Q4_K");
        let partial = "33 weights fill no whole number of Q8_0 blocks of 32";
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
