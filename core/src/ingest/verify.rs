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
    tensors: Vec<(Dtype, u64)>,
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
            tensors: tensors.collect(),
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
        let Self { counter, tensors, carries, file, segments } = self;
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
                            counter.add(tensors[index].0, &mut carries[index], bytes).unwrap_or_default(),
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

    /// What was found in all of the model's bytes.
    pub fn finish(self) -> Verified {
        let Self { counter, tensors, carries, .. } = self;
        let ((weight_atom_dtypes, counts), ()) = parallel::run_on_pool_while(|| counter.finish(), || ());
        let share = |((dtype, count), carry): (&(Dtype, u64), &BlockCarry)| {
            (dtype.is_decodable() && *count > 0).then(|| carry.zeros as f64 / *count as f64)
        };
        let sparsity = tensors.iter().zip(&carries).map(share).collect();
        Verified { weight_atom_dtypes, counts, sparsity }
    }
}

/// What [`VerifyPass`] found in a model.
#[derive(Debug)]
pub struct Verified {
    /// The data types whose weights become atoms.
    pub weight_atom_dtypes: Vec<Dtype>,
    /// All counts not yet flushed.
    pub counts: WeightCounts,
    /// Share of zeros in each tensor, from 0 to 1; none where weights are not decoded or there are none.
    pub sparsity: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_range::ByteRange;
    use crate::hash::sha256;
    use crate::segment::{Encoder, slices};

    /// Goes through tensors of one segment each, as one file.
    fn verify(tensors: &[(Dtype, &[u8])]) -> (Hash, Verified) {
        let count = |(dtype, bytes): &(Dtype, &[u8])| {
            let row = dtype.info();
            (*dtype, bytes.len() as u64 / u64::from(row.block_bytes) * u64::from(row.block_weights))
        };
        let mut pass = VerifyPass::new(WeightAtomPolicy::All, tensors.iter().map(count));
        for (index, (_, bytes)) in tensors.iter().enumerate() {
            let range = ByteRange::new(0, bytes.len() as u64);
            let slices: Vec<SegmentSlice> = slices(sha256(bytes), range, Some(index)).collect();
            let mut encoded = vec![Vec::new(); slices.len()];
            encoded.iter_mut().for_each(|out| Encoder::default().encode(bytes, 1, out));
            let flushed = parallel::run_on_pool_while(|| pass.add(&slices, &encoded), || ()).0.unwrap();
            assert!(flushed.is_empty());
        }
        (pass.finish_file(), pass.finish())
    }

    #[test]
    fn sparsity_is_the_share_of_zeros() {
        let floats: Vec<u8> = [0.0f32, 1.5, -0.0, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let (hash, found) = verify(&[
            (Dtype::F32, &floats),
            (Dtype::I8, &[0, 1, 2]),
            (Dtype::F32, &[]),
            (Dtype::F4, &[0; 8]),
        ]);
        assert_eq!(found.sparsity, [Some(0.5), Some(1.0 / 3.0), None, None]);
        assert_eq!(found.weight_atom_dtypes, [Dtype::F32, Dtype::I8]);
        let mut whole = floats;
        whole.extend([0, 1, 2]);
        whole.extend([0; 8]);
        assert_eq!(hash, sha256(&whole));
    }

    #[test]
    fn a_damaged_segment_is_named() {
        let slices: Vec<SegmentSlice> = slices(sha256(b"x"), ByteRange::new(0, 1), None).collect();
        let mut pass = VerifyPass::new(WeightAtomPolicy::All, std::iter::empty());
        let (index, _) = pass.add(&slices, &[vec![0xff; 3]]).unwrap_err();
        assert_eq!(index, 0);
    }
}
