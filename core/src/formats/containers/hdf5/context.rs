//! What the datasets of one file share.

use crate::byte_range::ByteRange;
use crate::formats::error::{ParseError, malformed, too_large};
use crate::lazy_tensor::LazyTensor;
use std::sync::Arc;

/// Most bytes over all datasets that are not stored, but said to hold the fill value. Real models have
/// none; a file of 1 KiB can say that it has a terabyte.
const MAX_FILL_BYTES: u64 = 64 << 20;

/// What datasets need to know of the file around them, and leave behind.
pub(super) struct Context {
    /// What holds the file's bytes.
    pub(super) of: Arc<dyn LazyTensor>,
    /// True when positions in it are positions in the model's file.
    pub(super) in_file: bool,
    /// Ranges that datasets lie in.
    pub(super) stored: Vec<ByteRange>,
    /// Bytes that may still be filled in.
    fill_left: u64,
}

impl Context {
    pub(super) fn new(of: Arc<dyn LazyTensor>, in_file: bool) -> Self {
        Self { of, in_file, stored: Vec::new(), fill_left: MAX_FILL_BYTES }
    }

    pub(super) fn charge_fill(&mut self, name: &str, bytes: u64) -> Result<(), ParseError> {
        self.fill_left = self.fill_left.checked_sub(bytes).ok_or_else(|| {
            too_large!(
                "{bytes} bytes of dataset \"{name}\" are not stored, but said to hold the fill value (at most {} over all datasets)",
                MAX_FILL_BYTES
            )
        })?;
        Ok(())
    }

    /// Refuses datasets that share bytes: they could be more than the file has.
    pub(super) fn check_stored(&mut self) -> Result<(), ParseError> {
        self.stored.sort_unstable();
        let overlap = self.stored.windows(2).find(|pair| pair[0].end() > pair[1].offset);
        if let Some(pair) = overlap {
            return Err(malformed!(
                "two datasets share bytes: {} from byte {} on, and {} from byte {} on",
                pair[0].len,
                pair[0].offset,
                pair[1].len,
                pair[1].offset
            ));
        }
        Ok(())
    }
}
