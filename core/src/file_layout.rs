//! How a file is put together again: tensors' bytes where they stood, and the file's other bytes
//! (header, padding, trailer), which are kept as one blob, in the gaps.

use crate::source::{Source, SourceError, check_range};

/// A range of bytes: first byte and length.
pub type Range = (u64, u64);

/// What fills a range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A tensor's bytes: its number in the list, and the first byte within it.
    Tensor(usize, u64),
    /// The blob's bytes from this one on.
    Blob(u64),
}

/// The ranges of a file that no tensor covers. `tensors` are in the order of their first bytes.
pub fn gaps(file_length: u64, tensors: &[Range]) -> Vec<Range> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for &(start, length) in tensors {
        if start > at {
            gaps.push((at, start - at));
        }
        at = at.max(start + length);
    }
    if file_length > at {
        gaps.push((at, file_length - at));
    }
    gaps
}

/// A file as ranges and what fills each. `tensors` are in the order of their first bytes; bytes that
/// two of them share come from the first.
pub fn parts(file_length: u64, tensors: &[Range]) -> Vec<(Range, Part)> {
    let mut parts = Vec::with_capacity(2 * tensors.len() + 1);
    let (mut at, mut blob) = (0, 0);
    let mut fill_gap = |parts: &mut Vec<_>, at: u64, end: u64| {
        if end > at {
            parts.push(((at, end - at), Part::Blob(blob)));
            blob += end - at;
        }
    };
    for (no, &(start, length)) in tensors.iter().enumerate() {
        fill_gap(&mut parts, at, start);
        let end = start + length;
        let from = at.max(start);
        if end > from {
            parts.push(((from, end - from), Part::Tensor(no, from - start)));
        }
        at = at.max(end);
    }
    fill_gap(&mut parts, at, file_length);
    parts
}

/// Ranges of a source, read as if they stood one behind the other.
pub struct Ranges<'a> {
    source: &'a dyn Source,
    /// Each range, with its first byte in the whole.
    ranges: Vec<(u64, Range)>,
    length: u64,
}

impl<'a> Ranges<'a> {
    /// Joins ranges of `source`.
    pub fn new(source: &'a dyn Source, ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut length = 0;
        let ranges = ranges
            .into_iter()
            .map(|range| {
                let start = length;
                length += range.1;
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
        let mut no = self.ranges.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        while !buf.is_empty() {
            let (start, (from, length)) = self.ranges[no];
            let skip = offset - start;
            let n = (length - skip).min(buf.len() as u64) as usize;
            let (now, rest) = buf.split_at_mut(n);
            self.source.read_at(from + skip, now)?;
            (buf, offset, no) = (rest, offset + n as u64, no + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_tensors_leave() {
        assert_eq!(gaps(100, &[(10, 20), (30, 10), (50, 50)]), [(0, 10), (40, 10)]);
        assert_eq!(gaps(100, &[]), [(0, 100)]);
        assert_eq!(gaps(0, &[]), []);
        assert_eq!(gaps(40, &[(0, 30), (10, 5), (30, 0)]), [(30, 10)]);
    }

    #[test]
    fn a_file_is_the_sum_of_its_parts() {
        let file: Vec<u8> = (0..=255).collect();
        let source = &file[..];
        // Overlapping, empty and adjacent tensors.
        let tensors = [(5, 40), (5, 40), (20, 60), (80, 0), (80, 100), (200, 3)];
        let blob = Ranges::new(&source, gaps(256, &tensors));
        let mut rebuilt = Vec::new();
        for ((offset, length), part) in parts(256, &tensors) {
            assert_eq!(offset, rebuilt.len() as u64);
            let mut piece = vec![0; length as usize];
            match part {
                Part::Tensor(no, skip) => source.read_at(tensors[no].0 + skip, &mut piece).unwrap(),
                Part::Blob(at) => blob.read_at(at, &mut piece).unwrap(),
            }
            rebuilt.extend(piece);
        }
        assert_eq!(rebuilt, file);
    }

    #[test]
    fn ranges_read_across_their_borders() {
        let file: Vec<u8> = (0..100).collect();
        let source = &file[..];
        let ranges = Ranges::new(&source, [(90, 5), (0, 3), (50, 10)]);
        let mut all = vec![0; 18];
        ranges.read_at(0, &mut all).unwrap();
        let expected: Vec<u8> = (90..95).chain(0..3).chain(50..60).collect();
        assert_eq!(all, expected);
        for from in 0..18usize {
            for to in from..18 {
                let mut some = vec![0; to - from];
                ranges.read_at(from as u64, &mut some).unwrap();
                assert_eq!(some, expected[from..to]);
            }
        }
        assert!(ranges.read_at(17, &mut [0; 2]).is_err());
    }
}
