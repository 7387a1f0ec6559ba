//! How a content is cut into segments, and which parts of them hold a range of its bytes.

use crate::byte_range::ByteRange;
use crate::hash::Hash;

/// Raw bytes of every segment but a content's last. It depends on nothing, so equal contents are cut
/// alike whoever ingests them; small enough that reading one weight is cheap, large enough that
/// planes compress as well as in larger ones.
pub const SEGMENT_BYTES: usize = 256 << 10;

const SEGMENT: u64 = SEGMENT_BYTES as u64;

/// Longest content, 512 TiB less one segment: its segments are numbered by an integer of SQL.
pub const MAX_CONTENT_BYTES: u64 = i32::MAX as u64 * SEGMENT;

/// Number of segments of a content.
pub fn segment_count(byte_length: u64) -> u64 {
    byte_length.div_ceil(SEGMENT)
}

/// The bytes of a content that are in one of its segments.
pub fn segment_range(byte_length: u64, segment_no: u64) -> ByteRange {
    let offset = segment_no * SEGMENT;
    ByteRange::new(offset, byte_length.saturating_sub(offset).min(SEGMENT))
}

/// The whole segments in which a range of a content lies.
pub fn whole_segments(byte_length: u64, range: ByteRange) -> ByteRange {
    let offset = range.offset / SEGMENT * SEGMENT;
    ByteRange::new(offset, range.end().next_multiple_of(SEGMENT).min(byte_length) - offset)
}

/// The bytes of one segment that belong to one place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSlice {
    /// The content.
    pub hash: Hash,
    /// The segment of the content.
    pub segment_no: u64,
    /// First byte of the decoded segment.
    pub skip: usize,
    /// Number of bytes.
    pub length: usize,
    /// The tensor they belong to, by its number in the model; none for other bytes of the file.
    pub tensor: Option<usize>,
}

impl SegmentSlice {
    /// The slice's bytes of its decoded segment; none where the segment is too short.
    pub fn bytes<'a>(&self, segment: &'a [u8]) -> &'a [u8] {
        segment.get(self.skip..self.skip + self.length).unwrap_or_default()
    }
}

/// The slices of a range of a content, in order.
pub fn slices(hash: Hash, range: ByteRange, tensor: Option<usize>) -> impl Iterator<Item = SegmentSlice> {
    let numbers = if range.is_empty() { 0..0 } else { range.offset / SEGMENT..range.end().div_ceil(SEGMENT) };
    numbers.map(move |segment_no| {
        let start = segment_no * SEGMENT;
        let skip = range.offset.saturating_sub(start);
        let length = (range.end() - start).min(SEGMENT) - skip;
        SegmentSlice { hash, segment_no, skip: skip as usize, length: length as usize, tensor }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_content_is_its_segments() {
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 10 * SEGMENT, 10 * SEGMENT + 7] {
            let count = segment_count(length);
            let ranges: Vec<ByteRange> = (0..count).map(|index| segment_range(length, index)).collect();
            let mut end = 0;
            for range in &ranges {
                assert_eq!(range.offset, end, "no gap and no overlap");
                assert!(range.len > 0 && range.len <= SEGMENT);
                end = range.end();
            }
            assert_eq!(end, length);
            assert!(
                ranges.iter().rev().skip(1).all(|range| range.len == SEGMENT),
                "all but the last are full"
            );
            assert!(segment_range(length, count).is_empty());
        }
    }

    proptest! {
        #[test]
        fn slices_cover_their_range_once(offset in 0..5 * SEGMENT, len in 0..4 * SEGMENT) {
            let range = ByteRange::new(offset, len);
            let mut position = offset;
            for slice in slices([7; 32], range, Some(3)) {
                prop_assert_eq!((slice.hash, slice.tensor), ([7; 32], Some(3)));
                prop_assert!(slice.length > 0 && slice.skip + slice.length <= SEGMENT_BYTES);
                prop_assert_eq!(slice.segment_no * SEGMENT + slice.skip as u64, position);
                position += slice.length as u64;
            }
            prop_assert_eq!(position, range.end());
        }

        #[test]
        fn whole_segments_hold_their_range_and_no_segment_more(
            length in 1..5 * SEGMENT, cuts in prop::array::uniform2(any::<prop::sample::Index>()),
        ) {
            let [a, b] = cuts.map(|cut| cut.index(length as usize + 1) as u64);
            let range = ByteRange::new(a.min(b), a.abs_diff(b));
            prop_assume!(!range.is_empty());
            let whole = whole_segments(length, range);
            prop_assert!(whole.offset <= range.offset && range.end() <= whole.end() && whole.end() <= length);
            prop_assert!(whole.offset.is_multiple_of(SEGMENT) && range.offset - whole.offset < SEGMENT);
            prop_assert!(whole.end() == length || whole.end().is_multiple_of(SEGMENT));
            prop_assert!(whole.end() - range.end() < SEGMENT);
        }
    }
}
