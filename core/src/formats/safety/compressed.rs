//! Streams that are compressed as a whole: `joblib`, pandas and tar write and read them by their content.
//! Sources: RFC 1950 and RFC 1952.

use super::limits::MAX_HELD_ENTRY_BYTES;
use super::report::{Kind, Verdict};
use super::state::{Nature, Walk};
use crate::source::{Source, SourceError};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::{self, Read};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Gzip,
    Zlib,
    Zstd,
    /// By something that is not read here.
    Other(&'static str),
}

/// How a stream is compressed that begins with these bytes.
pub(super) fn method(head: &[u8]) -> Option<Method> {
    const OTHERS: &[(&[u8], &str)] = &[
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x5d\0\0", "lzma"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!\x1a\x07", "RAR"),
    ];
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Method::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Method::Zstd),
        // Any two bytes of which the check is right may begin tensors, too: only the usual ones.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Method::Zlib),
        _ => OTHERS.iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, name)| Method::Other(name)),
    }
}

/// What was decompressed of a stream.
pub(super) struct Decompressed {
    pub(super) bytes: Vec<u8>,
    /// True where there is more.
    pub(super) is_cut: bool,
    /// What is wrong with the rest.
    pub(super) error: Option<String>,
}

impl Walk<'_> {
    /// Examines what a compressed stream holds. True where it is one.
    pub(super) fn compressed(
        &mut self,
        source: &dyn Source,
        method: Method,
        place: &str,
        depth: usize,
    ) -> Result<bool, SourceError> {
        let reader = SourceReader { source, position: 0, end: source.len() };
        let found = match method {
            Method::Gzip => self.decompress(MultiGzDecoder::new(reader)),
            Method::Zlib => self.decompress(ZlibDecoder::new(reader)),
            Method::Zstd => match zstd::stream::read::Decoder::new(reader) {
                Ok(decoder) => self.decompress(decoder),
                Err(error) => return Err(SourceError::Other(error.to_string())),
            },
            Method::Other(name) => {
                let what = format!("compressed by {name}");
                let why = "it is not decompressed here, and Python's tools may do it";
                self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
                return Ok(true);
            }
        };
        // Two bytes of a tensor may look like a stream that they do not begin.
        let is_sure = method != Method::Zlib || (depth == 0 && !found.bytes.is_empty());
        if let Some(error) = found.error.as_ref().filter(|_| is_sure) {
            self.unreadable(place, &format!("the compressed stream: {error}"));
        }
        if found.bytes.is_empty() {
            return Ok(is_sure);
        }
        if found.is_cut {
            self.limit(place, &format!("more than {MAX_HELD_ENTRY_BYTES} bytes of a compressed stream"));
        }
        self.part(&&found.bytes[..], &format!("{place}: decompressed"), Nature::Data, depth + 1)?;
        Ok(is_sure || found.error.is_none())
    }

    /// A raw deflate stream of an archive's entry.
    pub(super) fn inflate(&mut self, source: &dyn Source, offset: u64, length: u64) -> Decompressed {
        let end = source.len().min(offset.saturating_add(length));
        self.decompress(DeflateDecoder::new(SourceReader { source, position: offset, end }))
    }

    fn decompress(&mut self, mut decoder: impl Read) -> Decompressed {
        const STEP: u64 = 1 << 20;
        let most = MAX_HELD_ENTRY_BYTES.min(self.budget.inflated);
        let mut bytes = Vec::new();
        let mut error = None;
        while (bytes.len() as u64) < most {
            let step = STEP.min(most - bytes.len() as u64);
            match decoder.by_ref().take(step).read_to_end(&mut bytes) {
                Ok(0) => break,
                Ok(_) => (self.tick)(),
                Err(what) => {
                    error = Some(what.to_string());
                    break;
                }
            }
        }
        let is_full = bytes.len() as u64 == most && error.is_none();
        let is_cut = is_full && !matches!(decoder.read(&mut [0]), Ok(0));
        self.budget.inflated -= bytes.len() as u64;
        Decompressed { bytes, is_cut, error }
    }
}

/// A range of a source, for what reads streams.
struct SourceReader<'a> {
    source: &'a dyn Source,
    position: u64,
    end: u64,
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (self.end.saturating_sub(self.position)).min(buf.len() as u64) as usize;
        self.source
            .read_at(self.position, &mut buf[..n])
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.position += n as u64;
        Ok(n)
    }
}
