//! Weights: decoding a tensor's bytes to numbers, and a number's content as an atom.

use crate::hash::{Hash, sha256};
use crate::quant::codes::{CodeTally, Coding};
use crate::quant::{Dtype, blocks};
use crate::tally::Tally;
use std::collections::HashMap;

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type is known and stored, but not turned into numbers.
    #[error("weights of type {} cannot be decoded yet", .0.name())]
    Unsupported(Dtype),
    /// The bytes are no whole number of weights or blocks.
    #[error("{length} bytes are no whole number of {} blocks of {} bytes", .dtype.name(), .dtype.info().block_bytes)]
    PartialBlock {
        /// The type.
        dtype: Dtype,
        /// Number of bytes given.
        length: usize,
    },
    /// The place for the weights is too small or too large.
    #[error("{count} weights of type {} were to be decoded to {length} places", .dtype.name())]
    WrongLength {
        /// The type.
        dtype: Dtype,
        /// Number of weights.
        count: usize,
        /// Number of places.
        length: usize,
    },
}

/// Decoded weights, in the narrowest type that holds every value of their data type exactly.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// Everything up to 16 bits, F32 and all quantized types.
    F32(Vec<f32>),
    /// F64.
    F64(Vec<f64>),
    /// Integers of 32 bits, and I64.
    I64(Vec<i64>),
    /// U64.
    U64(Vec<u64>),
}

/// How the weights of a data type are written as atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// `float4send(value)`, 4 bytes.
    F32,
    /// `float8send(value)`, 8 bytes.
    F64,
    /// `int8send(value)`, 8 bytes; for U64 the same bits.
    I64,
}

/// The content of one weight's atom: big-endian, as Postgres' send functions write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtomicValue {
    bytes: [u8; 8],
    length: usize,
}

impl AtomicValue {
    /// Content from a weight's bits: the low 32 for [`Width::F32`], else all 64.
    pub fn from_bits(width: Width, bits: u64) -> Self {
        match width {
            Width::F32 => {
                let mut bytes = [0; 8];
                bytes[..4].copy_from_slice(&(bits as u32).to_be_bytes());
                Self { bytes, length: 4 }
            }
            Width::F64 | Width::I64 => Self { bytes: bits.to_be_bytes(), length: 8 },
        }
    }

    /// The content's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The key of the atom.
    pub fn hash(&self) -> Hash {
        sha256(self.as_bytes())
    }
}

impl Dtype {
    /// How this type's weights are written as atoms.
    pub fn width(self) -> Width {
        match self {
            Self::F64 => Width::F64,
            Self::I32 | Self::I64 | Self::U32 | Self::U64 => Width::I64,
            _ => Width::F32,
        }
    }
}

impl Weights {
    /// Number of weights.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::U64(values) => values.len(),
        }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One weight's bits, as [`AtomicValue::from_bits`] takes them.
    fn bits(&self, i: usize) -> u64 {
        match self {
            Self::F32(values) => values[i].to_bits().into(),
            Self::F64(values) => values[i].to_bits(),
            Self::I64(values) => values[i] as u64,
            Self::U64(values) => values[i],
        }
    }

    /// The content of one weight's atom.
    pub fn atomic_value(&self, i: usize) -> AtomicValue {
        let width = match self {
            Self::F32(_) => Width::F32,
            Self::F64(_) => Width::F64,
            Self::I64(_) | Self::U64(_) => Width::I64,
        };
        AtomicValue::from_bits(width, self.bits(i))
    }

    /// One weight as `real`; rounded where the type is wider.
    pub fn f32(&self, i: usize) -> f32 {
        match self {
            Self::F32(values) => values[i],
            Self::F64(values) => values[i] as f32,
            Self::I64(values) => values[i] as f32,
            Self::U64(values) => values[i] as f32,
        }
    }

    /// All weights as `real`; rounded where the type is wider.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            wide => (0..wide.len()).map(|i| wide.f32(i)).collect(),
        }
    }

    /// One weight as `double precision`; rounded for integers beyond 2⁵³.
    pub fn f64(&self, i: usize) -> f64 {
        match self {
            Self::F32(values) => values[i].into(),
            Self::F64(values) => values[i],
            Self::I64(values) => values[i] as f64,
            Self::U64(values) => values[i] as f64,
        }
    }

    /// Keeps `count` weights from `from` on.
    pub fn slice(&mut self, from: usize, count: usize) {
        fn keep<T>(values: &mut Vec<T>, from: usize, count: usize) {
            values.truncate(from + count);
            values.drain(..from);
        }
        match self {
            Self::F32(values) => keep(values, from, count),
            Self::F64(values) => keep(values, from, count),
            Self::I64(values) => keep(values, from, count),
            Self::U64(values) => keep(values, from, count),
        }
    }
}

