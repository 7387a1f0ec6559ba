//! Contents in `tensor_segment`: writing encoded segments, and reading ranges of bytes back.

use crate::access::{self, StoredModel, StoredTensor};
use crate::errors::{OrRaise, raise};
use crate::progress;
use crate::segment_rows;
use atomizer_core::byte_range::ByteRange;
use atomizer_core::dtype::Dtype;
use atomizer_core::file_layout::{FileLayout, PlacedTensor, StoredFile};
use atomizer_core::formats::FileSet;
use atomizer_core::hash::{Hash, Hasher};
use atomizer_core::parallel;
use atomizer_core::segment::{self, SEGMENT_BYTES, SegmentError, SegmentSlice, slices};
use atomizer_core::source::Source;
use atomizer_core::weight_range::WeightRange;
use pgrx::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Segments read or written at a time: 4 MiB of raw bytes. It bounds the memory used, and is small
/// enough that a chunk has several batches, so that computing and writing overlap.
pub const BATCH_SEGMENTS: usize = 16;

#[pg_extern(immutable, parallel_safe)]
fn segment_bytes() -> i32 {
    const { assert!(SEGMENT_BYTES <= i32::MAX as usize) };
    SEGMENT_BYTES as i32
}

/// Where the bytes of one file of a stored model are.
fn layout(model: &StoredModel, file_no: usize) -> FileLayout {
    let file = &model.files[file_no];
    let in_file = model.tensors.iter().enumerate().filter(|(_, tensor)| tensor.file_no as usize == file_no);
    let placed = in_file.filter_map(|(index, tensor)| {
        Some(PlacedTensor { index, range: tensor.range()?, hash: tensor.content_hash })
    });
    FileLayout::new(file.byte_length as u64, file.blob_hash, &placed.collect::<Vec<_>>())
}

/// The slices of one file of a stored model, in order.
pub fn file_slices(model: &StoredModel, file_no: usize) -> impl Iterator<Item = SegmentSlice> + use<> {
    layout(model, file_no).slices()
}

/// The slices of one stored tensor, in order.
pub fn tensor_slices(tensor: &StoredTensor, index: usize) -> impl Iterator<Item = SegmentSlice> {
    slices(tensor.content_hash, ByteRange::new(0, tensor.byte_length as u64), Some(index))
}

/// Reads the encoded segments of slices, in place of what `segments` held; a missing one is empty.
fn read_encoded(slices: &[SegmentSlice], segments: &mut Vec<Vec<u8>>) {
    segments.resize_with(slices.len(), Vec::new);
    segments.iter_mut().for_each(Vec::clear);
    let mut rest = &mut segments[..];
    for run in slices.chunk_by(|a, b| a.hash == b.hash && a.segment_no + 1 == b.segment_no) {
        let (segments, others) = std::mem::take(&mut rest).split_at_mut(run.len());
        segment_rows::scan(&run[0].hash, run[0].segment_no, segments);
        rest = others;
    }
}

/// Goes through slices in batches: worker threads do `work` on one batch of encoded segments while
/// the main thread consumes what they made of the batch before, and reads the next one.
pub fn for_each_batch<T: Send>(
    mut slices: impl Iterator<Item = SegmentSlice>,
    mut work: impl FnMut(&[SegmentSlice], &[Vec<u8>]) -> Result<T, (usize, SegmentError)> + Send,
    mut consume: impl FnMut(&[SegmentSlice], T),
) {
    let mut next_batch = || -> Vec<SegmentSlice> { slices.by_ref().take(BATCH_SEGMENTS).collect() };
    let (mut batch, mut encoded, mut next_encoded) = (next_batch(), Vec::new(), Vec::new());
    read_encoded(&batch, &mut encoded);
    let mut done: Option<(Vec<SegmentSlice>, T)> = None;
    while !batch.is_empty() {
        pgrx::check_for_interrupts!();
        let next = next_batch();
        let work = || work(&batch, &encoded);
        let (result, ()) = parallel::run_on_pool_while(work, || {
            if let Some((slices, made)) = done.take() {
                consume(&slices, made);
            }
            read_encoded(&next, &mut next_encoded);
        });
        let made = result.unwrap_or_else(|(index, error)| raise_damaged(&batch[index], error));
        progress::count_read(batch.iter().map(|slice| slice.length as u64).sum());
        done = Some((std::mem::replace(&mut batch, next), made));
        std::mem::swap(&mut encoded, &mut next_encoded);
    }
    if let Some((slices, made)) = done {
        consume(&slices, made);
    }
}

fn raise_damaged(slice: &SegmentSlice, error: SegmentError) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        format!("segment {} of content {}: {error}", slice.segment_no, hex(&slice.hash)),
        "Run check_integrity() to find every damaged content.",
    )
}

