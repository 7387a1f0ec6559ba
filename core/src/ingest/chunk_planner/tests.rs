use super::*;
use crate::dtype::{DTYPES, Dtype};
use crate::ingest::content::{FileContent, TensorContent, model_contents};
use crate::segment::SEGMENT_BYTES;
use proptest::prelude::*;

const SEGMENT: u64 = SEGMENT_BYTES as u64;

/// A tensor's data type, number of blocks, and whether its bytes are computed; equal numbers of
/// `content` are equal contents.
type TensorSeed = (usize, u64, bool, u8);

/// A model of one file in which tensors stand one after the other, each after a gap.
fn model(seeds: &[TensorSeed], gap: u64) -> Vec<Content> {
    let mut offset = gap;
    let tensors: Vec<TensorContent> = seeds
        .iter()
        .map(|&(dtype, blocks, computed, content)| {
            let row = &DTYPES[dtype];
            let byte_length = blocks * u64::from(row.block_bytes);
            let range = (!computed).then(|| ByteRange::new(offset, byte_length));
            if !computed {
                offset += byte_length + gap;
            }
            // Of a type of less than a byte the last one may be filled in part.
            let weight_count =
                (blocks * u64::from(row.block_weights)).saturating_sub(u64::from(row.dtype == Dtype::F4));
            // Equal contents have equal lengths.
            let mut hash = [content; 32];
            hash[..8].copy_from_slice(&byte_length.to_le_bytes());
            TensorContent { dtype: row.dtype, weight_count, byte_length, hash, file_no: 0, range }
        })
        .collect();
    model_contents(&[FileContent { byte_length: offset, blob: [255; 32] }], &tensors)
}

fn chunks(planner: &ChunkPlanner) -> Vec<Chunk> {
    let mut chunks = vec![planner.next_chunk(Checkpoint::default())];
    while !chunks.last().unwrap().segments.is_empty() {
        chunks.push(planner.next_chunk(chunks.last().unwrap().next));
    }
    chunks.pop();
    chunks
}

fn seeds() -> impl Strategy<Value = Vec<TensorSeed>> {
    // Up to a few segments each, whatever the width of a block.
    let seed = (0..DTYPES.len(), 0..3 * SEGMENT, any::<bool>(), 0u8..3).prop_map(
        |(dtype, bytes, computed, content)| {
            (dtype, bytes / u64::from(DTYPES[dtype].block_bytes), computed, content)
        },
    );
    prop::collection::vec(seed, 0..6)
}

fn limits() -> impl Strategy<Value = ChunkLimits> {
    (1..4 * SEGMENT, 1..6 * SEGMENT).prop_map(|(weights, bytes)| ChunkLimits { weights, bytes })
}

