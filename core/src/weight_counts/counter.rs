//! Counting the distinct weights of a whole model, data type by data type.

use super::dtype_counter::DtypeCounter;
use crate::dtype::Dtype;
use crate::parallel;
use crate::weights::{DecodeError, Width};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// With granularity `auto`, the weights of a data type become atoms when they share each value at
/// least this often on average: an atom's row is about 144 bytes, a weight 0.5 to 4.
const MIN_SHARING: u64 = 256;
/// Distinct values of one data type that are held in memory, about 100 MB for each thread. Above it
/// `auto` makes no weight atoms, and `weight` flushes what it has and goes on.
const MAX_DISTINCT: usize = 4 << 20;
/// Bytes of blocks decoded at a time, so that what they decode to stays in the cache.
const PIECE_BYTES: usize = 64 << 10;

/// Of which data types the weights become atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightAtomPolicy {
    /// Of none; only zeros are counted.
    None,
    /// Of those whose weights share enough values.
    Auto,
    /// Of all.
    All,
}

/// Occurrences of distinct weights: width, bits, count.
pub type WeightCounts = Vec<(Width, u64, u64)>;

struct OfType {
    /// One for each thread.
    counters: Vec<DtypeCounter>,
    /// Weights of this type in the whole model.
    weights: u64,
    counting: bool,
}

/// WeightCounts of a model's weights.
pub struct DistinctWeightCounter {
    policy: WeightAtomPolicy,
    types: BTreeMap<Dtype, OfType>,
}

/// What is kept of one tensor from one call of [`DistinctWeightCounter::add`] to the next.
#[derive(Default)]
pub struct BlockCarry {
    /// Start of a block of which the rest is still to come.
    bytes: Vec<u8>,
    /// Weights that are zero so far.
    pub zeros: u64,
}

impl DistinctWeightCounter {
    /// A counter for a model with these numbers of weights of each data type. Types that cannot be
    /// decoded are passed over.
    pub fn new(policy: WeightAtomPolicy, totals: impl IntoIterator<Item = (Dtype, u64)>) -> Self {
        let mut types = BTreeMap::new();
        for (dtype, weights) in totals.into_iter().filter(|(dtype, _)| dtype.is_decodable()) {
            let of_type = types.entry(dtype).or_insert_with(|| OfType {
                counters: Vec::new(),
                weights: 0,
                counting: policy != WeightAtomPolicy::None,
            });
            of_type.weights += weights;
        }
        for (dtype, of_type) in &mut types {
            let max = match policy {
                WeightAtomPolicy::Auto => MAX_DISTINCT.min((of_type.weights / MIN_SHARING) as usize),
                WeightAtomPolicy::None | WeightAtomPolicy::All => MAX_DISTINCT,
            };
            of_type.counters = (0..parallel::threads()).map(|_| DtypeCounter::new(*dtype, max)).collect();
        }
        Self { policy, types }
    }

