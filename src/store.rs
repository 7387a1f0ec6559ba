//! Contents in `tensor_segment`: writing encoded segments, and reading ranges of bytes back.

use crate::errors::{OrRaise, raise};
use crate::{access, owner};
use atomizer_core::codec::SEGMENT_BYTES;
use atomizer_core::hash::{Hash, Hasher};
use atomizer_core::parallel;
use atomizer_core::rebuild::{self, Part};
use atomizer_core::source::{Source, SourceError, check_range};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use std::cell::RefCell;

/// Payload of a row that just fills a page: the page less its header (24), one line pointer (4, and
/// 4 to align), the row's header (24), content_hash (4 + 32), two integers (8) and payload's length (4).
const PART_BYTES: usize = pg_sys::BLCKSZ as usize - 104;

/// Segments read or written at a time: 16 MiB of raw bytes, which bounds the memory used.
pub const BATCH_SEGMENTS: usize = 64;

/// Number of segments of a content.
pub fn segment_count(byte_length: u64) -> u64 {
    byte_length.div_ceil(SEGMENT_BYTES as u64)
}

/// One encoded segment, ready to be written.
pub struct Encoded {
    /// Its content.
    pub hash: Hash,
    /// Its place in the content.
    pub segment_no: u64,
    /// What [`atomizer_core::codec::Encoder`] made of it.
    pub bytes: Vec<u8>,
}

/// Writes encoded segments. Nobody else may be writing the same contents: see `ingestion::chunk`.
pub fn write(client: &mut SpiClient, segments: &[Encoded]) {
    let statement = "INSERT INTO atomizer.tensor_segment (content_hash, segment_no, part_no, payload) \
                     SELECT * FROM unnest($1::bytea[], $2::int[], $3::int[], $4::bytea[])";
    let (mut hashes, mut numbers, mut parts, mut payloads) = (vec![], vec![], vec![], vec![]);
    for segment in segments {
        for (part_no, payload) in segment.bytes.chunks(PART_BYTES).enumerate() {
            hashes.push(&segment.hash[..]);
            numbers.push(segment.segment_no as i32);
            parts.push(part_no as i32);
            payloads.push(payload);
        }
    }
    if !payloads.is_empty() {
        owner::execute(client, statement, &[hashes.into(), numbers.into(), parts.into(), payloads.into()]);
    }
}

/// Reads encoded segments `from..to` of a content.
fn read_encoded(hash: &Hash, from: u64, to: u64) -> Vec<Vec<u8>> {
    let statement = "SELECT segment_no, payload FROM atomizer.tensor_segment \
                     WHERE content_hash = $1 AND segment_no >= $2 AND segment_no < $3 \
                     ORDER BY segment_no, part_no";
    let mut segments: Vec<Vec<u8>> = vec![Vec::new(); (to - from) as usize];
    owner::run(|client| {
        let args: [DatumWithOid; 3] = [(&hash[..]).into(), (from as i32).into(), (to as i32).into()];
        for row in owner::execute(client, statement, &args) {
            let number: i32 = row.get(1).ok().flatten().expect("segment_no is not null");
            let payload: &[u8] = row.get(2).ok().flatten().expect("payload is not null");
            segments[number as usize - from as usize].extend_from_slice(payload);
        }
    });
    segments
}

/// Reads and decodes segments `from..to` of a content. `meanwhile` runs while they are decoded.
pub fn read_segments<T>(hash: &Hash, from: u64, to: u64, meanwhile: impl FnOnce() -> T) -> (Vec<Vec<u8>>, T) {
    let encoded = read_encoded(hash, from, to);
    if let Some(missing) = encoded.iter().position(Vec::is_empty) {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            format!("segment {} of content {} is missing", from + missing as u64, hex(hash)),
            "Run check_integrity() to find every damaged content.",
        );
    }
    let (decoded, result) = parallel::overlap(|| parallel::decode_all(&encoded), meanwhile);
    (decoded.or_raise(), result)
}

/// Goes through bytes `from..to` of a content, piece by piece.
pub fn for_each_piece(hash: &Hash, from: u64, to: u64, mut piece: impl FnMut(&[u8])) {
    if from >= to {
        return;
    }
    let segment = SEGMENT_BYTES as u64;
    let last = to.div_ceil(segment);
    let mut first = from / segment;
    while first < last {
        pgrx::check_for_interrupts!();
        let end = last.min(first + BATCH_SEGMENTS as u64);
        let (decoded, ()) = read_segments(hash, first, end, || ());
        for (no, bytes) in (first..end).zip(&decoded) {
            let start = no * segment;
            let low = from.saturating_sub(start) as usize;
            let high = ((to - start).min(segment) as usize).min(bytes.len());
            piece(bytes.get(low..high).unwrap_or_default());
        }
        first = end;
    }
}

/// Bytes `from..to` of a content.
pub fn read_range(hash: &Hash, from: u64, to: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for_each_piece(hash, from, to, |piece| bytes.extend_from_slice(piece));
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
#[derive(Clone, Copy)]
pub struct FilePart {
    /// First byte in the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The content that fills it.
    pub hash: Hash,
    /// First byte within the content.
    pub start: u64,
    /// The tensor's place in [`access::StoredModel::tensors`]; none for the file's other bytes.
    pub tensor: Option<usize>,
}

/// The parts of one file of a stored model, in order.
pub fn file_parts(model: &access::StoredModel, file_no: i32) -> Vec<FilePart> {
    let file = &model.files[file_no as usize];
    let tensors: Vec<usize> =
        (0..model.tensors.len()).filter(|no| model.tensors[*no].file_no == file_no).collect();
    let ranges: Vec<_> = tensors
        .iter()
        .map(|no| (model.tensors[*no].file_offset as u64, model.tensors[*no].byte_length as u64))
        .collect();
    rebuild::parts(file.byte_length as u64, &ranges)
        .into_iter()
        .map(|((offset, length), part)| {
            let (hash, start, tensor) = match part {
                Part::Tensor(no, start) => {
                    (model.tensors[tensors[no]].content_hash, start, Some(tensors[no]))
                }
                Part::Blob(start) => (file.blob_hash, start, None),
            };
            FilePart { offset, length, hash, start, tensor }
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
                let (mut decoded, ()) = read_segments(&part.hash, segment_no, segment_no + 1, || ());
                *last = Some((part.hash, segment_no, decoded.remove(0)));
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
pub fn sha256_of(hash: &Hash, byte_length: u64) -> Option<Hash> {
    let mut hasher = Hasher::default();
    let (mut first, count) = (0, segment_count(byte_length));
    while first < count {
        pgrx::check_for_interrupts!();
        let end = count.min(first + BATCH_SEGMENTS as u64);
        let encoded = read_encoded(hash, first, end);
        let (decoded, ()) = parallel::overlap(|| parallel::decode_all(&encoded), || ());
        decoded.ok()?.iter().for_each(|bytes| hasher.update(bytes));
        first = end;
    }
    Some(hasher.finish())
}
