//! Bytes that are written as text: each is the character of its number (Latin-1), and the text is UTF-8.

use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError, check_range};
use std::cell::RefCell;
use std::sync::Arc;

/// Bytes of the text that are fetched at a time.
const INPUT_BYTES: u64 = 64 << 10;
/// Bytes stepped over at a time.
const SKIP_BYTES: usize = 64 << 10;

/// The bytes that a text stands for.
#[derive(Debug, Clone)]
pub struct Latin1 {
    /// The text's UTF-8.
    pub of: Arc<dyn LazyTensor>,
    /// Number of its characters, which are bytes each.
    pub length: u64,
}

impl LazyTensor for Latin1 {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let text = self.of.open(file)?;
        Ok(Box::new(Latin1Source { length: self.length, text, decoder: RefCell::default() }))
    }
}

struct Latin1Source<'a> {
    length: u64,
    text: Box<dyn Source + 'a>,
    decoder: RefCell<Decoder>,
}

/// Where reading stands. Characters differ in length, so a lower place is found from the first one on.
#[derive(Default)]
struct Decoder {
    /// Characters behind it.
    position: u64,
    /// Bytes of the text that were fetched.
    fetched: u64,
    input: Vec<u8>,
    used: usize,
}

impl Decoder {
    fn byte(&mut self, text: &dyn Source) -> Result<Option<u8>, SourceError> {
        if self.used == self.input.len() {
            let n = (text.len() - self.fetched).min(INPUT_BYTES);
            self.input.resize(n as usize, 0);
            self.used = 0;
            text.read_at(self.fetched, &mut self.input)?;
            self.fetched += n;
        }
        let byte = self.input.get(self.used).copied();
        self.used += usize::from(byte.is_some());
        Ok(byte)
    }

    fn fill(&mut self, text: &dyn Source, length: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        for place in buf {
            let first = self.byte(text)?;
            let second = match first {
                Some(0xc2 | 0xc3) => self.byte(text)?,
                _ => None,
            };
            *place = match (first, second) {
                (Some(byte @ 0..=0x7f), _) => byte,
                (Some(first), Some(second @ 0x80..=0xbf)) => (first << 6) | (second & 0x3f),
                (None, _) => {
                    return Err(malformed(format!("ends after {} of {length} characters", self.position)));
                }
                _ => return Err(malformed(format!("has no byte for its character {}", self.position))),
            };
            self.position += 1;
        }
        if self.position == length && self.byte(text)?.is_some() {
            return Err(malformed(format!("goes on behind its {length} characters")));
        }
        Ok(())
    }
}

fn malformed(what: String) -> SourceError {
    SourceError::Malformed(format!("a text that stands for bytes {what}"))
}

impl Source for Latin1Source<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        if buf.is_empty() {
            return Ok(());
        }
        let mut decoder = self.decoder.borrow_mut();
        if offset < decoder.position {
            *decoder = Decoder::default();
        }
        let mut read = || {
            let mut skipped = vec![0; (offset - decoder.position).min(SKIP_BYTES as u64) as usize];
            while decoder.position < offset {
                let n = (offset - decoder.position).min(SKIP_BYTES as u64) as usize;
                decoder.fill(&*self.text, self.length, &mut skipped[..n])?;
            }
            decoder.fill(&*self.text, self.length, buf)
        };
        let result = read();
        if result.is_err() {
            *decoder = Decoder::default();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_range::ByteRange;

    fn open(text: &[u8], length: u64) -> Result<Vec<u8>, SourceError> {
        let latin1 = Latin1 { of: Arc::new(ByteRange::new(0, text.len() as u64)), length };
        let mut bytes = vec![0; length as usize];
        latin1.open(&text)?.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn every_byte_is_the_character_of_its_number() {
        let all: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let text: String = all.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(open(text.as_bytes(), all.len() as u64).unwrap(), all);
        // In any order, also backwards.
        let latin1 = Latin1 { of: Arc::new(ByteRange::new(0, text.len() as u64)), length: all.len() as u64 };
        let bytes = text.as_bytes();
        let source = latin1.open(&bytes).unwrap();
        for start in [150_001, 3, 90_000, 90_100, 199_990] {
            let mut piece = [0; 10];
            source.read_at(start as u64, &mut piece).unwrap();
            assert_eq!(piece, all[start..start + 10]);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, length, what) in [
            (&b"ab"[..], 3, "ends after 2 of 3"),
            (b"abc", 2, "goes on behind its 2"),
            ("aĀ".as_bytes(), 2, "no byte for its character 1"),
            ("a€".as_bytes(), 2, "no byte for its character 1"),
            (b"\xc3", 1, "no byte for its character 0"),
            (b"\xc3a", 1, "no byte for its character 0"),
            (b"\x80", 1, "no byte for its character 0"),
        ] {
            let error = open(text, length).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
