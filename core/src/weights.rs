//! Weights: decoding a tensor's bytes to numbers, and a number's content as an atom.

use crate::dtype::Dtype;
use crate::hash::{Hash, sha256};
use crate::quant::blocks;

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type is known and stored, but not turned into numbers.
    #[error("weights of type {} cannot be decoded yet", .0.name())]
    Unsupported(Dtype),
    /// The bytes are not a whole number of weights or blocks.
    #[error("{length} bytes are not a whole number of {} blocks of {} bytes", .dtype.name(), .dtype.info().block_bytes)]
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

/// Evaluates an expression over an iterator of all weights as f64, of a type of its own for each kind of
/// weights: nothing is decided again for each weight.
macro_rules! with_f64s {
    ($weights:expr, $values:ident => $body:expr) => {
        match $weights {
            $crate::weights::Weights::F32(values) => {
                let $values = values.iter().map(|value| f64::from(*value));
                $body
            }
            $crate::weights::Weights::F64(values) => {
                let $values = values.iter().copied();
                $body
            }
            $crate::weights::Weights::I64(values) => {
                let $values = values.iter().map(|value| *value as f64);
                $body
            }
            $crate::weights::Weights::U64(values) => {
                let $values = values.iter().map(|value| *value as f64);
                $body
            }
        }
    };
}
pub(crate) use with_f64s;

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
    pub fn bits(&self, i: usize) -> u64 {
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

    /// All weights as `double precision`; rounded for integers beyond 2⁵³.
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F64(values) => values,
            other => with_f64s!(&other, values => values.collect()),
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
///
/// # Errors
/// [`DecodeError`], as [`decode`].
pub(crate) fn weight_count(dtype: Dtype, bytes: &[u8]) -> Result<usize, DecodeError> {
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
/// [`DecodeError`] for types without a decoder, and for bytes that are not a whole number of blocks.
pub fn decode(dtype: Dtype, bytes: &[u8]) -> Result<Weights, DecodeError> {
    let count = weight_count(dtype, bytes)?;
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

/// Decodes `count` weights out of whole blocks, of which `skip` weights come before them:
/// what [`Dtype::blocks_holding`] says of a range.
///
/// # Errors
/// [`DecodeError`], as [`decode`].
pub fn decode_range(dtype: Dtype, bytes: &[u8], skip: usize, count: usize) -> Result<Weights, DecodeError> {
    let mut weights = decode(dtype, bytes)?;
    weights.slice(skip, count);
    Ok(weights)
}

/// Decodes whole blocks of a tensor's bytes to f32, rounding the weights of wider types, into a place
/// that the caller has for them: nothing is allocated.
///
/// # Errors
/// [`DecodeError`], as [`decode`], and when `out` has not the length of the weights.
pub fn decode_f32_into(dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> Result<(), DecodeError> {
    let count = weight_count(dtype, bytes)?;
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
    fn all_kinds_of_weights_become_f64() {
        assert_eq!(Weights::F32(vec![0.1]).into_f64(), [f64::from(0.1f32)]);
        assert_eq!(Weights::F64(vec![0.1]).into_f64(), [0.1]);
        assert_eq!(Weights::I64(vec![i64::MIN]).into_f64(), [-(2f64.powi(63))]);
        assert_eq!(Weights::U64(vec![u64::MAX]).into_f64(), [2f64.powi(64)]);
    }

    #[test]
    fn a_range_is_cut_out_of_its_blocks() {
        let bytes: Vec<u8> = (0..80).collect();
        let whole = decode(Dtype::Q4_1, &bytes).unwrap().into_f32();
        for (from, count) in [(0, 128), (31, 2), (64, 32), (127, 1), (5, 0)] {
            let (range, skip) = Dtype::Q4_1.blocks_holding(from, count);
            let blocks = &bytes[range.offset as usize..range.end() as usize];
            let found = decode_range(Dtype::Q4_1, blocks, skip, count as usize).unwrap().into_f32();
            assert_eq!(found, whole[from as usize..][..count as usize], "{from}, {count}");
        }
    }

    #[test]
    fn partial_blocks_and_unknown_decoders_are_errors() {
        assert!(matches!(decode(Dtype::Q4_1, &[0; 19]), Err(DecodeError::PartialBlock { .. })));
        assert!(matches!(decode(Dtype::F4, &[0]), Err(DecodeError::Unsupported(_))));
        let short = decode_f32_into(Dtype::Q4_1, &[0; 20], &mut [0.0; 31]).unwrap_err();
        assert_eq!(short.to_string(), "32 weights of type Q4_1 were to be decoded to 31 places");
    }
}
