//! Protobuf's wire format, read where it stands. A message is walked field by field; what a field
//! holds is a range of the file until somebody asks for it, so weights are stepped over and their
//! places are known, which is what a decoder into structures cannot give.
//! Source: protobuf.dev, "Encoding". Keys and variable-length numbers are decoded by prost.

pub(crate) mod numbers;
pub(crate) mod sniff;

use crate::formats::error::{ParseError, malformed, too_large};
use crate::source::{Source, SourceError};
use prost::encoding::{WireType, decode_key, decode_varint};

/// Bytes fetched after a jump: a few fields. Most jumps lead over a tensor's bytes.
const FIRST_FETCH: usize = 4 << 10;
/// Bytes fetched at a time where a message is read on and on.
const LAST_FETCH: usize = 256 << 10;
/// Longest number of variable length.
const VARINT_BYTES: usize = 10;
/// Longest key with the number behind it.
const HEAD_BYTES: usize = 2 * VARINT_BYTES;
/// Longest text that is read: names, keys and values of metadata.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// A range of a source's bytes: a message, or what of it is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// First byte behind it.
    pub end: u64,
}

impl Span {
    /// All bytes of a source.
    pub fn all(source: &dyn Source) -> Self {
        Self { offset: 0, end: source.len() }
    }

    /// Number of bytes.
    pub fn len(self) -> u64 {
        self.end - self.offset
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A number of variable length; negative ones are sign-extended to 64 bits.
    Varint(u64),
    /// Eight bytes.
    Fixed64,
    /// A message, a text, bytes, or many numbers.
    Bytes,
    /// Four bytes.
    Fixed32,
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The field's number in the schema.
    pub number: u32,
    /// What it holds.
    pub payload: Payload,
    /// Where that stands, without key and length.
    pub span: Span,
}

impl Field {
    /// The range of a message, a text or bytes.
    pub fn bytes(&self) -> Result<Span, ParseError> {
        match self.payload {
            Payload::Bytes => Ok(self.span),
            other => Err(self.unlike("bytes", other)),
        }
    }

    /// A number of variable length.
    pub fn varint(&self) -> Result<u64, ParseError> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            other => Err(self.unlike("a number", other)),
        }
    }

    fn unlike(&self, expected: &str, found: Payload) -> ParseError {
        malformed!(
            "field {} at byte {} should hold {expected}, but holds {}",
            self.number,
            self.span.offset,
            match found {
                Payload::Varint(_) => "a number",
                Payload::Fixed64 => "eight bytes",
                Payload::Bytes => "bytes",
                Payload::Fixed32 => "four bytes",
            }
        )
    }
}

/// Reads fields of messages from a source, through a buffer of a few KB.
pub struct Wire<'a> {
    source: &'a dyn Source,
    buffer: Vec<u8>,
    /// Position in the source of the buffer's first byte.
    start: u64,
    /// Bytes that the next reading on fetches.
    fetch: usize,
}

