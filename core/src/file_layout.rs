//! How a file is put together again: tensors' bytes where they stood, and the file's other bytes
//! (header, padding, trailer), which are kept as one blob, in the gaps.

use crate::byte_range::ByteRange;
use crate::hash::Hash;
use crate::segment::{SEGMENT_BYTES, SegmentSlice, segment_range, slices};
use crate::source::{Source, SourceError, check_range};
use std::cell::RefCell;

/// What fills a span of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// A tensor's bytes: its number in the list, and the first byte within it.
    Tensor(usize, u64),
    /// The blob's bytes from this one on.
    Blob(u64),
}

/// A range of a file, and what fills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSpan {
    /// Where it lies in the file.
    pub range: ByteRange,
    /// What its bytes are.
    pub filling: Filling,
}

/// The ranges of a file that no tensor covers. `tensors` are in the order of their first bytes.
pub fn gaps(file_length: u64, tensors: &[ByteRange]) -> Vec<ByteRange> {
    let of_blob = |span: &FileSpan| matches!(span.filling, Filling::Blob(_));
    spans(file_length, tensors).iter().filter(|span| of_blob(span)).map(|span| span.range).collect()
}

/// A file as its spans, in order. `tensors` are in the order of their first bytes; bytes that two of
/// them share come from the first.
pub fn spans(file_length: u64, tensors: &[ByteRange]) -> Vec<FileSpan> {
    let mut spans = Vec::with_capacity(2 * tensors.len() + 1);
    let (mut covered, mut blob) = (0, 0);
    let mut fill_gap = |spans: &mut Vec<FileSpan>, from: u64, to: u64| {
        if to > from {
            spans.push(FileSpan { range: ByteRange::new(from, to - from), filling: Filling::Blob(blob) });
            blob += to - from;
        }
    };
    for (index, tensor) in tensors.iter().enumerate() {
        fill_gap(&mut spans, covered, tensor.offset);
        let from = covered.max(tensor.offset);
        if tensor.end() > from {
            let range = ByteRange::new(from, tensor.end() - from);
            spans.push(FileSpan { range, filling: Filling::Tensor(index, from - tensor.offset) });
        }
        covered = covered.max(tensor.end());
    }
    fill_gap(&mut spans, covered, file_length);
    spans
}

/// Ranges of a source, read as if they stood one after the other.
pub struct Ranges<'a> {
    source: &'a dyn Source,
    /// Each range, with its first byte in the whole.
    ranges: Vec<(u64, ByteRange)>,
    length: u64,
}

impl<'a> Ranges<'a> {
    /// Joins ranges of `source`.
    pub fn new(source: &'a dyn Source, ranges: impl IntoIterator<Item = ByteRange>) -> Self {
        let mut length = 0;
        let ranges = ranges
            .into_iter()
            .map(|range| {
                let start = length;
                length += range.len;
                (start, range)
            })
            .collect();
        Self { source, ranges, length }
    }
}

impl Source for Ranges<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        let mut index = self.ranges.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        while !buf.is_empty() {
            let (start, range) = self.ranges[index];
            let skip = offset - start;
            let n = (range.len - skip).min(buf.len() as u64) as usize;
            let (now, rest) = buf.split_at_mut(n);
            self.source.read_at(range.offset + skip, now)?;
            (buf, offset, index) = (rest, offset + n as u64, index + 1);
        }
        Ok(())
    }
}

/// A tensor that stands in a stored file.
#[derive(Debug, Clone, Copy)]
pub struct PlacedTensor {
    /// Its number in the model.
    pub index: usize,
    /// Where it stands in the file.
    pub range: ByteRange,
    /// Its content.
    pub hash: Hash,
}

/// A span of a file, and the part of a content that fills it.
#[derive(Debug, Clone, Copy)]
struct ContentSpan {
    range: ByteRange,
    hash: Hash,
    /// First byte within the content.
    start: u64,
    /// Length of the whole content.
    content_length: u64,
    /// The tensor's number in the model; none for the file's other bytes.
    tensor: Option<usize>,
}

