//! One chunk: the next segments of the model's contents, encoded and stored where they are new.

use super::{Job, Progress};
use crate::access::{self, StoredModel, StoredTensor, field, hash};
use crate::errors::{OrRaise, raise};
use crate::owner;
use crate::segment_rows;
use crate::store::{self, BATCH_SEGMENTS};
use atomizer_core::dtype::Dtype;
use atomizer_core::file_layout::{Range, Ranges, gaps};
use atomizer_core::formats::FileSet;
use atomizer_core::hash::{Hash, Hasher};
use atomizer_core::model::Model;
use atomizer_core::parallel;
use atomizer_core::segment::{self, SEGMENT_BYTES};
use atomizer_core::source::Source;
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// Most bytes of one chunk: what a kill throws away. Contents without weights have only this limit.
const MAX_CHUNK_BYTES: u64 = 64 << 20;

/// One content of the model: the bytes outside of tensors of one file, or a tensor.
struct Content {
    hash: Hash,
    length: u64,
    file_no: usize,
    /// Where it lies in its file; nowhere for a tensor whose bytes are computed.
    ranges: Vec<Range>,
    /// A tensor's data type, and its number of weights; a blob has neither.
    tensor: Option<(Dtype, u64)>,
    /// The number of a tensor whose bytes are computed.
    computed: Option<usize>,
}

impl Content {
    /// Weights of which every byte lies below `end`.
    fn weights_below(&self, end: u64) -> u64 {
        self.tensor.map_or(0, |(dtype, count)| {
            let row = dtype.info();
            // The last byte of a type of less than a byte may be filled in part.
            (end / u64::from(row.block_bytes) * u64::from(row.block_weights)).min(count)
        })
    }

    /// Bytes of one weight or block.
    fn stride(&self) -> usize {
        self.tensor.map_or(1, |(dtype, _)| dtype.info().block_bytes as usize)
    }
}

/// One segment to do.
struct Segment<'a> {
    content: &'a Content,
    segment_no: u64,
}

impl Segment<'_> {
    fn range(&self) -> Range {
        let start = self.segment_no * SEGMENT_BYTES as u64;
        (start, (self.content.length - start).min(SEGMENT_BYTES as u64))
    }
}

/// A chunk, and where the next one begins.
struct Chunk<'a> {
    segments: Vec<Segment<'a>>,
    weights: u64,
    bytes: u64,
    content_no: usize,
    segment_no: u64,
}

/// The model's contents in the order they are stored: blobs, then tensors.
fn contents(model: &StoredModel) -> Vec<Content> {
    let blobs = model.files.iter().enumerate().map(|(no, file)| {
        let tensors = model.tensors.iter().filter(|tensor| tensor.file_no as usize == no);
        let tensors: Vec<Range> = tensors.filter_map(StoredTensor::range).collect();
        let ranges = gaps(file.byte_length as u64, &tensors);
        Content {
            hash: file.blob_hash,
            length: ranges.iter().map(|(_, length)| length).sum(),
            file_no: no,
            ranges,
            tensor: None,
            computed: None,
        }
    });
    let tensors = model.tensors.iter().enumerate().map(|(no, tensor)| Content {
        hash: tensor.content_hash,
        length: tensor.byte_length as u64,
        file_no: tensor.file_no as usize,
        ranges: tensor.range().into_iter().collect(),
        tensor: Some((tensor.dtype, tensor.weight_count as u64)),
        computed: tensor.range().is_none().then_some(no),
    });
    blobs.chain(tensors).collect()
}

