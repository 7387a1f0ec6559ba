//! Checksums of weights that a model's files hold beside them.

use super::error::{ParseError, malformed};
use super::files::FileSet;
use super::support::damage::is_damaged;
use crate::byte_range::ByteRange;

/// Bytes of weights read at a time.
const SLICE_BYTES: u64 = 1 << 20;

/// The CRC-32C of a run of weights in a file.
#[derive(Debug, Clone)]
pub struct Checksum {
    /// The tensor, or the slice of one.
    pub(crate) name: String,
    /// The file that holds it.
    pub(crate) file_no: usize,
    /// Its bytes.
    pub(crate) range: ByteRange,
    /// The CRC-32C that is stored.
    pub(crate) stored: u32,
}

impl Checksum {
    /// Number of bytes.
    pub fn length(&self) -> u64 {
        self.range.len
    }

    /// Reads the weights and compares. `progress` is told the bytes done after each slice, and may end the
    /// work by an error.
    ///
    /// # Errors
    /// [`ParseErrorKind::Malformed`](super::error::ParseErrorKind) when they are others; what the source or
    /// `progress` say.
    pub fn verify<E: From<ParseError>>(
        &self,
        files: &FileSet,
        mut progress: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let located = |error: ParseError| error.in_file(files.given_name(self.file_no));
        let source = files.source(self.file_no);
        let (mut slice, mut done, mut crc) = (Vec::new(), 0, 0);
        while done < self.range.len {
            slice.resize(SLICE_BYTES.min(self.range.len - done) as usize, 0);
            source.read_at(self.range.offset + done, &mut slice).map_err(|error| located(error.into()))?;
            crc = crc32c::crc32c_append(crc, &slice);
            done += slice.len() as u64;
            progress(done)?;
        }
        if is_damaged(self.stored, crc) {
            let error = malformed!(
                "the {} bytes of \"{}\" have the checksum {crc:08x}, but {:08x} is stored",
                self.range.len,
                self.name,
                self.stored
            );
            return Err(located(error).into());
        }
        Ok(())
    }
}
