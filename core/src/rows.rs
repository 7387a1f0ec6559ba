//! A matrix as its rows: one neuron or one token each.

use crate::byte_range::ByteRange;
use crate::dtype::{Class, Dtype};
use crate::hash::Hash;
use crate::projection::MAX_DIMENSION;
use crate::segment::whole_segments;
use crate::weights::{DecodeError, decode_range};

/// Shortest row that is placed: rows of 3 or 9 weights, as convolutions have, are not neurons, and three
/// coordinates would say no less than they do.
pub const MIN_WIDTH: u64 = 16;

/// A tensor as rows: each runs along the last axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLayout {
    /// Number of rows.
    pub rows: u64,
    /// Weights of each.
    pub width: u64,
}

impl RowLayout {
    /// For tensors of two axes and more that hold no integers, with rows that can be projected:
    /// [`MIN_WIDTH`] to [`MAX_DIMENSION`] long.
    pub fn for_tensor(shape: &[u64], dtype: Dtype) -> Option<Self> {
        let (width, earlier) = shape.split_last().filter(|(_, earlier)| !earlier.is_empty())?;
        let rows = earlier.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent))?;
        let fits = (MIN_WIDTH..=MAX_DIMENSION as u64).contains(width) && rows > 0;
        (fits && dtype.info().class != Class::Integer).then_some(Self { rows, width: *width })
    }
}

/// A row of a stored tensor.
#[derive(Debug, Clone, Copy)]
pub struct StoredRow {
    /// The tensor's content.
    pub hash: Hash,
    /// Bytes of the content.
    pub byte_length: u64,
    /// How its weights are stored.
    pub dtype: Dtype,
    /// Which row, from 0.
    pub row_no: u64,
}

/// Reads rows of contents. The segments that the last one lay in are kept, so that rows in the order of
/// their contents and numbers are read with each segment decoded once.
#[derive(Debug, Default)]
pub struct RowReader {
    hash: Hash,
    /// First byte of the content that is in `bytes`.
    start: u64,
    bytes: Vec<u8>,
}

impl RowReader {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The weights of a row of `width` weights. `read` gives a range of a content's bytes.
    ///
    /// # Errors
    /// [`DecodeError`] for types without a decoder.
    pub fn read(
        &mut self,
        row: &StoredRow,
        width: u64,
        read: impl FnOnce(&Hash, ByteRange) -> Vec<u8>,
    ) -> Result<Vec<f32>, DecodeError> {
        let (range, skip) = row.dtype.blocks_holding(row.row_no * width, width);
        if self.hash != row.hash || range.offset < self.start || range.end() > self.end() {
            let whole = whole_segments(row.byte_length, range);
            self.bytes = read(&row.hash, whole);
            (self.start, self.hash) = (whole.offset, row.hash);
        }
        let bytes = &self.bytes[(range.offset - self.start) as usize..(range.end() - self.start) as usize];
        Ok(decode_range(row.dtype, bytes, skip, width as usize)?.into_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::segment::SEGMENT_BYTES;
    use crate::weights::decode;

    #[test]
    fn matrices_of_floats_have_rows() {
        let layout = |shape: &[u64]| RowLayout::for_tensor(shape, Dtype::F16);
        assert_eq!(layout(&[49152, 576]), Some(RowLayout { rows: 49152, width: 576 }));
        assert_eq!(layout(&[2, 3, 16]), Some(RowLayout { rows: 6, width: 16 }));
        for shape in
            [&[][..], &[576], &[4, 15], &[4, 1 << 21], &[4, u64::MAX], &[0, 16], &[1 << 40, 1 << 40, 16]]
        {
            assert_eq!(layout(shape), None, "{shape:?}");
        }
        assert_eq!(RowLayout::for_tensor(&[4, 16], Dtype::I64), None);
        assert!(RowLayout::for_tensor(&[4, 256], Dtype::Q4_K).is_some());
    }

    #[test]
    fn rows_are_those_of_the_whole_and_segments_are_read_once() {
        // Rows of 50 weights cross blocks of 32, and segments.
        let (dtype, width, segment) = (Dtype::Q8_0, 50, SEGMENT_BYTES as u64);
        let blocks = 3 * SEGMENT_BYTES / 34;
        let bytes: Vec<u8> = (0..blocks)
            .flat_map(|block| {
                let mut bytes = [(block % 251) as u8; 34];
                (bytes[0], bytes[1]) = (0, 0x3c);
                bytes
            })
            .collect();
        let whole = decode(dtype, &bytes).unwrap().into_f32();
        let (hash, mut reader, mut read_bytes) = (sha256(&bytes), RowReader::default(), 0);
        let rows = (whole.len() / width) as u64;
        for row_no in 0..rows {
            let row = StoredRow { hash, byte_length: bytes.len() as u64, dtype, row_no };
            let found = reader.read(&row, width as u64, |asked, range| {
                assert_eq!(*asked, hash);
                assert!(range.offset.is_multiple_of(segment));
                read_bytes += range.len;
                bytes[range.offset as usize..range.end() as usize].to_vec()
            });
            assert_eq!(found.unwrap(), whole[row_no as usize * width..][..width], "row {row_no}");
        }
        // Each segment once, and at each of the two borders a row that lies in both.
        assert!(read_bytes <= bytes.len() as u64 + 4 * segment, "{read_bytes} bytes read");
        let other = StoredRow { hash: [1; 32], byte_length: 34 * 4, dtype, row_no: 1 };
        let zeros = |hash: &Hash, range: ByteRange| {
            assert_eq!(*hash, [1; 32], "what is kept of one content is not another's");
            vec![0; range.len as usize]
        };
        assert_eq!(reader.read(&other, 50, zeros).unwrap(), [0.0; 50]);
    }
}
