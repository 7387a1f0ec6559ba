//! Tensors that stand in the same bytes of a file, which ONNX's external data and TensorFlow's
//! shards allow: tied weights. A byte belongs to one plain tensor at most, so the second and all
//! further tensors over the same bytes are copies that are read where they are wanted.

use super::derived::share_overlaps;
use super::{ParseError, too_large};
use crate::model::Tensor;

/// How many times the bytes of its files a model's tensors may have together. Tied weights double
/// a tensor, and numbers of variable length may grow from one byte to eight; a small file whose
/// million tensors are all the same bytes would keep a server busy for years.
const MAX_GROWTH: u64 = 16;

/// Makes copies of plain tensors that share bytes with an earlier one, and refuses a model whose
/// tensors outgrow its files. `beyond` bytes of them need no place in the files.
pub fn settle(tensors: &mut [Tensor], files_bytes: u64, beyond: u64) -> Result<(), ParseError> {
    share_overlaps(tensors);
    let bytes = tensors.iter().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_length));
    let most = files_bytes.saturating_mul(MAX_GROWTH).saturating_add(beyond);
    if bytes > most {
        return Err(too_large!(
            "the tensors have {bytes} bytes together, more than {MAX_GROWTH} times the {files_bytes} bytes of their files"
        ));
    }
    Ok(())
}
