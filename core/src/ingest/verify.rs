//! Going through the stored segments of a model in the order of its files: each file's SHA-256, and
//! the counts of its distinct weights.

use crate::dtype::Dtype;
use crate::hash::{Hash, Hasher};
use crate::parallel;
use crate::segment::{self, SegmentError, SegmentSlice};
use crate::weight_counts::{BlockCarry, DistinctWeightCounter, WeightAtomPolicy, WeightCounts};

/// Verifies the stored bytes of a model, and counts its weights on the way.
pub struct VerifyPass {
    counter: DistinctWeightCounter,
    dtypes: Vec<Dtype>,
    carries: Vec<BlockCarry>,
    file: Hasher,
    /// Decoded segments; kept for their memory.
    segments: Vec<Vec<u8>>,
}

impl VerifyPass {
    /// For a model with these tensors: data type and number of weights of each.
    pub fn new(policy: WeightAtomPolicy, tensors: impl Iterator<Item = (Dtype, u64)> + Clone) -> Self {
        Self {
            counter: DistinctWeightCounter::new(policy, tensors.clone()),
            carries: tensors.clone().map(|_| BlockCarry::default()).collect(),
            dtypes: tensors.map(|(dtype, _)| dtype).collect(),
            file: Hasher::default(),
            segments: Vec::new(),
        }
    }

    /// Takes the next slices of the file, with their encoded segments. Call it within
    /// [`parallel::run_on_pool_while`]. Returns counts that are to be flushed because memory is full.
    ///
    /// # Errors
    /// The number of a damaged segment among `encoded`, and what is wrong with it.
    pub fn add(
        &mut self,
        slices: &[SegmentSlice],
        encoded: &[Vec<u8>],
    ) -> Result<WeightCounts, (usize, SegmentError)> {
        let Self { counter, dtypes, carries, file, segments } = self;
        segment::decode_all(encoded, segments)?;
        let bytes =
            || slices.iter().zip(&*segments).map(|(slice, segment)| (slice.tensor, slice.bytes(segment)));
        let ((), counts) = rayon::join(
            || bytes().for_each(|(_, bytes)| file.update(bytes)),
            || {
                let mut counts = WeightCounts::new();
                for (tensor, bytes) in bytes() {
                    if let Some(index) = tensor {
                        // Types without a decoder are passed over, and only whole blocks are counted.
                        counts.extend(
                            counter.add(dtypes[index], &mut carries[index], bytes).unwrap_or_default(),
                        );
                    }
                }
                counts
            },
        );
        Ok(counts)
    }

    /// The SHA-256 of all slices since the last call.
    pub fn finish_file(&mut self) -> Hash {
        std::mem::take(&mut self.file).finish()
    }

    /// The data types whose weights become atoms, all counts not yet flushed, and the number of
    /// zeros in each tensor.
    pub fn finish(self) -> (Vec<Dtype>, WeightCounts, Vec<u64>) {
        let Self { counter, carries, .. } = self;
        let ((chosen, counts), ()) = parallel::run_on_pool_while(|| counter.finish(), || ());
        (chosen, counts, carries.into_iter().map(|carry| carry.zeros).collect())
    }
}
