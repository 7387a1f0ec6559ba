//! Tensors that stand in the same bytes of a file, which ONNX's external data and TensorFlow's
//! shards allow: tied weights. A byte belongs to one plain tensor at most, so the second and all
//! further tensors over the same bytes are copies that are read where they are wanted.

use super::{ParseError, too_large};
use crate::model::{Derived, Tensor};
use crate::rebuild::Ranges;
use crate::source::{Source, SourceError, check_range};
use std::sync::Arc;

/// How many times the bytes of its files a model's tensors may have together. Tied weights double
/// a tensor, and numbers of variable length may grow from one byte to eight; a small file whose
/// million tensors are all the same bytes would keep a server busy for years.
const MAX_GROWTH: u64 = 16;

/// A range of the file.
#[derive(Debug)]
struct Copied {
    offset: u64,
    length: u64,
}

impl Derived for Copied {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        check_range(self.offset, 0, file.len())?;
        if self.length > file.len() - self.offset {
            return Err(SourceError::OutOfRange {
                offset: self.offset,
                wanted: self.length,
                length: file.len(),
            });
        }
        Ok(Box::new(Ranges::new(file, [(self.offset, self.length)])))
    }
}

/// Makes copies of plain tensors that share bytes with an earlier one, and refuses a model whose
/// tensors outgrow its files. `beyond` bytes of them need no place in the files.
pub fn settle(tensors: &mut [Tensor], files_bytes: u64, beyond: u64) -> Result<(), ParseError> {
    tensors.sort_by_key(|tensor| (tensor.file_no, tensor.offset, tensor.byte_length));
    let mut covered = (0, 0);
    for tensor in tensors.iter_mut().filter(|tensor| tensor.derived.is_none() && tensor.byte_length > 0) {
        let (file_no, end) = covered;
        if file_no == tensor.file_no && tensor.offset < end {
            let copied = Copied { offset: tensor.offset, length: tensor.byte_length };
            tensor.derived = Some(Arc::new(copied));
        } else {
            covered = (tensor.file_no, tensor.offset + tensor.byte_length);
        }
    }
    let bytes = tensors.iter().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_length));
    let most = files_bytes.saturating_mul(MAX_GROWTH).saturating_add(beyond);
    if bytes > most {
        return Err(too_large!(
            "the tensors have {bytes} bytes together, more than {MAX_GROWTH} times the {files_bytes} bytes of their files"
        ));
    }
    Ok(())
}
