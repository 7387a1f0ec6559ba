//! The weights of a model one after the other, a piece of a tensor in memory at a time.

use crate::model::Tensor;
use crate::weights::{AtomicValue, DecodeError, Weights, decode};

/// Bytes of blocks decoded at a time.
const PIECE_BYTES: u64 = 64 << 10;

/// Where a stream takes the bytes of tensors from.
pub trait TensorBytes {
    /// What may go wrong.
    type Error: From<DecodeError>;

    /// Fills `buf` with a tensor's bytes from `offset` on. A stream asks for the tensors one after the
    /// other, and for each from front to back.
    ///
    /// # Errors
    /// When not all of them can be read.
    fn read(&mut self, index: usize, tensor: &Tensor, offset: u64, buf: &mut [u8])
    -> Result<(), Self::Error>;
}

/// One weight of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamedWeight<'a> {
    /// Its tensor.
    pub tensor: &'a Tensor,
    /// Which weight of the tensor it is, from 0.
    pub index: u64,
    /// Its value as `real`; rounded where the type is wider.
    pub value: f32,
    /// The content of its atom.
    pub atomic_value: AtomicValue,
}

/// A stream over the weights of tensors.
pub struct WeightStream {
    tensors: Vec<Tensor>,
    /// The tensor that is read.
    tensor: usize,
    /// Next weight of that tensor.
    next: u64,
    /// Weights still wanted.
    left: u64,
    /// Decoded weights, and which weight of the tensor the first of them is.
    piece: Weights,
    piece_start: u64,
}

impl WeightStream {
    /// `count` weights of all tensors together, from `offset` on.
    pub fn new(tensors: Vec<Tensor>, offset: u64, count: u64) -> Self {
        let (mut tensor, mut next) = (0, offset);
        while tensors.get(tensor).is_some_and(|tensor| next >= tensor.weight_count) {
            next -= tensors[tensor].weight_count;
            tensor += 1;
        }
        Self { tensors, tensor, next, left: count, piece: Weights::F32(Vec::new()), piece_start: 0 }
    }

    /// The next weight; none after the last one.
    ///
    /// # Errors
    /// What `bytes` says, or that the type has no decoder.
    pub fn next<B: TensorBytes>(&mut self, bytes: &mut B) -> Result<Option<StreamedWeight<'_>>, B::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.tensors.get(self.tensor).is_some_and(|tensor| self.next >= tensor.weight_count) {
            (self.tensor, self.next) = (self.tensor + 1, 0);
            self.piece = Weights::F32(Vec::new());
        }
        if self.tensor >= self.tensors.len() {
            return Ok(None);
        }
        let index = self.next;
        let in_piece = index.checked_sub(self.piece_start).filter(|i| *i < self.piece.len() as u64);
        let i = match in_piece {
            Some(i) => i,
            None => {
                self.load(bytes)?;
                index - self.piece_start
            }
        } as usize;
        self.next += 1;
        self.left -= 1;
        Ok(Some(StreamedWeight {
            tensor: &self.tensors[self.tensor],
            index,
            value: self.piece.f32(i),
            atomic_value: self.piece.atomic_value(i),
        }))
    }

    /// Decodes the piece that begins with the block of weight `next`.
    fn load<B: TensorBytes>(&mut self, bytes: &mut B) -> Result<(), B::Error> {
        let tensor = &self.tensors[self.tensor];
        let row = tensor.dtype.info();
        let (block_weights, block_bytes) = (u64::from(row.block_weights), u64::from(row.block_bytes));
        let first_block = self.next / block_weights;
        let wanted = (self.next - first_block * block_weights).saturating_add(self.left);
        let blocks = (PIECE_BYTES / block_bytes)
            .max(1)
            .min(wanted.div_ceil(block_weights))
            .min(tensor.byte_length / block_bytes - first_block);
        let mut raw = vec![0; (blocks * block_bytes) as usize];
        bytes.read(self.tensor, tensor, first_block * block_bytes, &mut raw)?;
        self.piece = decode(tensor.dtype, &raw)?;
        self.piece_start = first_block * block_weights;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