impl<'a> Wire<'a> {
    /// A reader of any message in this source.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, buffer: Vec::new(), start: 0, fetch: FIRST_FETCH }
    }

    /// The source that is read.
    pub fn source(&self) -> &'a dyn Source {
        self.source
    }

    /// The bytes from `at` on, up to `most` and no further than `end`, which must lie in the source.
    fn peek(&mut self, offset: u64, max_bytes: usize, end: u64) -> Result<&[u8], SourceError> {
        let want = (end - offset).min(max_bytes as u64) as usize;
        let buffered = self.start + self.buffer.len() as u64;
        if offset < self.start || offset + want as u64 > buffered {
            let reads_on = offset >= self.start && offset <= buffered && !self.buffer.is_empty();
            self.fetch = if reads_on { (2 * self.fetch).min(LAST_FETCH) } else { FIRST_FETCH };
            let length = (self.source.len() - offset).min(self.fetch.max(want) as u64) as usize;
            self.buffer.resize(length, 0);
            self.start = offset;
            if let Err(error) = self.source.read_at(offset, &mut self.buffer) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let from = (offset - self.start) as usize;
        Ok(&self.buffer[from..from + want])
    }

    /// The next field of a message, of which the rest stays in `message`; none at its end.
    pub fn next(&mut self, message: &mut Span) -> Result<Option<Field>, ParseError> {
        let Span { offset, end } = *message;
        if offset == end {
            return Ok(None);
        }
        let head = self.peek(offset, HEAD_BYTES, end)?;
        let mut rest = head;
        let (number, wire_type) = decode_key(&mut rest)
            .map_err(|_| malformed!("there is no field of a protobuf message at byte {offset}"))?;
        let key_bytes = (head.len() - rest.len()) as u64;
        let mut varint = || {
            decode_varint(&mut rest)
                .map_err(|_| malformed!("field {number} at byte {offset} has a number that does not end"))
        };
        let (payload, length) = match wire_type {
            WireType::Varint => (Payload::Varint(varint()?), None),
            WireType::LengthDelimited => (Payload::Bytes, Some(varint()?)),
            WireType::SixtyFourBit => (Payload::Fixed64, Some(8)),
            WireType::ThirtyTwoBit => (Payload::Fixed32, Some(4)),
            // Groups were given up before any of the formats we read was made.
            WireType::StartGroup | WireType::EndGroup => {
                return Err(malformed!(
                    "field {number} at byte {offset} is a group, which no model file has"
                ));
            }
        };
        let head_bytes = (head.len() - rest.len()) as u64;
        let span = match length {
            None => Span { offset: offset + key_bytes, end: offset + head_bytes },
            Some(length) => {
                let start = offset + head_bytes;
                if length > end - start {
                    return Err(malformed!(
                        "field {number} at byte {offset} takes {length} bytes, but what it stands in ends after {} more",
                        end - start
                    ));
                }
                Span { offset: start, end: start + length }
            }
        };
        message.offset = span.end;
        Ok(Some(Field { number, payload, span }))
    }

    /// Goes through the numbers of a repeated field's occurrence, a single one or a run of them.
    pub fn varints(
        &mut self,
        field: &Field,
        mut each: impl FnMut(u64) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        let Ok(mut run) = field.bytes() else { return each(field.varint()?) };
        while run.len() > 0 {
            let (number, after) = self.number(run)?;
            run.offset = after;
            each(number)?;
        }
        Ok(())
    }

    /// A number of variable length that no key stands before, and the position behind it.
    pub fn number(&mut self, span: Span) -> Result<(u64, u64), ParseError> {
        let head = self.peek(span.offset, VARINT_BYTES, span.end)?;
        let mut rest = head;
        let number = decode_varint(&mut rest)
            .map_err(|_| malformed!("the number at byte {} does not end", span.offset))?;
        Ok((number, span.offset + (head.len() - rest.len()) as u64))
    }

    /// Bytes of the source, in memory.
    pub fn bytes(&mut self, span: Span, what: &str) -> Result<Vec<u8>, ParseError> {
        if span.len() > MAX_TEXT_BYTES {
            return Err(too_large!("{what} has {} bytes (at most {MAX_TEXT_BYTES})", span.len()));
        }
        let length = span.len() as usize;
        if length <= FIRST_FETCH {
            return Ok(self.peek(span.offset, length, span.end)?.to_vec());
        }
        let mut bytes = vec![0; length];
        self.source.read_at(span.offset, &mut bytes)?;
        Ok(bytes)
    }

    /// A text of the source.
    pub fn text(&mut self, span: Span, what: &str) -> Result<String, ParseError> {
        String::from_utf8(self.bytes(span, what)?)
            .map_err(|_| malformed!("{what} at byte {} is not UTF-8", span.offset))
    }

    /// True when these bytes are `text`; nothing longer is read.
    pub fn is(&mut self, span: Span, text: &str) -> Result<bool, ParseError> {
        Ok(span.len() == text.len() as u64
            && self.peek(span.offset, text.len(), span.end)? == text.as_bytes())
    }
}

/// Sets what a message may hold once only.
pub fn once<T>(slot: &mut Option<T>, value: T, what: &str, offset: u64) -> Result<(), ParseError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed!("{what} is there twice, again at byte {offset}")),
    }
}

#[cfg(test)]
mod tests;
