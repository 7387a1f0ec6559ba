//! Bytes of a tensor that do not stand in its file as they are.

use crate::byte_range::ByteRange;
use crate::file_layout::Ranges;
use crate::source::{Source, SourceError};
use std::fmt::Debug;

/// A tensor's bytes that do not stand in its file as they are: compressed, strided, in another byte
/// order, or written as text or variable-length numbers.
pub trait LazyTensor: Debug + Send + Sync {
    /// The tensor's bytes, row-major and little-endian, computed from its file when they are read.
    /// Reading from front to back is what it must do well. No more memory than a small buffer or one
    /// compressed chunk may be held, and never more than the file and the tensor have together.
    ///
    /// # Errors
    /// [`SourceError`], as for any source.
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError>;
}

/// Bytes of the file as they are, which another tensor holds already: tied weights.
impl LazyTensor for ByteRange {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        Ok(Box::new(Ranges::new(file, [*self])))
    }
}
