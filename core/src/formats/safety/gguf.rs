//! GGUF: its metadata hold chat templates, of which there may be several.
//! Source: ggml's `docs/gguf.md`.

use super::state::Walk;
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::support::header_reader::HeaderReader;
use crate::source::Source;

pub(super) const MAGIC: &[u8] = b"GGUF";
/// Texts that are stepped over between two looks for interrupts.
const TEXTS_PER_TICK: u64 = 1 << 12;
/// Longest text that is examined.
const MAX_TEXT: u64 = 16 << 20;

impl Walk<'_> {
    /// Examines the templates of a file.
    pub(super) fn gguf(&mut self, source: &dyn Source, place: &str) {
        if let Err(error) = self.key_values(source, place) {
            self.unreadable(place, &error);
        }
    }

    fn key_values(&mut self, source: &dyn Source, place: &str) -> Result<(), ParseError> {
        let mut reader = Reader::open(source)?;
        let count = reader.count;
        for _ in 0..count {
            let key = reader.text()?;
            let kind = reader.u32()?;
            if kind == TEXT {
                let value = reader.text()?;
                self.gguf_text(&key, &value, place);
            } else if kind == ARRAY {
                let (element, length) = (reader.u32()?, reader.length()?);
                if element == TEXT && key.contains("template") {
                    for _ in 0..length {
                        (self.tick)();
                        let value = reader.text()?;
                        self.gguf_text(&key, &value, place);
                    }
                } else {
                    reader.skip_array(element, length, self.tick)?;
                }
            } else {
                reader.skip(kind)?;
            }
            (self.tick)();
        }
        Ok(())
    }

    fn gguf_text(&mut self, key: &str, value: &str, place: &str) {
        if key.contains("template") {
            self.template(value, &format!("{place}: {key}"));
        } else if value.contains("{%") || value.contains("{{") {
            // Some other key that a program may render.
            self.template(value, &format!("{place}: {key}"));
        }
    }
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

struct Reader<'a> {
    reader: HeaderReader<'a>,
    is_big: bool,
    version: u32,
    count: u64,
}

impl<'a> Reader<'a> {
    fn open(source: &'a dyn Source) -> Result<Self, ParseError> {
        let mut reader = HeaderReader::new(source);
        reader.skip(MAGIC.len() as u64, "the magic")?;
        let version: [u8; 4] = reader.array("the version")?;
        let is_big = u32::from_le_bytes(version) > 0xffff;
        let version = if is_big { u32::from_be_bytes(version) } else { u32::from_le_bytes(version) };
        let mut this = Self { reader, is_big, version, count: 0 };
        this.length()?;
        this.count = this.length()?;
        Ok(this)
    }

    fn u32(&mut self) -> Result<u32, ParseError> {
        let bytes = self.reader.array("a number of the metadata")?;
        Ok(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// A length, which had 32 bits in version 1.
    fn length(&mut self) -> Result<u64, ParseError> {
        if self.version == 1 {
            return self.u32().map(u64::from);
        }
        let bytes = self.reader.array("a length of the metadata")?;
        Ok(if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Result<String, ParseError> {
        let length = self.length()?;
        if length > MAX_TEXT {
            return Err(too_large!("a text of the metadata has {length} bytes (at most {MAX_TEXT})"));
        }
        Ok(String::from_utf8_lossy(self.reader.take(length, "a text of the metadata")?).into_owned())
    }

    fn skip(&mut self, kind: u32) -> Result<(), ParseError> {
        let width = width(kind)?;
        self.reader.skip(width, "a value of the metadata")
    }

    /// Steps over an array; arrays within arrays take at least a byte each.
    fn skip_array(&mut self, element: u32, length: u64, tick: &mut dyn FnMut()) -> Result<(), ParseError> {
        let mut open = vec![(element, length)];
        while let Some((element, length)) = open.pop() {
            tick();
            match element {
                TEXT => {
                    for number in 0..length {
                        if number.is_multiple_of(TEXTS_PER_TICK) {
                            tick();
                        }
                        let bytes = self.length()?;
                        self.reader.skip(bytes, "a text of the metadata")?;
                    }
                }
                ARRAY if length > 0 => {
                    if open.len() > 64 {
                        return Err(malformed!("arrays of the metadata are too deep"));
                    }
                    open.push((ARRAY, length - 1));
                    let (element, length) = (self.u32()?, self.length()?);
                    open.push((element, length));
                }
                ARRAY => {}
                kind => {
                    let bytes = width(kind)?.checked_mul(length);
                    let bytes = bytes.ok_or_else(|| malformed!("an array of {length} values is too long"))?;
                    self.reader.skip(bytes, "an array of the metadata")?;
                }
            }
        }
        Ok(())
    }
}

fn width(kind: u32) -> Result<u64, ParseError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(malformed!("there is no type {kind} of metadata")),
    }
}