proptest! {
    #[test]
    fn every_byte_is_in_one_segment_of_one_chunk(seeds in seeds(), gap in 0..SEGMENT, limits in limits()) {
        let planner = ChunkPlanner::new(model(&seeds, gap), limits);
        let mut ends = vec![0; planner.contents().len()];
        for segment in chunks(&planner).iter().flat_map(|chunk| &chunk.segments) {
            let range = planner.range(*segment);
            // In order, without a gap or an overlap.
            prop_assert_eq!(range.offset, ends[segment.content_no]);
            prop_assert!(range.len > 0);
            ends[segment.content_no] = range.end();
        }
        let lengths: Vec<u64> = planner.contents().iter().map(|content| content.length).collect();
        prop_assert_eq!(ends, lengths);
    }

    #[test]
    fn chunks_keep_their_limits_or_are_one_segment(seeds in seeds(), gap in 0..SEGMENT, limits in limits()) {
        let planner = ChunkPlanner::new(model(&seeds, gap), limits);
        let chunks = chunks(&planner);
        for (index, chunk) in chunks.iter().enumerate() {
            prop_assert!(!chunk.segments.is_empty());
            let fits = chunk.weights <= limits.weights && chunk.bytes <= limits.bytes;
            prop_assert!(fits || chunk.segments.len() == 1, "chunk {index}: {chunk:?}");
            // Full: the next chunk's first segment would not have fitted.
            if let Some(next) = chunks.get(index + 1) {
                let alone = planner.next_chunk(chunk.next);
                prop_assert_eq!(&alone, next);
                let range = planner.range(next.segments[0]);
                let content = planner.content(next.segments[0]);
                let weights = content.weights_below(range.end()) - content.weights_below(range.offset);
                prop_assert!(chunk.weights + weights > limits.weights || chunk.bytes + range.len > limits.bytes);
            }
        }
    }

    #[test]
    fn weights_and_bytes_add_up(seeds in seeds(), gap in 0..SEGMENT, limits in limits()) {
        let planner = ChunkPlanner::new(model(&seeds, gap), limits);
        let chunks = chunks(&planner);
        let (all_weights, all_bytes) = planner.done_before(planner.contents().len());
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.weights).sum::<u64>(), all_weights);
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.bytes).sum::<u64>(), all_bytes);
        let expected: u64 = seeds.iter().map(|&(dtype, blocks, _, _)| {
            let row = &DTYPES[dtype];
            (blocks * u64::from(row.block_weights)).saturating_sub(u64::from(row.dtype == Dtype::F4))
        }).sum();
        prop_assert_eq!(all_weights, expected);
        // What was done before the content in which a chunk begins, and within it.
        let (mut weights, mut bytes) = (0, 0);
        for chunk in &chunks {
            let first = chunk.segments[0];
            let (before, bytes_before) = planner.done_before(first.content_no);
            let offset = planner.range(first).offset;
            prop_assert_eq!(bytes, bytes_before + offset);
            prop_assert_eq!(weights, before + planner.content(first).weights_below(offset));
            weights += chunk.weights;
            bytes += chunk.bytes;
        }
    }

    #[test]
    fn from_any_checkpoint_the_rest_is_the_same(seeds in seeds(), gap in 0..SEGMENT, limits in limits()) {
        let planner = ChunkPlanner::new(model(&seeds, gap), limits);
        let all: Vec<PlannedSegment> = chunks(&planner).into_iter().flat_map(|chunk| chunk.segments).collect();
        for (index, segment) in all.iter().enumerate() {
            // Every segment may be the first of a chunk: of a job with other limits, say.
            let mut next = Checkpoint { content_no: segment.content_no, segment_no: segment.segment_no };
            let mut rest = Vec::new();
            loop {
                let chunk = planner.next_chunk(next);
                if chunk.segments.is_empty() {
                    break;
                }
                next = chunk.next;
                rest.extend(chunk.segments);
            }
            prop_assert_eq!(&rest[..], &all[index..]);
        }
        // The end of a content, and the beginning of the next, are one place.
        for content_no in 0..planner.contents().len() {
            let segment_no = planner.contents()[content_no].segment_count();
            let end = planner.next_chunk(Checkpoint { content_no, segment_no });
            let beginning = planner.next_chunk(Checkpoint { content_no: content_no + 1, segment_no: 0 });
            prop_assert_eq!(end, beginning);
        }
    }

    #[test]
    fn each_content_is_stored_once(
        seeds in seeds(), gap in 0..SEGMENT, limits in limits(), known in prop::collection::vec(0u64..4, 8),
    ) {
        let planner = ChunkPlanner::new(model(&seeds, gap), limits);
        // What other models stored before, of the contents that have so many segments.
        let mut stored: BTreeMap<Hash, u64> = planner
            .contents()
            .iter()
            .zip(known.iter().cycle())
            .map(|(content, known)| (content.hash, (*known).min(content.segment_count())))
            .collect();
        let mut written = stored.clone();
        let (mut begun, mut completed) = (BTreeSet::new(), BTreeSet::new());
        for chunk in chunks(&planner) {
            let missing = planner.missing(&chunk, &mut stored);
            for segment in &missing.segments {
                let count = written.get_mut(&planner.content(*segment).hash).unwrap();
                prop_assert_eq!(*count, segment.segment_no, "in order, and none twice");
                *count += 1;
            }
            prop_assert_eq!(&written, &stored);
            begun.extend(missing.begun);
            for content_no in missing.completed {
                prop_assert!(completed.insert(planner.contents()[content_no].hash), "completed once");
            }
        }
        for content in planner.contents().iter().filter(|content| content.length > 0) {
            prop_assert_eq!(stored[&content.hash], content.segment_count());
        }
        prop_assert!(begun.is_subset(&completed));
    }
}

#[test]
fn one_segment_is_always_taken() {
    let planner =
        ChunkPlanner::new(model(&[(0, SEGMENT, false, 0)], 0), ChunkLimits { weights: 1, bytes: 1 });
    let chunks = chunks(&planner);
    assert_eq!(chunks.len(), 4);
    assert!(chunks.iter().all(|chunk| chunk.segments.len() == 1 && chunk.bytes == SEGMENT));
}

#[test]
fn a_model_without_bytes_has_no_chunk() {
    let planner = ChunkPlanner::new(model(&[(0, 0, false, 0)], 0), ChunkLimits { weights: 10, bytes: 10 });
    assert!(chunks(&planner).is_empty());
    assert_eq!(planner.next_chunk(Checkpoint::default()).next.content_no, 2);
}
