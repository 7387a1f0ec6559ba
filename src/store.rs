//! Contents in `tensor_segment`: writing encoded segments, and reading ranges of bytes back.

use crate::errors::raise;
use crate::{access, segment_rows};
use atomizer_core::file_layout::{self, Part, Range};
use atomizer_core::hash::{Hash, Hasher};
use atomizer_core::ingest::SegmentSlice;
use atomizer_core::parallel;
use atomizer_core::segment::{self, SEGMENT_BYTES, SegmentError};
use atomizer_core::source::{Source, SourceError, check_range};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

/// Segments read or written at a time: 4 MiB of raw bytes. It bounds the memory used, and is small
/// enough that a chunk has several batches, so that computing and writing overlap.
pub const BATCH_SEGMENTS: usize = 16;

/// Longest content: its segments are numbered by an integer.
pub const MAX_CONTENT_BYTES: i64 = i32::MAX as i64 * SEGMENT_BYTES as i64;

/// Number of segments of a content.
pub fn segment_count(byte_length: u64) -> u64 {
    byte_length.div_ceil(SEGMENT_BYTES as u64)
}

#[pg_extern(immutable, parallel_safe)]
fn segment_bytes() -> i32 {
    const { assert!(SEGMENT_BYTES <= i32::MAX as usize) };
    SEGMENT_BYTES as i32
}

/// The pieces of bytes `from..to` of a content.
fn pieces(hash: Hash, from: u64, to: u64, tensor: Option<usize>) -> impl Iterator<Item = SegmentSlice> {
    let segment = SEGMENT_BYTES as u64;
    let numbers = if from < to { from / segment..to.div_ceil(segment) } else { 0..0 };
    numbers.map(move |segment_no| {
        let start = segment_no * segment;
        let skip = from.saturating_sub(start);
        SegmentSlice {
            hash,
            segment_no,
            skip: skip as usize,
            length: ((to - start).min(segment) - skip) as usize,
            tensor,
        }
    })
}

/// The pieces of one file of a stored model, in order.
pub fn file_pieces(model: &access::StoredModel, file_no: i32) -> impl Iterator<Item = SegmentSlice> {
    let parts = file_parts(model, file_no);
    parts.into_iter().flat_map(|part| pieces(part.hash, part.start, part.start + part.length, part.tensor))
}

/// The pieces of one stored tensor, in order.
pub fn tensor_pieces(tensor: &access::StoredTensor, no: usize) -> impl Iterator<Item = SegmentSlice> {
    pieces(tensor.content_hash, 0, tensor.byte_length as u64, Some(no))
}

/// Reads the encoded segments of pieces, in place of what `segments` held; a missing one is empty.
fn read_encoded(pieces: &[SegmentSlice], segments: &mut Vec<Vec<u8>>) {
    segments.resize_with(pieces.len(), Vec::new);
    segments.iter_mut().for_each(Vec::clear);
    let mut rest = &mut segments[..];
    for run in pieces.chunk_by(|a, b| a.hash == b.hash && a.segment_no + 1 == b.segment_no) {
        let (segments, others) = std::mem::take(&mut rest).split_at_mut(run.len());
        segment_rows::scan(&run[0].hash, run[0].segment_no, segments);
        rest = others;
    }
}

/// Goes through pieces in batches: worker threads do `work` on one batch of encoded segments while
/// the main thread consumes what they made of the batch before, and reads the next one.
pub fn for_each_batch<T: Send>(
    mut pieces: impl Iterator<Item = SegmentSlice>,
    mut work: impl FnMut(&[SegmentSlice], &[Vec<u8>]) -> Result<T, (usize, SegmentError)> + Send,
    mut consume: impl FnMut(&[SegmentSlice], T),
) {
    let mut next_batch = || -> Vec<SegmentSlice> { pieces.by_ref().take(BATCH_SEGMENTS).collect() };
    let (mut batch, mut encoded, mut next_encoded) = (next_batch(), Vec::new(), Vec::new());
    read_encoded(&batch, &mut encoded);
    let mut done: Option<(Vec<SegmentSlice>, T)> = None;
    while !batch.is_empty() {
        pgrx::check_for_interrupts!();
        let next = next_batch();
        let work = || work(&batch, &encoded);
        let (result, ()) = parallel::run_on_pool_while(work, || {
            if let Some((pieces, made)) = done.take() {
                consume(&pieces, made);
            }
            read_encoded(&next, &mut next_encoded);
        });
        let made = result.unwrap_or_else(|(no, error)| {
            let piece = &batch[no];
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!("segment {} of content {}: {error}", piece.segment_no, hex(&piece.hash)),
                "Run check_integrity() to find every damaged content.",
            )
        });
        done = Some((std::mem::replace(&mut batch, next), made));
        std::mem::swap(&mut encoded, &mut next_encoded);
    }
    if let Some((pieces, made)) = done {
        consume(&pieces, made);
    }
}

/// Goes through the bytes of pieces in order.
pub fn for_each_bytes(pieces: impl Iterator<Item = SegmentSlice>, mut each: impl FnMut(&[u8])) {
    // Decoded segments go from the workers to the main thread; their memory goes back.
    let spare = Mutex::new(Vec::new());
    let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    for_each_batch(
        pieces,
        |_, encoded| {
            let mut segments = spare().pop().unwrap_or_default();
            segment::decode_all(encoded, &mut segments)?;
            Ok(segments)
        },
        |pieces, segments: Vec<Vec<u8>>| {
            pieces.iter().zip(&segments).for_each(|(piece, segment)| each(piece.of(segment)));
            spare().push(segments);
        },
    );
}

