//! Which segments a chunk takes, and where the next one begins. A chunk is the unit of commit.

use super::content::Content;
use crate::byte_range::ByteRange;
use crate::hash::Hash;
use crate::segment::segment_range;
use std::collections::{BTreeMap, BTreeSet};

/// Where a chunk begins: the first content of which a segment is still to do, and that segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The content's number in the model's list.
    pub content_no: usize,
    /// The segment of that content.
    pub segment_no: u64,
}

/// What one chunk holds at most, unless its first segment alone is more.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// Weights.
    pub weights: u64,
    /// Bytes: what a kill throws away. Contents without weights have only this limit.
    pub bytes: u64,
}

/// One segment to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSegment {
    /// The content's number in the model's list.
    pub content_no: usize,
    /// The segment of that content.
    pub segment_no: u64,
}

/// A chunk, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its segments, in order.
    pub segments: Vec<PlannedSegment>,
    /// Number of weights that end in them.
    pub weights: u64,
    /// Number of bytes of them.
    pub bytes: u64,
    /// Where the next chunk begins; after the last content after the last chunk.
    pub next: Checkpoint,
}

/// What of a chunk is not stored yet.
#[derive(Debug, Default)]
pub struct MissingSegments {
    /// The segments to store, in order.
    pub segments: Vec<PlannedSegment>,
    /// Contents whose first segment is among them: they are hashed while they are stored.
    pub begun: BTreeSet<Hash>,
    /// Contents whose last segment is among them, by their numbers in the model's list.
    pub completed: Vec<usize>,
}

/// Plans the chunks of a model.
#[derive(Debug)]
pub struct ChunkPlanner {
    contents: Vec<Content>,
    limits: ChunkLimits,
}

impl ChunkPlanner {
    /// For a model of these contents.
    pub fn new(contents: Vec<Content>, limits: ChunkLimits) -> Self {
        Self { contents, limits }
    }

    /// The content that a segment is of.
    pub fn content(&self, segment: PlannedSegment) -> &Content {
        &self.contents[segment.content_no]
    }

    /// The contents, in order.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// The bytes of its content that are in a segment.
    pub fn range(&self, segment: PlannedSegment) -> ByteRange {
        segment_range(self.content(segment).length, segment.segment_no)
    }

    /// Takes segments from the checkpoint on until the chunk is full. One segment is always taken, if
    /// there is one.
    pub fn next_chunk(&self, from: Checkpoint) -> Chunk {
        let mut chunk = Chunk { segments: Vec::new(), weights: 0, bytes: 0, next: from };
        while let Some(content) = self.contents.get(chunk.next.content_no) {
            if chunk.next.segment_no >= content.segment_count() {
                chunk.next = Checkpoint { content_no: chunk.next.content_no + 1, segment_no: 0 };
                continue;
            }
            let Checkpoint { content_no, segment_no } = chunk.next;
            let segment = PlannedSegment { content_no, segment_no };
            let range = self.range(segment);
            let weights = content.weights_below(range.end()) - content.weights_below(range.offset);
            let full =
                chunk.weights + weights > self.limits.weights || chunk.bytes + range.len > self.limits.bytes;
            if full && !chunk.segments.is_empty() {
                break;
            }
            chunk.weights += weights;
            chunk.bytes += range.len;
            chunk.segments.push(segment);
            chunk.next.segment_no += 1;
        }
        chunk
    }

    /// The segments of a chunk that are not stored yet. `stored` holds the number of segments that are
    /// stored of each content of the chunk; it becomes what it is after the chunk.
    ///
    /// # Panics
    /// If `stored` has not all contents of the chunk.
    pub fn missing(&self, chunk: &Chunk, stored: &mut BTreeMap<Hash, u64>) -> MissingSegments {
        let mut missing = MissingSegments::default();
        for segment in &chunk.segments {
            let content = self.content(*segment);
            let count = stored.get_mut(&content.hash).expect("every content of the chunk is listed");
            if segment.segment_no < *count {
                continue;
            }
            if segment.segment_no == 0 {
                missing.begun.insert(content.hash);
            }
            missing.segments.push(*segment);
            *count = segment.segment_no + 1;
            if *count == content.segment_count() {
                missing.completed.push(segment.content_no);
            }
        }
        missing
    }

    /// Weights and bytes of all contents before one: a job that goes back to its start has these.
    pub fn done_before(&self, content_no: usize) -> (u64, u64) {
        let before = &self.contents[..content_no];
        let weights = before.iter().map(|content| content.weights_below(content.length)).sum();
        (weights, before.iter().map(|content| content.length).sum())
    }
}

#[cfg(test)]
mod tests;