/// Takes segments from the checkpoint on until the chunk is full. One segment is always taken.
fn next_chunk<'a>(job: &Job, contents: &'a [Content]) -> Chunk<'a> {
    let mut chunk = Chunk {
        segments: Vec::new(),
        weights: 0,
        bytes: 0,
        content_no: job.content_no as usize,
        segment_no: job.segment_no as u64,
    };
    while let Some(content) = contents.get(chunk.content_no) {
        if chunk.segment_no >= store::segment_count(content.length) {
            (chunk.content_no, chunk.segment_no) = (chunk.content_no + 1, 0);
            continue;
        }
        let segment = Segment { content, segment_no: chunk.segment_no };
        let (start, length) = segment.range();
        let weights = content.weights_below(start + length) - content.weights_below(start);
        let full =
            chunk.weights + weights > job.atom_chunk_size as u64 || chunk.bytes + length > MAX_CHUNK_BYTES;
        if full && !chunk.segments.is_empty() {
            break;
        }
        chunk.weights += weights;
        chunk.bytes += length;
        chunk.segments.push(segment);
        chunk.segment_no += 1;
    }
    chunk
}

/// Stores the next chunk of the job and moves its checkpoint.
pub fn store(job: &Job, model_data: Option<&[u8]>) -> Progress {
    let model = access::load(job.model_id);
    let files = job.open(model_data);
    check_files(&model, &files);
    let contents = contents(&model);
    let chunk = next_chunk(job, &contents);
    let atoms = job.current_atom_offset + chunk.weights as i64;
    if let Some(quota) = job.atom_quota.filter(|quota| atoms > *quota) {
        raise(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            format!(
                "the next {} atoms would bring ingestion job {} to {atoms}, above its quota of {quota} (the model has {})",
                chunk.weights,
                job.ingestion_job_id,
                job.total_atoms.unwrap_or(0)
            ),
            "Raise the quota with set_atom_quota(), then call atomize_model_governed again to resume.",
        );
    }
    let computes = |segment: &Segment| segment.content.computed.is_some();
    let parsed = chunk.segments.iter().any(computes).then(|| job.parse(&files));
    let mut reader = Reader { files: &files, parsed: parsed.as_ref(), computed: None };
    let damaged = store_segments(&mut reader, &chunk.segments);
    if let Some(no) = contents.iter().position(|content| damaged.contains(&content.hash)) {
        return go_back(job, &model, &mut reader, &contents, no);
    }
    let progress = Progress {
        bytes_processed: job.bytes_processed + chunk.bytes as i64,
        atoms_processed: atoms,
        ..Progress::of(job, "stored")
    };
    save_checkpoint(job, &progress, chunk.content_no, chunk.segment_no);
    progress
}

fn save_checkpoint(job: &Job, progress: &Progress, content_no: usize, segment_no: u64) {
    owner::run(|client| {
        owner::execute(
            client,
            "UPDATE atomizer.ingestion_job SET current_atom_offset = $2, total_atoms_processed = $2, \
             bytes_processed = $3, content_no = $4, segment_no = $5, \
             chunks_committed = chunks_committed + 1 WHERE ingestion_job_id = $1",
            &[
                job.ingestion_job_id.into(),
                progress.atoms_processed.into(),
                progress.bytes_processed.into(),
                (content_no as i32).into(),
                (segment_no as i32).into(),
            ],
        );
    });
}

/// Wrong bytes were stored for a content, and are stored no more, or everybody who has the real one
/// would be given them. The job goes back to the content's start. It fails if the bytes were its own:
/// the source changed since it was planned. Else another job's source did, and this one goes on.
fn go_back(job: &Job, model: &StoredModel, reader: &mut Reader, contents: &[Content], no: usize) -> Progress {
    let content = &contents[no];
    let weights: u64 = contents[..no].iter().map(|content| content.weights_below(content.length)).sum();
    let bytes: u64 = contents[..no].iter().map(|content| content.length).sum();
    let (mut hasher, mut raw) = (Hasher::default(), Vec::new());
    for segment_no in 0..store::segment_count(content.length) {
        pgrx::check_for_interrupts!();
        reader.read(&[&Segment { content, segment_no }], &mut raw);
        hasher.update(&raw[0].0);
    }
    let changed = hasher.finish() != content.hash;
    let file = &model.files[content.file_no].file_name;
    let progress = Progress {
        bytes_processed: bytes as i64,
        atoms_processed: weights as i64,
        problem: changed.then(|| format!("file \"{file}\" changed during the ingestion")),
        ..Progress::of(job, "stored")
    };
    save_checkpoint(job, &progress, no, 0);
    progress
}