/// Number of weights in whole blocks of bytes.
fn count(dtype: Dtype, bytes: &[u8]) -> Result<usize, DecodeError> {
    let row = dtype.info();
    let block_bytes = row.block_bytes as usize;
    if !bytes.len().is_multiple_of(block_bytes) {
        return Err(DecodeError::PartialBlock { dtype, length: bytes.len() });
    }
    if !dtype.is_decodable() {
        return Err(DecodeError::Unsupported(dtype));
    }
    Ok(bytes.len() / block_bytes * row.block_weights as usize)
}

/// Decodes whole blocks of a tensor's bytes.
///
/// # Errors
/// [`DecodeError`] for types without a decoder, and for bytes that are no whole number of blocks.
pub fn decode(dtype: Dtype, bytes: &[u8]) -> Result<Weights, DecodeError> {
    let count = count(dtype, bytes)?;
    Ok(match dtype {
        Dtype::F64 => Weights::F64(words(bytes, f64::from_le_bytes).collect()),
        Dtype::I32 => Weights::I64(words(bytes, |word| i32::from_le_bytes(word).into()).collect()),
        Dtype::U32 => Weights::I64(words(bytes, |word| u32::from_le_bytes(word).into()).collect()),
        Dtype::I64 => Weights::I64(words(bytes, i64::from_le_bytes).collect()),
        Dtype::U64 => Weights::U64(words(bytes, u64::from_le_bytes).collect()),
        _ => {
            let mut out = vec![0.0; count];
            decode_f32_into(dtype, bytes, &mut out)?;
            Weights::F32(out)
        }
    })
}

/// Decodes whole blocks of a tensor's bytes to f32, rounding the weights of wider types, into a place
/// that the caller has for them: nothing is allocated.
///
/// # Errors
/// [`DecodeError`], as [`decode`], and when `out` has not the length of the weights.
pub fn decode_f32_into(dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> Result<(), DecodeError> {
    let count = count(dtype, bytes)?;
    if out.len() != count {
        return Err(DecodeError::WrongLength { dtype, count, length: out.len() });
    }
    match dtype {
        Dtype::F64 => fill(out, words(bytes, |word| f64::from_le_bytes(word) as f32)),
        Dtype::I32 => fill(out, words(bytes, |word| i32::from_le_bytes(word) as f32)),
        Dtype::U32 => fill(out, words(bytes, |word| u32::from_le_bytes(word) as f32)),
        Dtype::I64 => fill(out, words(bytes, |word| i64::from_le_bytes(word) as f32)),
        Dtype::U64 => fill(out, words(bytes, |word| u64::from_le_bytes(word) as f32)),
        _ if blocks::decode(dtype, bytes, out) => {}
        _ => return Err(DecodeError::Unsupported(dtype)),
    }
    Ok(())
}

fn words<'a, const N: usize, T>(
    bytes: &'a [u8],
    decode: impl Fn([u8; N]) -> T + 'a,
) -> impl Iterator<Item = T> + 'a {
    bytes.as_chunks().0.iter().map(move |word| decode(*word))
}

