//! Counting the weights of the first block types without looking each of them up: in a block, equal
//! codes are equal weights. Types with one scale have few distinct ones (537 over the 28 million
//! Q8_0 weights of a real model), so codes are counted for each scale. Types with a scale and a
//! minimum have too many pairs for a cache (162,487 in the same model), so codes are counted within
//! the block, and each value is looked up once.

use super::Dtype;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Weights in a block of every type counted here.
const BLOCK: usize = 32;

/// A block type in which the scales come first, and a weight depends on them and on its own code.
#[derive(Debug, Clone, Copy)]
pub struct Coding {
    dtype: Dtype,
    /// Bytes of the scales at the block's start.
    scale_bytes: usize,
    /// Number of different codes.
    codes: usize,
}

impl Coding {
    /// The coding of a type, if it has one.
    pub fn of(dtype: Dtype) -> Option<Self> {
        let (scale_bytes, codes) = match dtype {
            Dtype::Q4_0 => (2, 16),
            Dtype::Q4_1 => (4, 16),
            Dtype::Q5_0 => (2, 32),
            Dtype::Q5_1 => (4, 32),
            Dtype::Q8_0 => (2, 256),
            _ => return None,
        };
        Some(Self { dtype, scale_bytes, codes })
    }

    /// True when the distinct scales are few enough to count codes for each.
    pub fn has_few_scales(self) -> bool {
        self.scale_bytes == 2
    }

    /// Calls `each` with every distinct weight of whole blocks and how often its block has it.
    /// `values` are the blocks, decoded.
    pub fn for_each_distinct(self, bytes: &[u8], values: &[f32], mut each: impl FnMut(f32, u32)) {
        let blocks = bytes.chunks_exact(self.dtype.info().block_bytes as usize);
        for (block, values) in blocks.zip(values.as_chunks::<BLOCK>().0) {
            let mut counts = [0; 32];
            self.count(block, &mut counts[..self.codes]);
            let mut first = [0; 32];
            self.places(block, &mut first);
            for (count, place) in counts.into_iter().zip(first).filter(|(count, _)| *count > 0) {
                each(values[usize::from(place)], count);
            }
        }
    }

    /// Finds a place in the block for each code that occurs.
    #[inline]
    fn places(self, block: &[u8], places: &mut [u8; 32]) {
        let pairs = &block[block.len() - BLOCK / 2..];
        let high = if self.codes == 32 {
            u32::from_le_bytes(block[self.scale_bytes..][..4].try_into().expect("four bytes"))
        } else {
            0
        };
        for (i, &pair) in pairs.iter().enumerate() {
            places[usize::from(pair & 15) | ((high >> i & 1) << 4) as usize] = i as u8;
            places[usize::from(pair >> 4) | ((high >> (i + BLOCK / 2) & 1) << 4) as usize] =
                (i + BLOCK / 2) as u8;
        }
    }

    /// Adds the codes of one block to a row of counts.
    #[inline]
    fn count(self, block: &[u8], row: &mut [u32]) {
        let rest = &block[self.scale_bytes..];
        match self.dtype {
            Dtype::Q8_0 => rest.iter().for_each(|&code| row[usize::from(code)] += 1),
            Dtype::Q4_0 | Dtype::Q4_1 => rest.iter().for_each(|&pair| {
                row[usize::from(pair & 15)] += 1;
                row[usize::from(pair >> 4)] += 1;
            }),
            _ => {
                let (high, pairs) = rest.split_first_chunk().expect("a block has its high bits");
                let high = u32::from_le_bytes(*high);
                for (i, &pair) in pairs.iter().enumerate() {
                    row[usize::from(pair & 15) | ((high >> i & 1) << 4) as usize] += 1;
                    row[usize::from(pair >> 4) | ((high >> (i + BLOCK / 2) & 1) << 4) as usize] += 1;
                }
            }
        }
    }

    /// A block with these scales, in which weight `i` has the code `first + i`, modulo their number.
    fn block(self, scales: u32, first: usize) -> Vec<u8> {
        let mut block = scales.to_le_bytes()[..self.scale_bytes].to_vec();
        let code = |i: usize| (first + i) % self.codes;
        if self.codes == 32 {
            let high = (0..BLOCK).fold(0u32, |high, i| high | ((code(i) >> 4) as u32) << i);
            block.extend(high.to_le_bytes());
        }
        if self.codes == 256 {
            block.extend((0..BLOCK).map(|i| code(i) as u8));
        } else {
            block.extend((0..BLOCK / 2).map(|i| (code(i) & 15 | (code(i + BLOCK / 2) & 15) << 4) as u8));
        }
        block
    }
}

