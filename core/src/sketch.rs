//! A tensor's sketch: its weights, however many, as one vector of 1536 dimensions.
//!
//! This is feature hashing (Weinberger et al., "Feature hashing for large scale multitask learning",
//! 2009), known too as the count sketch (Charikar, Chen & Farach-Colton 2002): every position of the
//! flattened tensor has a bucket and a sign, and a bucket is the sum of its weights, signed. Here
//! 1536 weights in a row go to 1536 different buckets, in their order but rotated by a random
//! number of buckets, so that one pass over them is plain vector arithmetic.
//!
//! The sketch S is linear, and ⟨Su, Sv⟩ = Σ uᵢvᵢ + Σ sᵢsⱼuᵢvⱼ over pairs i ≠ j in one bucket. As the
//! signs s are independent and as often −1 as 1, every term of the second sum has the mean 0, whatever
//! the buckets are: **the mean of ⟨Su, Sv⟩ is ⟨u, v⟩ exactly**, and that of |Su − Sv|² is |u − v|².
//! Positions of one row of 1536 never meet, those of different ones do with probability 1/1536, so
//! the variance of ⟨Su, Sv⟩ is at most (|u|²|v|² + ⟨u, v⟩²) / 1536, and the standard deviation of
//! |Su − Sv|² at most √(2/1536) = 3.6 % of its mean. The turns matter for this bound: without them
//! the same columns of a matrix whose width divides 1536 would meet in every row.
//!
//! Buckets are summed in f64 in the order of positions: equal weights have equal sketches, to the
//! last bit, in whatever pieces and from whatever format they come. A tensor's sketch is that of the
//! same weights followed by zeros. Signs and turns come from SplitMix64 and depend on the seed and on
//! the position alone, so sketches of all tensors can be compared.

use crate::simd::wide::{self, Kernel};
use crate::splitmix::mix;

/// Dimension of a sketch.
pub const DIMENSION: usize = 1536;

/// Weights that lie side by side in [`Sketch::add_block`] and take their signs from the same bit of their
/// words; the 32 bits of a word serve 32 of such rows.
const COLUMNS: usize = DIMENSION / 32;

/// A sketch while the weights come in.
#[derive(Debug, Clone)]
pub struct Sketch {
    seed: u64,
    sums: Box<[f64; DIMENSION]>,
    /// Whole blocks so far.
    block: u64,
    /// The weights after them, less than a block.
    pending: Vec<f32>,
}

impl Sketch {
    /// A sketch of no weights yet. Only sketches of the same seed can be compared.
    pub fn new(seed: u64) -> Self {
        Self { seed: mix(seed), sums: Box::new([0.0; DIMENSION]), block: 0, pending: Vec::new() }
    }

    /// Adds the next weights. NaN and infinities count as zero.
    pub fn add(&mut self, mut weights: &[f32]) {
        if !self.pending.is_empty() {
            let mut pending = std::mem::take(&mut self.pending);
            let missing = (DIMENSION - pending.len()).min(weights.len());
            let (fitting, rest) = weights.split_at(missing);
            pending.extend_from_slice(fitting);
            weights = rest;
            let (block, _) = pending.as_chunks();
            self.add_blocks(block);
            if !block.is_empty() {
                pending.clear();
            }
            self.pending = pending;
        }
        let (blocks, rest) = weights.as_chunks();
        self.add_blocks(blocks);
        self.pending.extend_from_slice(rest);
    }

    /// The sketch of all weights. A sum beyond f32 is its greatest number.
    pub fn finish(mut self) -> Vec<f32> {
        if !self.pending.is_empty() {
            let mut block = [0.0; DIMENSION];
            block[..self.pending.len()].copy_from_slice(&self.pending);
            self.add_blocks(&[block]);
        }
        self.sums.iter().map(|sum| sum.clamp(f32::MIN.into(), f32::MAX.into()) as f32).collect()
    }

    fn add_blocks(&mut self, blocks: &[[f32; DIMENSION]]) {
        wide::run(AddBlocks { sketch: self, blocks });
    }

    #[inline(always)]
    fn add_block(&mut self, block: &[f32; DIMENSION]) {
        const EXPONENT: u32 = 0x7f80_0000;
        const SIGN: u32 = 0x8000_0000;
        let key = mix(self.seed.wrapping_add(self.block));
        self.block += 1;
        let signs: [u32; COLUMNS] = std::array::from_fn(|column| {
            let word = mix(key.wrapping_add(column as u64 / 2));
            (word >> (32 * (column % 2))) as u32
        });
        let turn = ((u128::from(mix(!key)) * DIMENSION as u128) >> 64) as usize;

        let mut signed = [0.0; DIMENSION];
        let rows = block.as_chunks::<COLUMNS>().0.iter().zip(signed.as_chunks_mut::<COLUMNS>().0);
        for (bit, (weights, signed)) in rows.enumerate() {
            for column in 0..COLUMNS {
                let bits = weights[column].to_bits();
                let kept = if bits & EXPONENT == EXPONENT { 0 } else { bits };
                signed[column] = f32::from_bits(kept ^ signs[column] << bit & SIGN);
            }
        }
        let (front, back) = signed.split_at(DIMENSION - turn);
        let (low, high) = self.sums.split_at_mut(turn);
        high.iter_mut().zip(front).for_each(|(sum, weight)| *sum += f64::from(*weight));
        low.iter_mut().zip(back).for_each(|(sum, weight)| *sum += f64::from(*weight));
    }
}