/// The source must still be the one that was planned.
fn check_files(model: &StoredModel, files: &FileSet) {
    for (no, planned) in model.files.iter().enumerate() {
        let length = if no < files.len() { files.source(no).len() } else { 0 };
        if files.len() != model.files.len() || length != planned.byte_length as u64 {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "file \"{}\" has {length} bytes, but had {} when the ingestion began",
                    planned.file_name, planned.byte_length
                ),
                "Restore the file and call atomize_model_governed again, or begin anew with reset_ingestion_job().",
            );
        }
    }
}

/// Segments stored so far of each content, under locks that keep other ingestions of the same
/// contents out until this chunk is committed. Keys are sorted: no two chunks can deadlock.
fn lock_contents(segments: &[Segment]) -> BTreeMap<Hash, u64> {
    let mut hashes: Vec<Hash> = segments.iter().map(|segment| segment.content.hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| &hash[..]).collect();
    owner::run(|client| {
        owner::execute(
            client,
            "SELECT FROM atomizer.atom WHERE content_hash = ANY($1) AND kind <> 'weight' \
             ORDER BY content_hash, kind FOR UPDATE",
            &[hashes.clone().into()],
        );
        // A second statement, whose snapshot comes after the locks. The segments themselves tell: a
        // blob and a tensor of the same bytes are two atoms, and one may be new beside the other.
        let statement = "SELECT h, (SELECT coalesce(max(s.segment_no) + 1, 0) FROM atomizer.tensor_segment s \
                         WHERE s.content_hash = h) FROM unnest($1::bytea[]) AS u(h)";
        let counted = owner::execute(client, statement, &[hashes.into()]);
        counted.map(|row| (hash(&row, 1), field::<i32>(&row, 2) as u64)).collect()
    })
}

/// Encodes and writes the segments that are not stored yet. Workers encode and hash one batch while
/// the main thread writes the one before and reads the next. A content is only complete when its SHA-256
/// is right: gives those whose stored bytes were others, and are stored no more.
fn store_segments(reader: &mut Reader, segments: &[Segment]) -> Vec<Hash> {
    let mut stored = lock_contents(segments);
    let (mut new, mut hashers, mut completed) = (Vec::new(), BTreeMap::new(), Vec::new());
    for segment in segments {
        let content = segment.content;
        let count = stored.get_mut(&content.hash).expect("a planned content has its atom");
        if segment.segment_no >= *count {
            if segment.segment_no == 0 {
                hashers.insert(content.hash, Hasher::default());
            }
            new.push(segment);
            *count = segment.segment_no + 1;
            if *count == store::segment_count(content.length) {
                completed.push(content);
            }
        }
    }
    let mut batches = new.chunks(BATCH_SEGMENTS);
    let (mut raw, mut next_raw) = (Vec::new(), Vec::new());
    let (mut encoded, mut pending_encoded) = (Vec::new(), Vec::new());
    let mut pending: &[&Segment] = &[];
    let mut batch = batches.next().unwrap_or_default();
    reader.read(batch, &mut raw);
    while !batch.is_empty() {
        pgrx::check_for_interrupts!();
        let next = batches.next().unwrap_or_default();
        let hash = |no: usize, raw: &[u8]| {
            if let Some(hasher) = hashers.get_mut(&batch[no].content.hash) {
                hasher.update(raw);
            }
        };
        parallel::run_on_pool_while(
            || segment::encode_all(&raw, &mut encoded, hash),
            || {
                write(pending, &pending_encoded);
                reader.read(next, &mut next_raw);
            },
        );
        (pending, batch) = (batch, next);
        std::mem::swap(&mut encoded, &mut pending_encoded);
        std::mem::swap(&mut raw, &mut next_raw);
    }
    write(pending, &pending_encoded);
    let mut damaged = Vec::new();
    for content in completed {
        // What earlier chunks stored is read back; what this one stored was hashed on its way.
        let found = match hashers.remove(&content.hash) {
            Some(hasher) => Some(hasher.finish()),
            None => store::sha256_of(content.hash, content.length),
        };
        if found != Some(content.hash) {
            damaged.push(content.hash);
            stored.insert(content.hash, 0);
        }
    }
    count_segments(&stored, &damaged);
    damaged
}

