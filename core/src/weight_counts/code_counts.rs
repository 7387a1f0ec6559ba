//! Counting the weights of the first block types without looking each of them up: in a block, equal
//! codes are equal weights, and blocks with equal scales have the same ones. So codes are counted
//! for each distinct set of scales: 537 over the 28 million Q8_0 weights of a real model, 162,487
//! over its 106 million Q4_1 weights. A block then costs one look-up, and one line of counts.

use crate::dtype::Dtype;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hint::black_box;

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
    pub fn for_dtype(dtype: Dtype) -> Option<Self> {
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

    /// Adds the codes of one block to the counts of its scales.
    #[inline]
    fn count(self, block: &[u8], lines: &mut [Line]) {
        let rest = &block[self.scale_bytes..];
        match self.dtype {
            Dtype::Q8_0 => rest.iter().for_each(|&code| lines[usize::from(code >> 4)].count(code & 15)),
            Dtype::Q4_0 | Dtype::Q4_1 => {
                let line = &mut lines[0];
                for &pair in rest {
                    line.count(pair & 15);
                    line.count(pair >> 4);
                }
            }
            _ => {
                let (high, pairs) = rest.split_first_chunk().expect("a block has its high bits");
                let high = u32::from_le_bytes(*high);
                for (i, &pair) in pairs.iter().enumerate() {
                    lines[(high >> i & 1) as usize].count(pair & 15);
                    lines[(high >> (i + BLOCK / 2) & 1) as usize].count(pair >> 4);
                }
            }
        }
    }

    /// Makes a block with these scales, in which weight `i` has the code `first + i`, modulo their number.
    fn fill(self, scales: u32, first: usize, block: &mut [u8]) {
        let (of_scales, rest) = block.split_at_mut(self.scale_bytes);
        of_scales.copy_from_slice(&scales.to_le_bytes()[..self.scale_bytes]);
        let code = |i: usize| (first + i) % self.codes;
        if self.codes == 256 {
            rest.iter_mut().enumerate().for_each(|(i, byte)| *byte = code(i) as u8);
            return;
        }
        let (high_bits, pairs) = rest.split_at_mut(rest.len() - BLOCK / 2);
        if self.codes == 32 {
            let high = (0..BLOCK).fold(0u32, |high, i| high | ((code(i) >> 4) as u32) << i);
            high_bits.copy_from_slice(&high.to_le_bytes());
        }
        for (i, pair) in pairs.iter_mut().enumerate() {
            *pair = (code(i) & 15 | (code(i + BLOCK / 2) & 15) << 4) as u8;
        }
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

/// WeightCounts of 16 codes: one line of the cache.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u32; 16]);

impl Line {
    #[inline]
    fn count(&mut self, code: u8) {
        self.0[usize::from(code & 15)] += 1;
    }
}

/// Lines above which a table is to be emptied: 64 MB.
const MAX_LINES: usize = 1 << 20;
/// A count cannot overflow before this many weights were counted.
const MAX_WEIGHTS: u64 = u32::MAX as u64 - BLOCK as u64;
/// Blocks looked up together: the processor then waits for many lines of memory at a time.
const GROUP: usize = 64;

/// WeightCounts of codes for each distinct set of scales.
pub struct CodeCountTable {
    coding: Coding,
    /// The first of the lines of each set of scales.
    rows: HashMap<u32, u32, BuildHasherDefault<ScaleHasher>>,
    lines: Vec<Line>,
    weights: u64,
}

impl CodeCountTable {
    /// An empty table.
    pub fn new(coding: Coding) -> Self {
        Self { coding, rows: HashMap::default(), lines: Vec::new(), weights: 0 }
    }

    /// Lines of one set of scales.
    fn lines_of_row(&self) -> usize {
        self.coding.codes / 16
    }

    /// WeightCounts the weights of whole blocks.
    pub fn add(&mut self, bytes: &[u8]) {
        let Coding { dtype, scale_bytes, .. } = self.coding;
        let (length, block_bytes) = (self.lines_of_row(), dtype.info().block_bytes as usize);
        self.weights += (bytes.len() / block_bytes * BLOCK) as u64;
        for group in bytes.chunks(GROUP * block_bytes) {
            let blocks = group.chunks_exact(block_bytes);
            let mut starts = [0; GROUP];
            for (block, start) in blocks.clone().zip(&mut starts) {
                let mut scales = [0; 4];
                scales[..scale_bytes].copy_from_slice(&block[..scale_bytes]);
                let next = self.lines.len() as u32;
                *start = *self.rows.entry(u32::from_le_bytes(scales)).or_insert(next) as usize;
                if *start == next as usize {
                    self.lines.resize(self.lines.len() + length, Line::default());
                }
            }
            // Reads nothing of use, but brings the lines to the cache at once, not one by one.
            black_box(starts[..blocks.len()].iter().fold(0, |all, start| all | self.lines[*start].0[0]));
            for (block, start) in blocks.zip(starts) {
                self.coding.count(block, &mut self.lines[start..start + length]);
            }
        }
    }

    /// True when it is time to empty the table.
    pub fn is_full(&self) -> bool {
        self.lines.len() > MAX_LINES || self.weights > MAX_WEIGHTS / 2
    }

    /// Empties the table: gives `each` blocks, and how often each of their 32 weights was counted. A
    /// weight may come more than once.
    pub fn drain(&mut self, mut each: impl FnMut(&[u8], &[u32; BLOCK])) {
        let (coding, length) = (self.coding, self.lines_of_row());
        let Self { rows, lines, .. } = std::mem::replace(self, Self::new(coding));
        let mut block = vec![0; coding.dtype.info().block_bytes as usize];
        for (scales, start) in rows {
            let lines = &lines[start as usize..start as usize + length];
            for first in (0..coding.codes).step_by(BLOCK) {
                coding.fill(scales, first, &mut block);
                // With 16 codes the block's second half repeats them: counted once.
                let count = |i: usize| lines.get((first + i) / 16).map_or(0, |line| line.0[(first + i) % 16]);
                each(&block, &std::array::from_fn(count));
            }
        }
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
            let mut table = CodeCountTable::new(Coding::for_dtype(dtype).unwrap());
            table.add(&bytes[..90 * block_bytes]);
            table.add(&bytes[90 * block_bytes..]);
            table.drain(|block, counts| {
                for (value, count) in values(block).into_iter().zip(counts).filter(|(_, count)| **count > 0) {
                    *coded.entry(value.to_bits()).or_insert(0) += count;
                }
            });
            assert_eq!(plain, coded, "{}", dtype.name());
        }
    }
}