/// Multiplies by an odd constant: scales are keys of an own file, nothing to defend against others.
#[derive(Default, Clone)]
struct ScaleHasher(u64);

impl std::hash::Hasher for ScaleHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u32");
    }

    fn write_u32(&mut self, scales: u32) {
        self.0 = u64::from(scales).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// Most counts held: 64 MB. Types with one scale cannot reach it.
const MAX_CELLS: usize = 16 << 20;
/// A cell cannot overflow before this many weights were counted.
const MAX_WEIGHTS: u64 = u32::MAX as u64 - BLOCK as u64;

/// Counts of codes for each distinct set of scales.
pub struct CodeTally {
    coding: Coding,
    rows: HashMap<u32, u32, BuildHasherDefault<ScaleHasher>>,
    cells: Vec<u32>,
    weights: u64,
}

impl CodeTally {
    /// An empty tally.
    pub fn new(coding: Coding) -> Self {
        Self { coding, rows: HashMap::default(), cells: Vec::new(), weights: 0 }
    }

    /// Counts the weights of whole blocks.
    pub fn add(&mut self, bytes: &[u8]) {
        let Coding { dtype, scale_bytes, codes } = self.coding;
        let blocks = bytes.chunks_exact(dtype.info().block_bytes as usize);
        self.weights += (blocks.len() * BLOCK) as u64;
        for block in blocks {
            let mut scales = [0; 4];
            scales[..scale_bytes].copy_from_slice(&block[..scale_bytes]);
            let next = self.rows.len() as u32;
            let row = *self.rows.entry(u32::from_le_bytes(scales)).or_insert(next);
            if row == next {
                self.cells.resize(self.cells.len() + codes, 0);
            }
            let start = row as usize * codes;
            self.coding.count(block, &mut self.cells[start..start + codes]);
        }
    }

    /// True while more may be counted.
    pub fn fits(&self) -> bool {
        self.cells.len() <= MAX_CELLS && self.weights <= MAX_WEIGHTS / 2
    }

    /// Empties the tally: a block, and how often each of its 32 weights was counted. A weight may
    /// come more than once.
    pub fn drain(&mut self) -> impl Iterator<Item = (Vec<u8>, Vec<u32>)> + use<> {
        let coding = self.coding;
        let Self { rows, cells, .. } = std::mem::replace(self, Self::new(coding));
        rows.into_iter().flat_map(move |(scales, row)| {
            let start = row as usize * coding.codes;
            let row = cells[start..start + coding.codes].to_vec();
            (0..coding.codes).step_by(BLOCK).map(move |first| {
                // With 16 codes the block's second half repeats them: counted once.
                let counts = (0..BLOCK).map(|i| row.get(first + i).copied().unwrap_or(0)).collect();
                (coding.block(scales, first), counts)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Weights, decode};
    use std::collections::BTreeMap;

    #[test]
    fn codes_tell_the_same_as_weights() {
        for dtype in [Dtype::Q4_0, Dtype::Q4_1, Dtype::Q5_0, Dtype::Q5_1, Dtype::Q8_0] {
            let block_bytes = dtype.info().block_bytes as usize;
            let mut state = 12345u64;
            let bytes: Vec<u8> = (0..200 * block_bytes)
                .map(|i| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Few distinct scales, any codes.
                    let random = (state >> 56) as u8;
                    if i % block_bytes < 4 { random & 3 | 0x30 } else { random }
                })
                .collect();
            let (mut plain, mut coded) = (BTreeMap::new(), BTreeMap::new());
            let values = |bytes: &[u8]| match decode(dtype, bytes) {
                Ok(Weights::F32(values)) => values,
                other => panic!("{other:?}"),
            };
            for value in values(&bytes) {
                *plain.entry(value.to_bits()).or_insert(0u32) += 1;
            }
            let mut tally = CodeTally::new(Coding::of(dtype).unwrap());
            tally.add(&bytes[..90 * block_bytes]);
            tally.add(&bytes[90 * block_bytes..]);
            for (block, counts) in tally.drain() {
                for (value, count) in values(&block).into_iter().zip(counts).filter(|(_, count)| *count > 0) {
                    *coded.entry(value.to_bits()).or_insert(0) += count;
                }
            }
            assert_eq!(plain, coded, "{}", dtype.name());
        }
    }
}
