//! Tensors that stand in the same bytes of a file, which ONNX's external data and TensorFlow's
//! shards allow: tied weights. A byte belongs to one plain tensor at most, so the second and all
//! further tensors over the same bytes are copies that are read where they are wanted.

use crate::byte_range::ByteRange;
use crate::formats::error::{ParseError, too_large};
use crate::model::Tensor;
use std::cmp::Reverse;
use std::sync::Arc;

/// How many times the bytes of its files a model's tensors may have together. Tied weights double
/// a tensor, and numbers of variable length may grow from one byte to eight; a small file whose
/// million tensors are all the same bytes would keep a server busy for years.
const MAX_GROWTH: u64 = 16;

/// Makes copies of plain tensors that share bytes with an earlier one, and refuses a model whose
/// tensors outgrow its files. `beyond` bytes of them need no place in the files.
pub fn resolve_overlaps(tensors: &mut [Tensor], files_bytes: u64, beyond: u64) -> Result<(), ParseError> {
    share_overlaps(tensors);
    let bytes = tensors.iter().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_length));
    let max = files_bytes.saturating_mul(MAX_GROWTH).saturating_add(beyond);
    if bytes > max {
        return Err(too_large!(
            "the tensors have {bytes} bytes together, more than {MAX_GROWTH} times the {files_bytes} bytes of their files"
        ));
    }
    Ok(())
}

/// For formats in which tensors may share bytes: of plain tensors that overlap, the first stays as it
/// is, and the others become recipes for the same bytes. First is what starts first, then what is
/// longest, then what is listed first: so a file's bytes stand in as few tensors as can be.
pub fn share_overlaps(tensors: &mut [Tensor]) {
    let plain = |tensor: &Tensor| tensor.lazy.is_none() && tensor.byte_length > 0;
    let mut order: Vec<usize> = (0..tensors.len()).filter(|&index| plain(&tensors[index])).collect();
    order.sort_by_key(|&index| {
        let Tensor { file_no, offset, byte_length, .. } = tensors[index];
        (file_no, offset, Reverse(byte_length))
    });
    let mut covered = (0, 0);
    for index in order {
        let Tensor { file_no, offset, byte_length, .. } = tensors[index];
        if covered.0 == file_no && offset < covered.1 {
            tensors[index].lazy = Some(Arc::new(ByteRange::new(offset, byte_length)));
        } else {
            covered = (file_no, offset + byte_length);
        }
    }
}
