//! A raw deflate stream within a file, as a source that is read from front to back.

use super::damage::is_damaged;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError, check_range};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::cell::RefCell;

/// Compressed bytes fetched at a time.
const INPUT_BYTES: usize = 64 << 10;
/// Bytes stepped over at a time.
const SKIP_BYTES: usize = 64 << 10;

/// Bytes that stand in a file as a raw deflate stream, such as an entry of a ZIP archive.
#[derive(Debug, Clone)]
pub struct Inflated {
    /// First byte of the stream.
    pub offset: u64,
    /// Number of bytes of the stream.
    pub compressed_length: u64,
    /// Number of bytes it must expand to.
    pub length: u64,
    /// Their checksum, where there is one; compared when the last byte has been read.
    pub crc32: Option<u32>,
}

impl LazyTensor for Inflated {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let stream = Stream {
            file,
            recipe: self.clone(),
            decoder: Decompress::new(false),
            input: Vec::new(),
            used: 0,
            fetched: 0,
            position: 0,
            crc: Crc::new(),
        };
        Ok(Box::new(InflatedSource { length: self.length, stream: RefCell::new(stream) }))
    }
}

struct InflatedSource<'a> {
    length: u64,
    stream: RefCell<Stream<'a>>,
}

impl Source for InflatedSource<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        let mut stream = self.stream.borrow_mut();
        if offset < stream.position {
            stream.restart();
        }
        let mut skipped = vec![0; (offset - stream.position).min(SKIP_BYTES as u64) as usize];
        while stream.position < offset {
            let n = (offset - stream.position).min(SKIP_BYTES as u64) as usize;
            stream.next(&mut skipped[..n])?;
        }
        stream.next(buf)
    }
}

/// A decoder that stands somewhere in the stream.
struct Stream<'a> {
    file: &'a dyn Source,
    recipe: Inflated,
    decoder: Decompress,
    /// Compressed bytes, of which `used` are behind us.
    input: Vec<u8>,
    used: usize,
    /// Compressed bytes fetched so far.
    fetched: u64,
    /// The next byte of the expanded stream.
    position: u64,
    /// Of all bytes before `position`.
    crc: Crc,
}

impl Stream<'_> {
    fn restart(&mut self) {
        self.decoder.reset(false);
        self.input.clear();
        (self.used, self.fetched, self.position) = (0, 0, 0);
        self.crc.reset();
    }

    /// Fills `buf` with the next bytes.
    fn next(&mut self, buf: &mut [u8]) -> Result<(), SourceError> {
        let result = self.fill(buf);
        if result.is_err() {
            // The decoder's state means nothing any more.
            self.restart();
        }
        result
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<(), SourceError> {
        let mut done = 0;
        while done < buf.len() {
            let (n, status) = self.step(&mut buf[done..])?;
            done += n;
            if status == Status::StreamEnd && done < buf.len() {
                return Err(self.damaged(format!("ends after {} bytes", self.position + done as u64)));
            }
        }
        self.crc.update(buf);
        self.position += buf.len() as u64;
        if self.position == self.recipe.length && !buf.is_empty() {
            self.check_end()?;
        }
        Ok(())
    }

    /// Lets the decoder run once; gives the number of bytes it wrote.
    fn step(&mut self, buf: &mut [u8]) -> Result<(usize, Status), SourceError> {
        if self.used == self.input.len() {
            let left = self.recipe.compressed_length - self.fetched;
            self.input.resize(left.min(INPUT_BYTES as u64) as usize, 0);
            self.file.read_at(self.recipe.offset + self.fetched, &mut self.input)?;
            self.fetched += self.input.len() as u64;
            self.used = 0;
        }
        let (before_in, before_out) = (self.decoder.total_in(), self.decoder.total_out());
        let status = self
            .decoder
            .decompress(&self.input[self.used..], buf, FlushDecompress::None)
            .map_err(|error| self.damaged(format!("is not a valid deflate stream: {error}")))?;
        let read = (self.decoder.total_in() - before_in) as usize;
        let written = (self.decoder.total_out() - before_out) as usize;
        self.used += read;
        if read == 0 && written == 0 && status != Status::StreamEnd {
            let cut_off = self.used == self.input.len() && self.fetched == self.recipe.compressed_length;
            return Err(self.damaged(if cut_off { "is cut off" } else { "makes no progress" }.into()));
        }
        Ok((written, status))
    }

    /// The stream must end where its bytes do, and the checksum must be right.
    fn check_end(&mut self) -> Result<(), SourceError> {
        loop {
            let (more, status) = self.step(&mut [0])?;
            if more > 0 {
                return Err(self.damaged(format!("goes on behind its {} bytes", self.recipe.length)));
            }
            if status == Status::StreamEnd {
                break;
            }
        }
        let read = self.fetched - (self.input.len() - self.used) as u64;
        if read != self.recipe.compressed_length {
            return Err(self.damaged(format!(
                "ends after {read} of its {} compressed bytes",
                self.recipe.compressed_length
            )));
        }
        match self.recipe.crc32 {
            Some(expected) if is_damaged(expected, self.crc.sum()) => {
                Err(self.damaged(format!("has the CRC-32 {:08x} instead of {expected:08x}", self.crc.sum())))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, what: String) -> SourceError {
        let Inflated { offset, length, .. } = self.recipe;
        SourceError::Malformed(format!("the compressed data of {length} bytes at byte {offset} {what}"))
    }
}