fn fill(out: &mut [f32], values: impl Iterator<Item = f32>) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}

/// Counts how often each distinct weight occurs.
pub struct Counter {
    dtype: Dtype,
    /// Occurrences of each bit pattern of a type of one or two bytes, which needs no table.
    patterns: Vec<u64>,
    /// Occurrences of codes, for types that have them.
    codes: Option<CodeTally>,
    /// Occurrences of 32-bit patterns.
    tally: Tally,
    /// Occurrences of 64-bit patterns.
    wide: HashMap<u64, u64>,
    /// Distinct values above which there are too many.
    most: usize,
    /// Where weights are decoded to.
    decoded: Vec<f32>,
}

impl Counter {
    /// A counter of one data type for up to `most` distinct values.
    pub fn new(dtype: Dtype, most: usize) -> Self {
        let row = dtype.info();
        let narrow = row.block_weights == 1 && row.block_bytes <= 2;
        Self {
            dtype,
            patterns: if narrow { vec![0; 1 << (8 * row.block_bytes)] } else { Vec::new() },
            codes: Coding::of(dtype).map(CodeTally::new),
            tally: Tally::default(),
            wide: HashMap::new(),
            most,
            decoded: Vec::new(),
        }
    }

    /// Goes through the weights in whole blocks of bytes, counts them if `counting`, and returns
    /// how many are zero.
    ///
    /// # Errors
    /// [`DecodeError`], as [`decode`].
    pub fn add(&mut self, dtype: Dtype, bytes: &[u8], counting: bool) -> Result<u64, DecodeError> {
        let count = count(dtype, bytes)?;
        if counting && !self.patterns.is_empty() {
            match dtype.info().block_bytes {
                1 => bytes.iter().for_each(|&code| self.patterns[usize::from(code)] += 1),
                _ => {
                    let words = bytes.as_chunks().0.iter();
                    words.for_each(|word| self.patterns[usize::from(u16::from_le_bytes(*word))] += 1);
                }
            }
        }
        if let Some(codes) = self.codes.as_mut().filter(|_| counting) {
            codes.add(bytes);
            if codes.is_full() {
                self.empty_codes();
            }
        }
        if dtype.width() == Width::F32 {
            self.decoded.resize(count, 0.0);
            decode_f32_into(dtype, bytes, &mut self.decoded)?;
            if counting && self.patterns.is_empty() && self.codes.is_none() {
                self.decoded.iter().for_each(|value| self.tally.add(value.to_bits()));
            }
            return Ok(self.decoded.iter().filter(|value| **value == 0.0).count() as u64);
        }
        let weights = decode(dtype, bytes)?;
        let mut zeros = 0;
        for i in 0..weights.len() {
            zeros += u64::from(weights.f64(i) == 0.0);
            if counting {
                *self.wide.entry(weights.bits(i)).or_insert(0) += 1;
            }
        }
        Ok(zeros)
    }

    /// True while there are no more distinct values than the counter is for.
    pub fn fits(&self) -> bool {
        self.tally.len() + self.wide.len() <= self.most
    }

    /// Brings the counts of codes to the tally of weights.
    fn empty_codes(&mut self) {
        let (dtype, tally) = (self.dtype, &mut self.tally);
        let Some(codes) = &mut self.codes else { return };
        let mut weights = [0.0; 32];
        codes.drain(|block, times| {
            decode_f32_into(dtype, block, &mut weights).expect("a block decodes");
            for (weight, count) in weights.iter().zip(times).filter(|(_, count)| **count > 0) {
                tally.add_many(weight.to_bits(), *count);
            }
        });
    }

