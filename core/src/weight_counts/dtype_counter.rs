//! Counting the distinct weights of one data type.

use super::code_counts::{CodeCountTable, Coding};
use super::count_table::CountTable;
use crate::dtype::Dtype;
use crate::weights::{DecodeError, Width, decode, decode_f32_into, weight_count};
use std::collections::HashMap;

/// WeightCounts how often each distinct weight occurs.
pub struct DtypeCounter {
    dtype: Dtype,
    /// Occurrences of each bit pattern of a type of one or two bytes, which needs no table.
    patterns: Vec<u64>,
    /// Occurrences of codes, for types that have them.
    codes: Option<CodeCountTable>,
    /// Occurrences of 32-bit patterns.
    table: CountTable,
    /// Occurrences of 64-bit patterns.
    wide: HashMap<u64, u64>,
    /// Distinct values above which there are too many.
    max_distinct: usize,
    /// Where weights are decoded to.
    decoded: Vec<f32>,
}

impl DtypeCounter {
    /// A counter of one data type for up to `max_distinct` distinct values.
    pub fn new(dtype: Dtype, max_distinct: usize) -> Self {
        let row = dtype.info();
        let narrow = row.block_weights == 1 && row.block_bytes <= 2;
        Self {
            dtype,
            patterns: if narrow { vec![0; 1 << (8 * row.block_bytes)] } else { Vec::new() },
            codes: Coding::for_dtype(dtype).map(CodeCountTable::new),
            table: CountTable::default(),
            wide: HashMap::new(),
            max_distinct,
            decoded: Vec::new(),
        }
    }

    /// Goes through the weights in whole blocks of bytes, counts them if `counting`, and returns
    /// how many are zero.
    ///
    /// # Errors
    /// [`DecodeError`], as [`decode`].
    pub fn add(&mut self, dtype: Dtype, bytes: &[u8], counting: bool) -> Result<u64, DecodeError> {
        let count = weight_count(dtype, bytes)?;
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
                self.decoded.iter().for_each(|value| self.table.add(value.to_bits()));
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
        self.table.len() + self.wide.len() <= self.max_distinct
    }

    /// Brings the counts of codes to the table of weights.
    fn empty_codes(&mut self) {
        let (dtype, table) = (self.dtype, &mut self.table);
        let Some(codes) = &mut self.codes else { return };
        let mut weights = [0.0; 32];
        codes.drain(|block, times| {
            decode_f32_into(dtype, block, &mut weights).expect("a block decodes");
            for (weight, count) in weights.iter().zip(times).filter(|(_, count)| **count > 0) {
                table.add_many(weight.to_bits(), *count);
            }
        });
    }

    /// Empties the counter: distinct weights' bits with their numbers of occurrences. A weight may
    /// come more than once.
    pub fn drain(&mut self) -> Vec<(Width, u64, u64)> {
        let width = self.dtype.width();
        self.empty_codes();
        let narrow = self.table.drain().map(|(bits, count)| (u64::from(bits), count));
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
    fn counts_agree_with_a_plain_count() {
        let mut values: Vec<f32> = (0..10_000).map(|i| (i % 97) as f32 / 7.0).collect();
        values.extend([0.0, -0.0, f32::NAN, f32::from_bits(0x7fc0_0001)]);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut plain = std::collections::BTreeMap::new();
        for value in &values {
            *plain.entry(u64::from(value.to_bits())).or_insert(0u64) += 1;
        }
        let (mut one, mut two) = (DtypeCounter::new(Dtype::F32, 1000), DtypeCounter::new(Dtype::F32, 1000));
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
        for (max, fits) in [(99, false), (100, true)] {
            let mut counter = DtypeCounter::new(Dtype::F32, max);
            counter.add(Dtype::F32, &bytes, true).unwrap();
            assert_eq!(counter.fits(), fits);
        }
    }

    #[test]
    fn sixteen_bit_types_count_by_pattern() {
        let bytes = [0x00, 0x3c, 0x00, 0x3c, 0x00, 0xbc];
        let mut counter = DtypeCounter::new(Dtype::F16, 10);
        counter.add(Dtype::F16, &bytes, true).unwrap();
        let mut counts = counter.drain();
        counts.sort_unstable();
        assert_eq!(
            counts,
            [(Width::F32, 1f32.to_bits().into(), 2), (Width::F32, (-1f32).to_bits().into(), 1)]
        );
    }
}