/// A file as parts of stored contents.
#[derive(Debug, Clone)]
pub struct FileLayout {
    length: u64,
    spans: Vec<ContentSpan>,
}

impl FileLayout {
    /// The layout of a file of a length, in which tensors stand in the order of their first bytes.
    pub fn new(length: u64, blob: Hash, tensors: &[PlacedTensor]) -> Self {
        let ranges: Vec<ByteRange> = tensors.iter().map(|tensor| tensor.range).collect();
        let blob_length = gaps(length, &ranges).iter().map(|gap| gap.len).sum();
        let with_content = |FileSpan { range, filling }| match filling {
            Filling::Tensor(index, start) => {
                let PlacedTensor { index, range: whole, hash } = tensors[index];
                ContentSpan { range, hash, start, content_length: whole.len, tensor: Some(index) }
            }
            Filling::Blob(start) => {
                ContentSpan { range, hash: blob, start, content_length: blob_length, tensor: None }
            }
        };
        Self { length, spans: spans(length, &ranges).into_iter().map(with_content).collect() }
    }

    /// The file's bytes as slices of segments, in order.
    pub fn slices(self) -> impl Iterator<Item = SegmentSlice> {
        self.spans
            .into_iter()
            .flat_map(|span| slices(span.hash, ByteRange::new(span.start, span.range.len), span.tensor))
    }
}

/// A segment of a content: hash, number, raw bytes.
type ReadSegment = (Hash, u64, Vec<u8>);

/// A stored file, read as if it were on disk. `R` fills a place with a content's bytes from an offset on.
pub struct StoredFile<R> {
    layout: FileLayout,
    read: R,
    /// The segment that was read last: headers are read in small steps.
    last: RefCell<Option<ReadSegment>>,
}

impl<R: Fn(&Hash, u64, &mut [u8])> StoredFile<R> {
    /// The file of a layout.
    pub fn new(layout: FileLayout, read: R) -> Self {
        Self { layout, read, last: RefCell::default() }
    }
}

impl<R: Fn(&Hash, u64, &mut [u8])> Source for StoredFile<R> {
    fn len(&self) -> u64 {
        self.layout.length
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.layout.length)?;
        let spans = &self.layout.spans;
        let mut index = spans.partition_point(|span| span.range.end() <= offset);
        let mut last = self.last.borrow_mut();
        while !buf.is_empty() {
            let span = &spans[index];
            let in_content = span.start + (offset - span.range.offset);
            let in_span = (span.range.end() - offset).min(buf.len() as u64) as usize;
            let n = if in_span >= SEGMENT_BYTES {
                // Large reads go by no segment in between.
                (self.read)(&span.hash, in_content, &mut buf[..in_span]);
                in_span
            } else {
                let slice = slices(span.hash, ByteRange::new(in_content, in_span as u64), None)
                    .next()
                    .expect("the span goes on");
                let (_, _, segment) = match last.take() {
                    Some(held) if (held.0, held.1) == (span.hash, slice.segment_no) => last.insert(held),
                    _ => {
                        let range = segment_range(span.content_length, slice.segment_no);
                        let mut segment = vec![0; range.len as usize];
                        (self.read)(&span.hash, range.offset, &mut segment);
                        last.insert((span.hash, slice.segment_no, segment))
                    }
                };
                let available = slice.bytes(segment);
                if available.is_empty() {
                    let hash: String = span.hash.iter().map(|byte| format!("{byte:02x}")).collect();
                    return Err(SourceError::Other(format!("content {hash} is too short")));
                }
                buf[..available.len()].copy_from_slice(available);
                available.len()
            };
            (buf, offset) = (&mut buf[n..], offset + n as u64);
            index += usize::from(offset == span.range.end());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