struct AddBlocks<'a> {
    sketch: &'a mut Sketch,
    blocks: &'a [[f32; DIMENSION]],
}

impl Kernel for AddBlocks<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for block in self.blocks {
            self.sketch.add_block(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(seed: u64, weights: &[f32]) -> Vec<f32> {
        let mut sketch = Sketch::new(seed);
        sketch.add(weights);
        sketch.finish()
    }

    fn noise(seed: u64, count: usize) -> Vec<f32> {
        (0..count as u64).map(|i| (mix(mix(seed) ^ i) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// The definition, one position at a time.
    fn plain(seed: u64, weights: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; DIMENSION];
        for (position, weight) in weights.iter().enumerate() {
            let (block, offset) = (position / DIMENSION, position % DIMENSION);
            let key = mix(mix(seed).wrapping_add(block as u64));
            let turn = (u128::from(mix(!key)) * 1536 / (1 << 64)) as usize;
            let (row, column) = (offset / 48, offset % 48);
            let word = mix(key.wrapping_add(column as u64 / 2)) >> (32 * (column % 2)) & 0xffff_ffff;
            let negative = word >> (31 - row) & 1 == 1;
            sums[(offset + turn) % DIMENSION] += f64::from(if negative { -weight } else { *weight });
        }
        sums.iter().map(|sum| *sum as f32).collect()
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(seed: u64, pieces in prop::collection::vec(0usize..4000, 0..6)) {
            let weights = noise(seed, pieces.iter().sum());
            let mut pieced = Sketch::new(seed);
            let mut from = 0;
            for piece in pieces {
                pieced.add(&weights[from..from + piece]);
                from += piece;
            }
            let pieced = pieced.finish();
            prop_assert_eq!(&pieced, &plain(seed, &weights));
            prop_assert_eq!(&pieced, &sketch(seed, &weights));
        }
    }

    /// Pinned: stored sketches must stay comparable. The values are those of a program in Python.
    #[test]
    fn a_sketch_never_changes() {
        let made = sketch(42, &noise(1, 5000));
        assert_eq!(made[..3], [-1.169_497_8, -1.618_127_6, 0.427_840_23]);
        assert_eq!(dot(&made, &made), 1606.4311189560115);
    }

    #[test]
    fn what_is_not_finite_counts_as_zero() {
        let mut weights = noise(2, 4000);
        let mut zeros = weights.clone();
        for (i, special) in
            [(0, f32::NAN), (1535, f32::INFINITY), (1536, f32::NEG_INFINITY), (3999, f32::NAN)]
        {
            weights[i] = special;
            zeros[i] = 0.0;
        }
        assert_eq!(sketch(42, &weights), sketch(42, &zeros));
        assert_eq!(sketch(42, &[]), [0.0; DIMENSION]);
        assert_eq!(sketch(42, &[]), sketch(42, &[0.0, -0.0]));
        let huge = sketch(42, &vec![f32::MAX; 200_000]);
        assert!(huge.iter().all(|sum| sum.is_finite()) && huge.contains(&f32::MAX));
    }

    /// Over many seeds the mean of the inner products is the true one, and their spread within the
    /// bound: for noise, and for a matrix whose few great columns would meet in every row.
    #[test]
    fn inner_products_are_kept_on_average() {
        let mut columns = noise(4, 30 * 768);
        columns.iter_mut().enumerate().filter(|(i, _)| i % 768 != 5).for_each(|(_, w)| *w *= 0.01);
        let near: Vec<f32> =
            noise(5, 20_000).iter().zip(noise(6, 20_000)).map(|(a, b)| a + 0.3 * b).collect();
        for (u, v) in [(noise(5, 20_000), near), (noise(7, 9000), noise(8, 9000)), (columns.clone(), columns)]
        {
            const SEEDS: u64 = 400;
            let truth = dot(&u, &v);
            let bound = (dot(&u, &u) * dot(&v, &v) + truth * truth) / DIMENSION as f64;
            let errors: Vec<f64> =
                (0..SEEDS).map(|seed| dot(&sketch(seed, &u), &sketch(seed, &v)) - truth).collect();
            let mean = errors.iter().sum::<f64>() / SEEDS as f64;
            let variance = errors.iter().map(|e| e * e).sum::<f64>() / SEEDS as f64;
            // Four standard errors of the mean; and the spread of a variance of 400 is 7 %.
            assert!(mean.abs() < 4.0 * (bound / SEEDS as f64).sqrt(), "mean {mean}, bound {bound}");
            assert!(variance < 1.35 * bound && variance > 0.3 * bound, "variance {variance}, bound {bound}");
        }
    }
}