    /// Empties the counter: distinct weights' bits with their numbers of occurrences. A weight may
    /// come more than once.
    pub fn drain(&mut self) -> Vec<(Width, u64, u64)> {
        let width = self.dtype.width();
        self.empty_codes();
        let narrow = self.tally.drain().map(|(bits, count)| (u64::from(bits), count));
        let mut counts: Vec<(Width, u64, u64)> =
            narrow.chain(std::mem::take(&mut self.wide)).map(|(bits, count)| (width, bits, count)).collect();
        for (code, count) in self.patterns.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let bytes = (code as u16).to_le_bytes();
            let weights = decode(self.dtype, &bytes[..self.dtype.info().block_bytes as usize])
                .expect("a narrow type decodes word by word");
            counts.push((width, weights.f32(0).to_bits().into(), std::mem::take(count)));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_written_as_float4send_writes_it() {
        let one = Weights::F32(vec![1.0, -0.0]);
        assert_eq!(one.atomic_value(0).as_bytes(), [0x3f, 0x80, 0, 0]);
        assert_eq!(one.atomic_value(1).as_bytes(), [0x80, 0, 0, 0]);
        assert_eq!(Weights::I64(vec![-2]).atomic_value(0).as_bytes(), (-2i64).to_be_bytes());
        assert_eq!(Weights::F64(vec![0.1]).atomic_value(0).as_bytes(), 0.1f64.to_be_bytes());
    }

    #[test]
    fn counts_agree_with_a_plain_count() {
        let mut values: Vec<f32> = (0..10_000).map(|i| (i % 97) as f32 / 7.0).collect();
        values.extend([0.0, -0.0, f32::NAN, f32::from_bits(0x7fc0_0001)]);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut plain = std::collections::BTreeMap::new();
        for value in &values {
            *plain.entry(u64::from(value.to_bits())).or_insert(0u64) += 1;
        }
        let (mut one, mut two) = (Counter::new(Dtype::F32, 1000), Counter::new(Dtype::F32, 1000));
        let zeros = one.add(Dtype::F32, &bytes[..2000], true).unwrap()
            + two.add(Dtype::F32, &bytes[2000..], true).unwrap();
        assert_eq!(zeros, values.iter().filter(|value| **value == 0.0).count() as u64);
        let mut counted = std::collections::BTreeMap::new();
        for (_, bits, count) in one.drain().into_iter().chain(two.drain()) {
            *counted.entry(bits).or_insert(0) += count;
        }
        assert_eq!(counted, plain);
    }

    #[test]
    fn a_counter_says_when_it_is_full() {
        let bytes: Vec<u8> = (0..100u32).flat_map(u32::to_le_bytes).collect();
        for (most, fits) in [(99, false), (100, true)] {
            let mut counter = Counter::new(Dtype::F32, most);
            counter.add(Dtype::F32, &bytes, true).unwrap();
            assert_eq!(counter.fits(), fits);
        }
    }

    #[test]
    fn sixteen_bit_types_count_by_pattern() {
        let bytes = [0x00, 0x3c, 0x00, 0x3c, 0x00, 0xbc];
        let mut counter = Counter::new(Dtype::F16, 10);
        counter.add(Dtype::F16, &bytes, true).unwrap();
        let mut counts = counter.drain();
        counts.sort_unstable();
        assert_eq!(
            counts,
            [(Width::F32, 1f32.to_bits().into(), 2), (Width::F32, (-1f32).to_bits().into(), 1)]
        );
    }

    #[test]
    fn partial_blocks_and_unknown_decoders_are_errors() {
        assert!(matches!(decode(Dtype::Q4_1, &[0; 19]), Err(DecodeError::PartialBlock { .. })));
        assert!(matches!(decode(Dtype::F4, &[0]), Err(DecodeError::Unsupported(_))));
        let short = decode_f32_into(Dtype::Q4_1, &[0; 20], &mut [0.0; 31]).unwrap_err();
        assert_eq!(short.to_string(), "32 weights of type Q4_1 were to be decoded to 31 places");
    }
}
