use super::*;
use crate::hash::sha256;
use crate::segment::SEGMENT_BYTES;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

fn range(offset: u64, len: u64) -> ByteRange {
    ByteRange::new(offset, len)
}

fn ranges<const N: usize>(pairs: [(u64, u64); N]) -> Vec<ByteRange> {
    pairs.map(|(offset, len)| range(offset, len)).to_vec()
}

#[test]
fn gaps_are_what_tensors_leave() {
    assert_eq!(gaps(100, &ranges([(10, 20), (30, 10), (50, 50)])), ranges([(0, 10), (40, 10)]));
    assert_eq!(gaps(100, &[]), ranges([(0, 100)]));
    assert_eq!(gaps(0, &[]), []);
    assert_eq!(gaps(40, &ranges([(0, 30), (10, 5), (30, 0)])), ranges([(30, 10)]));
}

#[test]
fn ranges_read_across_their_borders() {
    let file: Vec<u8> = (0..100).collect();
    let source = &file[..];
    let joined = Ranges::new(&source, ranges([(90, 5), (0, 3), (50, 10)]));
    let mut all = vec![0; 18];
    joined.read_at(0, &mut all).unwrap();
    let expected: Vec<u8> = (90..95).chain(0..3).chain(50..60).collect();
    assert_eq!(all, expected);
    for from in 0..18usize {
        for to in from..18 {
            let mut some = vec![0; to - from];
            joined.read_at(from as u64, &mut some).unwrap();
            assert_eq!(some, expected[from..to]);
        }
    }
    assert!(joined.read_at(17, &mut [0; 2]).is_err());
}

/// A file, with tensors that may overlap, touch each other, or be empty, and the contents they make.
struct Stored {
    file: Vec<u8>,
    tensors: Vec<PlacedTensor>,
    blob: Hash,
    contents: HashMap<Hash, Vec<u8>>,
}

impl Stored {
    fn new(length: usize, cuts: &[(prop::sample::Index, usize)]) -> Self {
        // A period that divides no segment, so that a wrong offset shows.
        let file: Vec<u8> = (0..length).map(|i| (i % 251) as u8 ^ (i >> 13) as u8).collect();
        let mut placed: Vec<ByteRange> = cuts
            .iter()
            .map(|(offset, len)| {
                let offset = offset.index(length + 1);
                range(offset as u64, (*len).min(length - offset) as u64)
            })
            .collect();
        placed.sort_unstable();
        let mut contents = HashMap::new();
        let mut keep = |bytes: Vec<u8>| {
            let hash = sha256(&bytes);
            contents.insert(hash, bytes);
            hash
        };
        let tensors = placed
            .iter()
            .enumerate()
            .map(|(index, range)| {
                let bytes = file[range.offset as usize..range.end() as usize].to_vec();
                PlacedTensor { index: index + 100, range: *range, hash: keep(bytes) }
            })
            .collect();
        let blob = gaps(length as u64, &placed)
            .iter()
            .flat_map(|gap| file[gap.offset as usize..gap.end() as usize].to_vec())
            .collect();
        let blob = keep(blob);
        Self { file, tensors, blob, contents }
    }

    fn layout(&self) -> FileLayout {
        FileLayout::new(self.file.len() as u64, self.blob, &self.tensors)
    }

    fn fill(&self, hash: &Hash, offset: u64, out: &mut [u8]) {
        out.copy_from_slice(&self.contents[hash][offset as usize..][..out.len()]);
    }
}

const LONG: usize = 3 * SEGMENT_BYTES;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spans_cover_the_file_once(
        length in 0u64..500, cuts in prop::collection::vec((0u64..500, 0u64..200), 0..8),
    ) {
        let mut tensors: Vec<ByteRange> =
            cuts.into_iter().filter_map(|(offset, len)| range(offset, len).within(length)).collect();
        tensors.sort_unstable();
        let (mut end, mut blob) = (0, 0);
        for FileSpan { range, filling } in spans(length, &tensors) {
            prop_assert_eq!(range.offset, end);
            prop_assert!(!range.is_empty());
            end = range.end();
            match filling {
                Filling::Tensor(index, start) => {
                    prop_assert_eq!(tensors[index].offset + start, range.offset);
                    prop_assert!(range.end() <= tensors[index].end());
                }
                Filling::Blob(start) => {
                    prop_assert_eq!(start, blob);
                    blob += range.len;
                    let inside = |tensor: &ByteRange| tensor.offset < range.end() && range.offset < tensor.end();
                    prop_assert!(!tensors.iter().any(|tensor| !tensor.is_empty() && inside(tensor)));
                }
            }
        }
        prop_assert_eq!(end, length);
    }

    #[test]
    fn slices_rebuild_the_file(
        length in 0..LONG, cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..LONG), 0..6),
    ) {
        let stored = Stored::new(length, &cuts);
        let mut rebuilt: Vec<u8> = Vec::new();
        for slice in stored.layout().slices() {
            let content = &stored.contents[&slice.hash];
            let range = segment_range(content.len() as u64, slice.segment_no);
            let segment = &content[range.offset as usize..range.end() as usize];
            prop_assert_eq!(slice.bytes(segment).len(), slice.length);
            if let Some(index) = slice.tensor {
                prop_assert_eq!(stored.tensors[index - 100].hash, slice.hash);
            }
            rebuilt.extend(slice.bytes(segment));
        }
        prop_assert!(rebuilt == stored.file);
    }

    #[test]
    fn random_reads_are_those_of_the_file(
        length in 0..LONG,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..LONG), 0..6),
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0..LONG), 1..20),
    ) {
        let stored = Stored::new(length, &cuts);
        let file = StoredFile::new(stored.layout(), |hash: &Hash, offset, out: &mut [u8]| stored.fill(hash, offset, out));
        prop_assert_eq!(file.len(), length as u64);
        for (offset, len) in reads {
            let offset = offset.index(length + 1);
            let mut buf = vec![0; len.min(length - offset)];
            file.read_at(offset as u64, &mut buf).unwrap();
            prop_assert!(buf == stored.file[offset..offset + buf.len()]);
        }
        prop_assert!(file.read_at(length as u64, &mut [0]).is_err());
    }
}

#[test]
fn small_steps_read_a_segment_once() {
    let stored = Stored::new(2 * SEGMENT_BYTES, &[]);
    let reads = Cell::new(0);
    let file = StoredFile::new(stored.layout(), |hash: &Hash, offset, out: &mut [u8]| {
        reads.set(reads.get() + 1);
        stored.fill(hash, offset, out);
    });
    for offset in 0..1000 {
        file.read_at(offset, &mut [0; 8]).unwrap();
    }
    assert_eq!(reads.get(), 1);
}

#[test]
fn a_large_read_goes_to_its_place_at_once() {
    let stored = Stored::new(5 * SEGMENT_BYTES, &[]);
    let reads = RefCell::new(Vec::new());
    let file = StoredFile::new(stored.layout(), |hash: &Hash, offset, out: &mut [u8]| {
        reads.borrow_mut().push((offset, out.len()));
        stored.fill(hash, offset, out);
    });
    let mut buf = vec![0; 4 * SEGMENT_BYTES];
    file.read_at(7, &mut buf).unwrap();
    assert!(buf == stored.file[7..7 + buf.len()]);
    assert_eq!(reads.into_inner(), [(7, 4 * SEGMENT_BYTES)]);
}
