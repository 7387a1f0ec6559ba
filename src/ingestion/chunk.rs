//! One chunk: the next segments of the model's contents, encoded and stored where they are new.

use super::{Job, Progress};
use crate::access::{self, StoredModel, field, hash};
use crate::errors::{OrRaise, raise};
use crate::owner;
use crate::progress;
use crate::segment_rows;
use crate::store::{self, BATCH_SEGMENTS};
use atomizer_core::file_layout::Ranges;
use atomizer_core::formats::FileSet;
use atomizer_core::hash::{Hash, Hasher};
use atomizer_core::ingest::{
    Checkpoint, Chunk, ChunkLimits, ChunkPlanner, FileContent, PlannedSegment, TensorContent, model_contents,
};
use atomizer_core::model::Model;
use atomizer_core::parallel;
use atomizer_core::segment;
use atomizer_core::source::Source;
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// Most bytes of one chunk: what a kill throws away. Contents without weights have only this limit.
const MAX_CHUNK_BYTES: u64 = 64 << 20;

/// The chunks of a model.
fn planner(job: &Job, model: &StoredModel) -> ChunkPlanner {
    let files: Vec<FileContent> = model
        .files
        .iter()
        .map(|file| FileContent { byte_length: file.byte_length as u64, blob: file.blob_hash })
        .collect();
    let tensors: Vec<TensorContent> = model
        .tensors
        .iter()
        .map(|tensor| TensorContent {
            dtype: tensor.dtype,
            weight_count: tensor.weight_count as u64,
            byte_length: tensor.byte_length as u64,
            hash: tensor.content_hash,
            file_no: tensor.file_no as usize,
            range: tensor.range(),
        })
        .collect();
    let limits = ChunkLimits { weights: job.atom_chunk_size as u64, bytes: MAX_CHUNK_BYTES };
    ChunkPlanner::new(model_contents(&files, &tensors), limits)
}

/// Stores the next chunk of the job and moves its checkpoint.
pub fn store_next_chunk(job: &Job, model_data: Option<&[u8]>) -> Progress {
    let model = access::load(job.model_id);
    let files = job.open(model_data);
    check_files(&model, &files);
    let planner = planner(job, &model);
    let from = Checkpoint { content_no: job.content_no as usize, segment_no: job.segment_no as u64 };
    let chunk = planner.next_chunk(from);
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
    let computes = |segment: &PlannedSegment| planner.content(*segment).computed.is_some();
    let parsed = chunk.segments.iter().any(computes).then(|| job.parse(&files));
    let mut reader = Reader { planner: &planner, files: &files, parsed: parsed.as_ref(), computed: None };
    let damaged = store_segments(&mut reader, &chunk, job.bytes_processed as u64);
    if let Some(first) = planner.contents().iter().position(|content| damaged.contains(&content.hash)) {
        return go_back(job, &model, &mut reader, first);
    }
    let progress = Progress {
        bytes_processed: job.bytes_processed + chunk.bytes as i64,
        atoms_processed: atoms,
        ..Progress::new(job, "stored")
    };
    save_checkpoint(job, &progress, chunk.next);
    progress
}

fn save_checkpoint(job: &Job, progress: &Progress, next: Checkpoint) {
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
                (next.content_no as i32).into(),
                (next.segment_no as i32).into(),
            ],
        );
    });
}

/// Wrong bytes were stored for a content, and are stored no more, or everybody who has the real one
/// would be given them. The job goes back to the content's start. It fails if the bytes were its own:
/// the source changed since it was planned. Else another job's source did, and this one goes on.
fn go_back(job: &Job, model: &StoredModel, reader: &mut Reader, content_no: usize) -> Progress {
    let content = &reader.planner.contents()[content_no];
    let (weights, bytes) = reader.planner.done_before(content_no);
    let (mut hasher, mut raw) = (Hasher::default(), Vec::new());
    for segment_no in 0..content.segment_count() {
        pgrx::check_for_interrupts!();
        reader.read(&[PlannedSegment { content_no, segment_no }], &mut raw);
        hasher.update(&raw[0].0);
    }
    let changed = hasher.finish() != content.hash;
    let file = &model.files[content.file_no].file_name;
    let progress = Progress {
        bytes_processed: bytes as i64,
        atoms_processed: weights as i64,
        problem: changed.then(|| format!("file \"{file}\" changed during the ingestion")),
        ..Progress::new(job, "stored")
    };
    save_checkpoint(job, &progress, Checkpoint { content_no, segment_no: 0 });
    progress
}

/// The source must still be the one that was planned.
fn check_files(model: &StoredModel, files: &FileSet) {
    const HINT: &str =
        "Restore the file and call atomize_model_governed again, or start over with reset_ingestion_job().";
    let not_planned = |number: usize| {
        // Bytes and large objects have no name.
        let planned = model.files.get(number).map(|planned| &*planned.file_name);
        files.given_name(number).filter(|name| planned != Some(name))
    };
    if let Some(name) = (0..files.len()).find_map(not_planned) {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("file \"{name}\" is new: it was not there when the ingestion began"),
            HINT,
        );
    }
    for (number, planned) in model.files.iter().enumerate() {
        let length = if number < files.len() { files.source(number).len() } else { 0 };
        if length != planned.byte_length as u64 {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "file \"{}\" has {length} bytes, but had {} when the ingestion began",
                    planned.file_name, planned.byte_length
                ),
                HINT,
            );
        }
    }
}

