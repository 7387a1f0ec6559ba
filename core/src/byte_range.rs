//! A range of bytes of a file.

/// `len` bytes from `offset` on. Ordered by where they start, then by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

impl ByteRange {
    /// `len` bytes from `offset` on.
    pub const fn new(offset: u64, len: u64) -> Self {
        Self { offset, len }
    }

    /// The byte after the last one. The range must have come through [`ByteRange::within`] or be of
    /// a file that exists.
    pub const fn end(self) -> u64 {
        self.offset + self.len
    }

    /// The range itself, if all of its bytes are in a file of `length` bytes.
    pub fn within(self, length: u64) -> Option<Self> {
        (self.offset.checked_add(self.len)? <= length).then_some(self)
    }

    /// True when there is no byte in it.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_lies_within_a_file_or_not() {
        assert_eq!(ByteRange::new(3, 4).end(), 7);
        assert_eq!(ByteRange::new(3, 4).within(7), Some(ByteRange { offset: 3, len: 4 }));
        assert_eq!(ByteRange::new(3, 4).within(6), None);
        assert_eq!(ByteRange::new(u64::MAX, 2).within(u64::MAX), None);
        assert!(ByteRange::new(9, 0).is_empty());
    }
}
