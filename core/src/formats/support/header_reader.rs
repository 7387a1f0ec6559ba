//! Reads a header from front to back, through a buffer that never outgrows the file.

use crate::formats::error::{ParseError, malformed};
use crate::source::Source;

/// Bytes fetched at a time: large enough that a vocabulary costs few system calls.
const BUFFER_BYTES: u64 = 256 << 10;

/// A cursor over the first bytes of a source.
pub struct HeaderReader<'a> {
    source: &'a dyn Source,
    buffer: Vec<u8>,
    /// Position in the source of the buffer's first byte.
    start: u64,
    /// Position in the buffer of the next byte.
    consumed: usize,
}

impl<'a> HeaderReader<'a> {
    /// A cursor that stands on the first byte.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, buffer: Vec::new(), start: 0, consumed: 0 }
    }

    /// Position of the next byte.
    pub fn position(&self) -> u64 {
        self.start + self.consumed as u64
    }

    /// Bytes from the next one to the file's end.
    pub fn remaining(&self) -> u64 {
        self.source.len() - self.position()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: u64, what: &str) -> Result<&[u8], ParseError> {
        if n > self.remaining() {
            return Err(malformed!(
                "{what} needs {n} bytes at byte {}, but the file ends after {} more",
                self.position(),
                self.remaining()
            ));
        }
        let n = n as usize;
        if self.buffer.len() - self.consumed < n {
            // What is left stays: a source that is decompressed must never go back.
            let position = self.position();
            let length = (n as u64).max(BUFFER_BYTES).min(self.remaining()) as usize;
            let left = self.buffer.len() - self.consumed;
            self.buffer.copy_within(self.consumed.., 0);
            self.buffer.resize(length, 0);
            (self.start, self.consumed) = (position, 0);
            self.source.read_at(position + left as u64, &mut self.buffer[left..])?;
        }
        self.consumed += n;
        Ok(&self.buffer[self.consumed - n..self.consumed])
    }

    /// Steps over `n` bytes without reading them.
    pub fn skip(&mut self, n: u64, what: &str) -> Result<(), ParseError> {
        let buffered = (self.buffer.len() - self.consumed) as u64;
        if n <= buffered {
            self.consumed += n as usize;
            return Ok(());
        }
        if n > self.remaining() {
            return self.take(n, what).map(|_| ());
        }
        self.start = self.position() + n;
        self.buffer.clear();
        self.consumed = 0;
        Ok(())
    }

    /// The next bytes, as many as the array holds.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ParseError> {
        let bytes = self.take(N as u64, what)?;
        Ok(bytes.try_into().expect("take gives exactly N bytes"))
    }

    /// The next little-endian 32-bit number.
    pub fn u32(&mut self, what: &str) -> Result<u32, ParseError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// The next little-endian 64-bit number.
    pub fn u64(&mut self, what: &str) -> Result<u64, ParseError> {
        self.array(what).map(u64::from_le_bytes)
    }
}
