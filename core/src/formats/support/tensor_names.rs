//! Names of tensors that are put together from those of the places around them: what they may take is
//! bounded by the file they come from.

use crate::formats::error::{ParseError, malformed, too_large};

/// Names may have so many times the bytes of their file together, and this many more. A name in a sub-graph starts
/// with the names of all nodes around it, so a small file could ask for a large memory.
const MAX_GROWTH: u64 = 4;
const SPARE_NAME_BYTES: u64 = 1 << 20;

/// What is left for the names of tensors.
pub struct TensorNames {
    left: u64,
}

impl TensorNames {
    /// TensorNames of a file with this many bytes.
    pub fn new(file_bytes: u64) -> Self {
        Self { left: file_bytes.saturating_mul(MAX_GROWTH).saturating_add(SPARE_NAME_BYTES) }
    }

    /// A name, made of that of the place and the tensor's own.
    pub fn join(&mut self, place: &str, name: &str) -> Result<String, ParseError> {
        if name.is_empty() || name.contains('\0') || place.contains('\0') {
            return Err(malformed!("a tensor's name is empty or holds a zero byte"));
        }
        let length = (place.len() + name.len()) as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            too_large!(
                "the names of the tensors are {MAX_GROWTH} times as long together as their file, from \"{place}{name}\" on"
            )
        })?;
        Ok([place, name].concat())
    }
}
