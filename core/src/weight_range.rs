//! A range of a tensor's weights as f32, decoded to its place while the bytes come in.

use crate::dtype::Dtype;
use crate::weights::{DecodeError, decode_f32_into};
use rayon::prelude::*;

/// Bytes of blocks that one thread decodes at a time, or little less.
const PART_BYTES: usize = 128 << 10;

/// Decodes the blocks of a range of weights, whose bytes are given piece by piece: a piece may end anywhere.
pub struct WeightRange<'a> {
    dtype: Dtype,
    /// Weights of the first block that come before the range.
    skip: usize,
    /// Places of the weights that are still to come.
    out: &'a mut [f32],
    /// The beginning of a block, at the end of the last piece.
    block: Vec<u8>,
}

impl<'a> WeightRange<'a> {
    /// Decodes to `out`, without the first `skip` weights of the first block and what is behind `out`'s end in
    /// the last one, as [`Dtype::blocks_holding`] gives them.
    pub fn new(dtype: Dtype, skip: usize, out: &'a mut [f32]) -> Self {
        Self { dtype, skip, out, block: Vec::new() }
    }

    /// Decodes the next bytes, on all threads. Call it within
    /// [`run_on_pool_while`](crate::parallel::run_on_pool_while).
    ///
    /// # Errors
    /// [`DecodeError`] for types without a decoder.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        let block_bytes = self.dtype.info().block_bytes as usize;
        if !self.block.is_empty() {
            let missing = bytes.len().min(block_bytes - self.block.len());
            let (rest, behind) = bytes.split_at(missing);
            self.block.extend_from_slice(rest);
            bytes = behind;
            if self.block.len() < block_bytes {
                return Ok(());
            }
            let mut block = std::mem::take(&mut self.block);
            self.decode(&block)?;
            block.clear();
            self.block = block;
        }
        let (blocks, rest) = bytes.split_at(bytes.len() / block_bytes * block_bytes);
        self.block.extend_from_slice(rest);
        self.decode(blocks)
    }

    /// Decodes whole blocks.
    fn decode(&mut self, mut blocks: &[u8]) -> Result<(), DecodeError> {
        let row = self.dtype.info();
        let (block_bytes, block_weights) = (row.block_bytes as usize, row.block_weights as usize);
        if self.skip > 0 && !blocks.is_empty() {
            let (first, behind) = blocks.split_at(block_bytes);
            self.decode_part(first)?;
            blocks = behind;
        }
        let whole = (blocks.len() / block_bytes).min(self.out.len() / block_weights);
        let (blocks, rest) = blocks.split_at(whole * block_bytes);
        let (out, behind) = std::mem::take(&mut self.out).split_at_mut(whole * block_weights);
        self.out = behind;
        let part = (PART_BYTES / block_bytes).max(1);
        blocks
            .par_chunks(part * block_bytes)
            .zip(out.par_chunks_mut(part * block_weights))
            .try_for_each(|(blocks, out)| decode_f32_into(self.dtype, blocks, out))?;
        match rest.split_at_checked(block_bytes) {
            Some((last, _)) => self.decode_part(last),
            None => Ok(()),
        }
    }

    /// Decodes one block of which not all weights are wanted.
    fn decode_part(&mut self, block: &[u8]) -> Result<(), DecodeError> {
        let mut weights = vec![0.0; self.dtype.info().block_weights as usize];
        decode_f32_into(self.dtype, block, &mut weights)?;
        let wanted = &weights[std::mem::take(&mut self.skip)..];
        let count = wanted.len().min(self.out.len());
        let (out, behind) = std::mem::take(&mut self.out).split_at_mut(count);
        self.out = behind;
        out.copy_from_slice(&wanted[..count]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::decode;
    use proptest::prelude::*;

    proptest! {
        /// Whatever range is asked for, and however its bytes come, the weights are those of decoding all.
        #[test]
        fn a_range_is_a_part_of_the_whole(
            dtype in prop::sample::select(&[Dtype::F16, Dtype::F64, Dtype::I8, Dtype::Q4_1, Dtype::Q6_K][..]),
            blocks in 1..9u64, cuts in prop::array::uniform2(any::<prop::sample::Index>()), piece in 1..700usize,
        ) {
            let row = dtype.info();
            let bytes: Vec<u8> = (0..blocks * u64::from(row.block_bytes)).map(|i| (i * i % 89) as u8).collect();
            let whole = decode(dtype, &bytes).unwrap().into_f32();
            let [a, b] = cuts.map(|cut| cut.index(whole.len() + 1));
            let (first, count) = (a.min(b), a.abs_diff(b));
            let (range, skip) = dtype.blocks_holding(first as u64, count as u64);
            let mut out = vec![7.5; count];
            let mut weights = WeightRange::new(dtype, skip, &mut out);
            for piece in bytes[range.offset as usize..range.end() as usize].chunks(piece) {
                weights.push(piece).unwrap();
            }
            let bits = |weights: &[f32]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&out), bits(&whole[first..first + count]));
        }
    }

    #[test]
    fn many_blocks_are_decoded_by_many_threads() {
        let bytes: Vec<u8> = (0..20 * 40_000u32).map(|i| (i % 251) as u8).collect();
        let mut out = vec![0.0; 32 * 40_000 - 2];
        let mut weights = WeightRange::new(Dtype::Q4_1, 1, &mut out);
        bytes.chunks(300_001).for_each(|piece| weights.push(piece).unwrap());
        let whole = decode(Dtype::Q4_1, &bytes).unwrap().into_f32();
        assert!(out.iter().zip(&whole[1..]).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn a_type_without_a_decoder_is_an_error() {
        assert!(matches!(
            WeightRange::new(Dtype::F4, 0, &mut [0.0; 2]).push(&[0]),
            Err(DecodeError::Unsupported(_))
        ));
    }
}