/// Bytes `from..to` of a content.
pub fn read_range(hash: &Hash, from: u64, to: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for_each_bytes(pieces(*hash, from, to, None), |piece| bytes.extend_from_slice(piece));
    if bytes.len() as u64 != to.saturating_sub(from) {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            format!("content {} has {} of the bytes {from} to {to}", hex(hash), bytes.len()),
            "Run check_integrity() to find every damaged content.",
        );
    }
    bytes
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A content and the part of it that fills a range of a file.
struct FilePart {
    /// First byte in the file.
    offset: u64,
    /// Number of bytes.
    length: u64,
    /// The content that fills it.
    hash: Hash,
    /// First byte within the content.
    start: u64,
    /// Length of the whole content.
    content_length: u64,
    /// The tensor's place in [`access::StoredModel::tensors`]; none for the file's other bytes.
    tensor: Option<usize>,
}

/// The parts of one file of a stored model, in order.
fn file_parts(model: &access::StoredModel, file_no: i32) -> Vec<FilePart> {
    let file = &model.files[file_no as usize];
    let in_file = model.tensors.iter().enumerate().filter(|(_, tensor)| tensor.file_no == file_no);
    let (tensors, ranges): (Vec<usize>, Vec<Range>) =
        in_file.filter_map(|(no, tensor)| Some((no, tensor.range()?))).unzip();
    let parts = file_layout::parts(file.byte_length as u64, &ranges);
    let blobs = parts.iter().filter(|(_, part)| matches!(part, Part::Blob(_)));
    let blob_length = blobs.map(|((_, length), _)| length).sum();
    parts
        .into_iter()
        .map(|((offset, length), part)| {
            let (hash, start, content_length, tensor) = match part {
                Part::Tensor(no, start) => {
                    let tensor = &model.tensors[tensors[no]];
                    (tensor.content_hash, start, tensor.byte_length as u64, Some(tensors[no]))
                }
                Part::Blob(start) => (file.blob_hash, start, blob_length, None),
            };
            FilePart { offset, length, hash, start, content_length, tensor }
        })
        .collect()
}

/// One file of a stored model, read as if it were on disk.
pub struct StoredFile {
    length: u64,
    parts: Vec<FilePart>,
    /// The segment that was read last: headers are read in small steps.
    last: RefCell<Option<(Hash, u64, Vec<u8>)>>,
}

impl StoredFile {
    /// All files of a model that the caller may see, with their names.
    pub fn all_of<'a>(model_id: i64) -> Vec<(String, Box<dyn Source + 'a>)> {
        let model = access::complete_model(model_id);
        (0..model.files.len())
            .map(|no| {
                let file = &model.files[no];
                let source = Self {
                    length: file.byte_length as u64,
                    parts: file_parts(&model, no as i32),
                    last: RefCell::default(),
                };
                (file.file_name.clone(), Box::new(source) as Box<dyn Source>)
            })
            .collect()
    }
}

impl Source for StoredFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        let mut no = self.parts.partition_point(|part| part.offset + part.length <= offset);
        let mut last = self.last.borrow_mut();
        while !buf.is_empty() {
            let part = &self.parts[no];
            let at = part.start + (offset - part.offset);
            let segment_no = at / SEGMENT_BYTES as u64;
            if last.as_ref().is_none_or(|(hash, no, _)| (*hash, *no) != (part.hash, segment_no)) {
                let end = ((segment_no + 1) * SEGMENT_BYTES as u64).min(part.content_length);
                let start = segment_no * SEGMENT_BYTES as u64;
                *last = Some((part.hash, segment_no, read_range(&part.hash, start, end)));
            }
            let (_, _, segment) = last.as_ref().expect("was just read");
            let available = segment.get((at % SEGMENT_BYTES as u64) as usize..).unwrap_or_default();
            let n = available.len().min(buf.len()).min((part.offset + part.length - offset) as usize);
            if n == 0 {
                return Err(SourceError::Other(format!("content {} is too short", hex(&part.hash))));
            }
            let (now, rest) = buf.split_at_mut(n);
            now.copy_from_slice(&available[..n]);
            (buf, offset) = (rest, offset + n as u64);
            if offset == part.offset + part.length {
                no += 1;
            }
        }
        Ok(())
    }
}

/// The SHA-256 of a stored content; none when segments are missing or damaged.
pub fn sha256_of(hash: Hash, byte_length: u64) -> Option<Hash> {
    let mut hasher = Hasher::default();
    let (mut whole, mut segments) = (true, Vec::new());
    for_each_batch(
        pieces(hash, 0, byte_length, None),
        |pieces, encoded| {
            let decoded = segment::decode_all(encoded, &mut segments).is_ok();
            if decoded {
                pieces.iter().zip(&segments).for_each(|(piece, bytes)| hasher.update(piece.of(bytes)));
            }
            Ok(decoded)
        },
        |_, decoded| whole &= decoded,
    );
    whole.then(|| hasher.finish())
}