/// The bytes of slices in order, in pieces of 4 to 8 MiB but for the last, for rows that a client asks for one
/// by one.
pub fn pieces(mut slices: impl Iterator<Item = SegmentSlice>) -> impl Iterator<Item = Vec<u8>> {
    const PIECE_BYTES: usize = BATCH_SEGMENTS * SEGMENT_BYTES;
    let (mut encoded, mut segments) = (Vec::new(), Vec::new());
    std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        // Slices of small tensors are short: a batch of them is no piece yet.
        while bytes.len() < PIECE_BYTES {
            pgrx::check_for_interrupts!();
            let batch: Vec<SegmentSlice> = slices.by_ref().take(BATCH_SEGMENTS).collect();
            if batch.is_empty() {
                break;
            }
            read_encoded(&batch, &mut encoded);
            segment::decode_all(&encoded, &mut segments)
                .unwrap_or_else(|(index, error)| raise_damaged(&batch[index], error));
            for (slice, segment) in batch.iter().zip(&segments) {
                bytes.extend_from_slice(slice.bytes(segment));
            }
        }
        (!bytes.is_empty()).then_some(bytes)
    })
}

/// Goes through the bytes of slices in order.
pub fn for_each_bytes(slices: impl Iterator<Item = SegmentSlice>, mut each: impl FnMut(&[u8])) {
    // Decoded segments go from the workers to the main thread; their memory goes back.
    let spare = Mutex::new(Vec::new());
    let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    for_each_batch(
        slices,
        |_, encoded| {
            let mut segments = spare().pop().unwrap_or_default();
            segment::decode_all(encoded, &mut segments)?;
            Ok(segments)
        },
        |slices, segments: Vec<Vec<u8>>| {
            slices.iter().zip(&segments).for_each(|(slice, segment)| each(slice.bytes(segment)));
            spare().push(segments);
        },
    );
}

/// A range of a content's bytes.
pub fn read_range(hash: &Hash, range: ByteRange) -> Vec<u8> {
    let mut bytes = vec![0; range.len as usize];
    read_range_to(hash, range.offset, &mut bytes);
    bytes
}

/// Decodes a content's bytes from `offset` on to their place: nothing of that size is allocated.
pub fn read_range_to(hash: &Hash, offset: u64, mut out: &mut [u8]) {
    let range = ByteRange::new(offset, out.len() as u64);
    for_each_batch(
        slices(*hash, range, None),
        |slices, encoded| {
            let length = slices.iter().map(|slice| slice.length).sum();
            let (place, behind) = std::mem::take(&mut out).split_at_mut(length);
            out = behind;
            segment::decode_slices(slices, encoded, place)
        },
        |_, ()| (),
    );
}

/// Decodes weights of a content from `first` on, as f32, to their place.
pub fn read_f32_to(hash: &Hash, dtype: Dtype, first: u64, out: &mut [f32]) {
    let (range, skip) = dtype.blocks_holding(first, out.len() as u64);
    let mut weights = WeightRange::new(dtype, skip, out);
    let mut bytes = Vec::new();
    for_each_batch(
        slices(*hash, range, None),
        |slices, encoded| {
            bytes.resize(slices.iter().map(|slice| slice.length).sum(), 0);
            segment::decode_slices(slices, encoded, &mut bytes)?;
            Ok(weights.push(&bytes))
        },
        |_, decoded| decoded.or_raise(),
    );
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files of a model that the caller may see, read as if they were on disk.
pub fn open_files<'a>(model_id: i64) -> FileSet<'a> {
    let model = access::complete_model(model_id);
    let files = model.files.iter().enumerate().map(|(file_no, file)| {
        let source = StoredFile::new(layout(&model, file_no), read_range_to);
        (file.file_name.clone(), file.role, Box::new(source) as Box<dyn Source>)
    });
    FileSet::from_roles(files)
}

/// The SHA-256 of a stored content; none when segments are missing or damaged.
pub fn sha256_of(hash: Hash, byte_length: u64) -> Option<Hash> {
    let mut hasher = Hasher::default();
    let (mut whole, mut segments) = (true, Vec::new());
    for_each_batch(
        slices(hash, ByteRange::new(0, byte_length), None),
        |slices, encoded| {
            let decoded = segment::decode_all(encoded, &mut segments).is_ok();
            if decoded {
                slices.iter().zip(&segments).for_each(|(slice, segment)| hasher.update(slice.bytes(segment)));
            }
            Ok(decoded)
        },
        |_, decoded| whole &= decoded,
    );
    whole.then(|| hasher.finish())
}