/// Segments stored so far of each content, under locks that keep other ingestions of the same
/// contents out until this chunk is committed. Keys are sorted: no two chunks can deadlock.
fn lock_contents(planner: &ChunkPlanner, chunk: &Chunk) -> BTreeMap<Hash, u64> {
    let mut hashes: Vec<Hash> = chunk.segments.iter().map(|segment| planner.content(*segment).hash).collect();
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
                         WHERE s.content_hash = h)::int FROM unnest($1::bytea[]) AS u(h)";
        let counted = owner::execute(client, statement, &[hashes.into()]);
        counted.map(|row| (hash(&row, 1), field::<i32>(&row, 2) as u64)).collect()
    })
}

/// Encodes and writes the segments that are not stored yet. Workers encode and hash one batch while
/// the main thread writes the one before and reads the next. A content is only complete when its SHA-256
/// is right: gives those whose stored bytes were others, and are stored no more.
fn store_segments(reader: &mut Reader, chunk: &Chunk, bytes_before: u64) -> Vec<Hash> {
    let planner = reader.planner;
    let mut stored = lock_contents(planner, chunk);
    let missing = planner.missing(chunk, &mut stored);
    let mut hashers: BTreeMap<Hash, Hasher> =
        missing.begun.iter().map(|hash| (*hash, Hasher::default())).collect();
    // What is stored already counts as done.
    let bytes = |segments: &[PlannedSegment]| segments.iter().map(|s| planner.range(*s).len).sum::<u64>();
    let mut done = (bytes_before + chunk.bytes).saturating_sub(bytes(&missing.segments));
    let mut batches = missing.segments.chunks(BATCH_SEGMENTS);
    let (mut raw, mut next_raw) = (Vec::new(), Vec::new());
    let (mut encoded, mut pending_encoded) = (Vec::new(), Vec::new());
    let mut pending: &[PlannedSegment] = &[];
    let mut batch = batches.next().unwrap_or_default();
    reader.read(batch, &mut raw);
    while !batch.is_empty() {
        pgrx::check_for_interrupts!();
        let next = batches.next().unwrap_or_default();
        let hash = |index: usize, raw: &[u8]| {
            if let Some(hasher) = hashers.get_mut(&planner.content(batch[index]).hash) {
                hasher.update(raw);
            }
        };
        parallel::run_on_pool_while(
            || segment::encode_all(&raw, &mut encoded, hash),
            || {
                write(planner, pending, &pending_encoded);
                reader.read(next, &mut next_raw);
            },
        );
        done += bytes(batch);
        progress::set_done(done);
        (pending, batch) = (batch, next);
        std::mem::swap(&mut encoded, &mut pending_encoded);
        std::mem::swap(&mut raw, &mut next_raw);
    }
    write(planner, pending, &pending_encoded);
    let mut damaged = Vec::new();
    for content_no in missing.completed {
        let content = &planner.contents()[content_no];
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
             WHERE a.content_hash = ANY($1) AND a.content_hash = u.h AND a.kind <> 'weight' AND a.segment_count <> u.n",
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
fn write(planner: &ChunkPlanner, segments: &[PlannedSegment], encoded: &[Vec<u8>]) {
    let parts = segments.iter().zip(encoded);
    segment_rows::insert(
        parts.map(|(segment, bytes)| (&planner.content(*segment).hash, segment.segment_no, &bytes[..])),
    );
}

/// Reads contents from the model's files.
struct Reader<'a> {
    planner: &'a ChunkPlanner,
    files: &'a FileSet<'a>,
    /// The parsed headers, which say how to compute the tensors that do not stand in a file as they are.
    parsed: Option<&'a Model>,
    /// The computed tensor that was read last: it is read best from front to back.
    computed: Option<(usize, Box<dyn Source + 'a>)>,
}

impl Reader<'_> {
    /// Reads segments' raw bytes, with their strides, in place of what `raw` held.
    fn read(&mut self, segments: &[PlannedSegment], raw: &mut Vec<(Vec<u8>, usize)>) {
        raw.resize_with(segments.len(), Default::default);
        for (segment, (bytes, stride)) in segments.iter().zip(raw) {
            let (content, range) = (self.planner.content(*segment), self.planner.range(*segment));
            bytes.resize(range.len as usize, 0);
            *stride = content.stride();
            match content.computed {
                Some(tensor_no) => self.compute(tensor_no, range.offset, bytes),
                None => {
                    let source =
                        Ranges::new(self.files.source(content.file_no), content.ranges.iter().copied());
                    source.read_at(range.offset, bytes).or_raise();
                }
            }
        }
    }

    fn compute(&mut self, tensor_no: usize, start: u64, bytes: &mut [u8]) {
        if self.computed.as_ref().is_none_or(|(number, _)| *number != tensor_no) {
            let tensor = self.parsed.and_then(|model| model.tensors.get(tensor_no));
            // A source that changed has other tensors; what their bytes are worth the SHA-256 tells.
            let tensor = tensor.unwrap_or_else(|| {
                raise(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("the source has no tensor {tensor_no} any more"),
                    "Restore the file and call atomize_model_governed again, or start over with reset_ingestion_job().",
                )
            });
            self.computed = Some((tensor_no, self.files.open_tensor(tensor).or_raise()));
        }
        let (_, source) = self.computed.as_ref().expect("was just opened");
        source.read_at(start, bytes).or_raise();
    }
}