    /// WeightCounts the next bytes of a tensor. Returns counts to flush when memory is full.
    ///
    /// # Errors
    /// [`DecodeError`] only for a damaged tensor, since undecodable types are passed over.
    pub fn add(
        &mut self,
        dtype: Dtype,
        carry: &mut BlockCarry,
        bytes: &[u8],
    ) -> Result<WeightCounts, DecodeError> {
        let Some(of_type) = self.types.get_mut(&dtype) else {
            return Ok(WeightCounts::new());
        };
        let block = dtype.info().block_bytes as usize;
        let mut joined = std::mem::take(&mut carry.bytes);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let (whole, rest) = bytes.split_at(bytes.len() / block * block);
        carry.bytes = rest.to_vec();

        let counting = of_type.counting;
        let share = whole.len().div_ceil(block).div_ceil(of_type.counters.len()).max(1) * block;
        let piece = (PIECE_BYTES / block).max(1) * block;
        let results: Vec<(u64, bool)> = of_type
            .counters
            .par_iter_mut()
            .zip(whole.par_chunks(share))
            .map(|(counter, share)| {
                let (mut zeros, mut fits) = (0, true);
                for piece in share.chunks(piece) {
                    zeros += counter.add(dtype, piece, counting && fits)?;
                    fits = fits && counter.fits();
                }
                Ok((zeros, fits))
            })
            .collect::<Result<_, DecodeError>>()?;
        carry.zeros += results.iter().map(|(zeros, _)| zeros).sum::<u64>();
        if !counting || results.iter().all(|(_, fits)| *fits) {
            return Ok(WeightCounts::new());
        }
        match self.policy {
            WeightAtomPolicy::All => Ok(of_type.counters.iter_mut().flat_map(DtypeCounter::drain).collect()),
            WeightAtomPolicy::Auto | WeightAtomPolicy::None => {
                of_type.counting = false;
                of_type.counters.iter_mut().for_each(|counter| drop(counter.drain()));
                Ok(WeightCounts::new())
            }
        }
    }

    /// The data types whose weights become atoms, and all that was not flushed before. Call it
    /// within [`parallel::run_on_pool_while`].
    pub fn finish(self) -> (Vec<Dtype>, WeightCounts) {
        let (mut chosen, mut counts) = (Vec::new(), WeightCounts::new());
        for (dtype, mut of_type) in self.types {
            if !of_type.counting {
                continue;
            }
            let all = join(of_type.counters.par_iter_mut().flat_map_iter(DtypeCounter::drain).collect());
            if self.policy == WeightAtomPolicy::All || all.len() as u64 * MIN_SHARING <= of_type.weights {
                chosen.push(dtype);
                counts.extend(all);
            }
        }
        (chosen, join(counts))
    }
}

/// Adds up the counts of equal weights, which several types or threads may have met.
fn join(mut counts: WeightCounts) -> WeightCounts {
    counts.par_sort_unstable();
    counts.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
        values.into_iter().flat_map(f32::to_le_bytes).collect()
    }

    #[test]
    fn types_that_share_are_chosen_and_others_not() {
        let few = bytes((0..100_000).map(|i| (i % 50) as f32));
        let many = bytes((0..1000).map(|i| i as f32));
        for (data, expected) in [(&few, 50), (&many, 0)] {
            let mut counter =
                DistinctWeightCounter::new(WeightAtomPolicy::Auto, [(Dtype::F32, data.len() as u64 / 4)]);
            let mut carry = BlockCarry::default();
            // Pieces that cut weights in two.
            for piece in data.chunks(997) {
                assert!(counter.add(Dtype::F32, &mut carry, piece).unwrap().is_empty());
            }
            let (chosen, counts) = counter.finish();
            assert_eq!((chosen.len(), counts.len()), (usize::from(expected > 0), expected));
            assert_eq!(carry.zeros, if expected > 0 { 2000 } else { 1 });
            assert!(counts.iter().all(|(_, _, count)| *count == 2000));
        }
    }

    #[test]
    fn equal_weights_of_different_types_are_one() {
        let mut counter = DistinctWeightCounter::new(
            WeightAtomPolicy::All,
            [(Dtype::F32, 2), (Dtype::F16, 2), (Dtype::F4, 9)],
        );
        counter.add(Dtype::F32, &mut BlockCarry::default(), &bytes([1.0, 2.0])).unwrap();
        counter.add(Dtype::F16, &mut BlockCarry::default(), &[0x00, 0x3c, 0x00, 0x3c]).unwrap();
        counter.add(Dtype::F4, &mut BlockCarry::default(), &[1, 2, 3]).unwrap();
        let (chosen, counts) = counter.finish();
        assert_eq!(chosen, [Dtype::F32, Dtype::F16]);
        assert_eq!(counts, [(Width::F32, 1f32.to_bits().into(), 3), (Width::F32, 2f32.to_bits().into(), 1)]);
    }
}
