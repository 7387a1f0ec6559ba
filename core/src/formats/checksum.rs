//! Checksums of weights that a model's files hold beside them.

use super::error::{ParseError, malformed};
use super::files::FileSet;
use super::support::damage::is_damaged;
use crate::lazy_tensor::LazyTensor;
use flate2::Crc;
use std::sync::Arc;

/// Bytes of weights read at a time.
const SLICE_BYTES: u64 = 1 << 20;

/// A checksum as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    /// TensorFlow's, which its own reader compares: the weights are not what was written.
    Crc32c(u32),
    /// An archive's, which torch's own reader does not compare.
    Crc32(u32),
}

/// The checksum of a run of weights in a file.
#[derive(Debug, Clone)]
pub struct Checksum {
    /// The tensor, or the slice of one.
    pub(crate) name: String,
    /// The file that holds it.
    pub(crate) file_no: usize,
    /// Its bytes.
    pub(crate) bytes: Arc<dyn LazyTensor>,
    /// How many there are.
    pub(crate) length: u64,
    /// What is stored.
    pub(crate) stored: Stored,
}

impl Checksum {
    /// Number of bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads the weights and compares. `progress` is told the bytes done after each slice, and may end the
    /// work by an error. Gives a warning where the format's own reader would read on.
    ///
    /// # Errors
    /// [`ParseErrorKind::Malformed`](super::error::ParseErrorKind) when they are others; what the source or
    /// `progress` say.
    pub fn verify<E: From<ParseError>>(
        &self,
        files: &FileSet,
        mut progress: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Option<String>, E> {
        let located = |error: ParseError| error.in_file(files.given_name(self.file_no));
        let opened = self.bytes.open(files.source(self.file_no));
        let source = opened.map_err(|error| located(error.into()))?;
        let (mut slice, mut done, mut crc32c, mut crc32) = (Vec::new(), 0, 0, Crc::new());
        while done < self.length {
            slice.resize(SLICE_BYTES.min(self.length - done) as usize, 0);
            source.read_at(done, &mut slice).map_err(|error| located(error.into()))?;
            match self.stored {
                Stored::Crc32c(_) => crc32c = crc32c::crc32c_append(crc32c, &slice),
                Stored::Crc32(_) => crc32.update(&slice),
            }
            done += slice.len() as u64;
            progress(done)?;
        }
        let (stored, computed) = match self.stored {
            Stored::Crc32c(stored) => (stored, crc32c),
            Stored::Crc32(stored) => (stored, crc32.sum()),
        };
        if !is_damaged(stored, computed) {
            return Ok(None);
        }
        let error = located(malformed!(
            "the {} bytes of \"{}\" have the checksum {computed:08x}, but {stored:08x} is stored",
            self.length,
            self.name
        ));
        match self.stored {
            Stored::Crc32c(_) => Err(error.into()),
            Stored::Crc32(_) => Ok(Some(error.to_string())),
        }
    }
}