/// Writes down how many segments of each content are stored, and deletes those of damaged ones.
fn count_segments(stored: &BTreeMap<Hash, u64>, damaged: &[Hash]) {
    let (hashes, counts): (Vec<&[u8]>, Vec<i32>) =
        stored.iter().map(|(hash, count)| (&hash[..], *count as i32)).unzip();
    let damaged: Vec<&[u8]> = damaged.iter().map(|hash| &hash[..]).collect();
    owner::run(|client| {
        owner::execute(
            client,
            "UPDATE atomizer.atom a SET segment_count = u.n FROM unnest($1::bytea[], $2::int[]) AS u(h, n) \
             WHERE a.content_hash = u.h AND a.kind <> 'weight' AND a.segment_count <> u.n",
            &[hashes.into(), counts.into()],
        );
        owner::execute(
            client,
            "DELETE FROM atomizer.tensor_segment WHERE content_hash = ANY($1)",
            &[damaged.into()],
        );
    });
}

/// Writes encoded segments.
fn write(segments: &[&Segment], encoded: &[Vec<u8>]) {
    let parts = segments.iter().zip(encoded);
    segment_rows::insert(
        parts.map(|(segment, bytes)| (&segment.content.hash, segment.segment_no, &bytes[..])),
    );
}

/// Reads contents from the model's files.
struct Reader<'a> {
    files: &'a FileSet<'a>,
    /// The parsed headers, which say how to compute the tensors that do not stand in a file as they are.
    parsed: Option<&'a Model>,
    /// The computed tensor that was read last: it is read best from front to back.
    computed: Option<(usize, Box<dyn Source + 'a>)>,
}

impl Reader<'_> {
    /// Reads segments' raw bytes, with their strides, in place of what `raw` held.
    fn read(&mut self, segments: &[&Segment], raw: &mut Vec<(Vec<u8>, usize)>) {
        raw.resize_with(segments.len(), Default::default);
        for (segment, (bytes, stride)) in segments.iter().zip(raw) {
            let content = segment.content;
            let (start, length) = segment.range();
            bytes.resize(length as usize, 0);
            *stride = content.stride();
            match content.computed {
                Some(tensor_no) => self.compute(tensor_no, start, bytes),
                None => {
                    let source =
                        Ranges::new(self.files.source(content.file_no), content.ranges.iter().copied());
                    source.read_at(start, bytes).or_raise();
                }
            }
        }
    }

    fn compute(&mut self, tensor_no: usize, start: u64, bytes: &mut [u8]) {
        if self.computed.as_ref().is_none_or(|(no, _)| *no != tensor_no) {
            let tensor = self.parsed.and_then(|model| model.tensors.get(tensor_no));
            // A source that changed has other tensors; what their bytes are worth the SHA-256 tells.
            let tensor = tensor.unwrap_or_else(|| {
                raise(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("the source has no tensor {tensor_no} any more"),
                    "Restore the file and call atomize_model_governed again, or begin anew with reset_ingestion_job().",
                )
            });
            self.computed = Some((tensor_no, self.files.open_tensor(tensor).or_raise()));
        }
        let (_, source) = self.computed.as_ref().expect("was just opened");
        source.read_at(start, bytes).or_raise();
    }
}
