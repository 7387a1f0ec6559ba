//! The contents of a model, in the order in which they are stored.

use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::file_layout::gaps;
use crate::hash::Hash;
use crate::segment::segment_count;

/// A file of a model: what of it is stored besides tensors.
#[derive(Debug, Clone, Copy)]
pub struct FileContent {
    /// Length of the file.
    pub byte_length: u64,
    /// The bytes that are in no tensor.
    pub blob: Hash,
}

/// A tensor of a model.
#[derive(Debug, Clone, Copy)]
pub struct TensorContent {
    /// How the weights are stored.
    pub dtype: Dtype,
    /// Number of weights.
    pub weight_count: u64,
    /// Number of bytes.
    pub byte_length: u64,
    /// Its content.
    pub hash: Hash,
    /// Its file.
    pub file_no: usize,
    /// Where it stands there; none where its bytes are computed.
    pub range: Option<ByteRange>,
}

/// One content of a model: the bytes outside of tensors of one file, or a tensor.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its SHA-256.
    pub hash: Hash,
    /// Number of bytes.
    pub length: u64,
    /// The file it comes from.
    pub file_no: usize,
    /// Where it lies in its file; nowhere for a tensor whose bytes are computed.
    pub ranges: Vec<ByteRange>,
    /// The number of a tensor whose bytes are computed.
    pub computed: Option<usize>,
    /// A tensor's data type, and its number of weights; a blob has neither.
    tensor: Option<(Dtype, u64)>,
}

impl Content {
    /// Weights of which every byte lies below `end`.
    pub fn weights_below(&self, end: u64) -> u64 {
        self.tensor.map_or(0, |(dtype, count)| {
            let row = dtype.info();
            // The last byte of a type of less than a byte may be filled in part.
            (end / u64::from(row.block_bytes) * u64::from(row.block_weights)).min(count)
        })
    }

    /// Bytes of one weight or block.
    pub fn stride(&self) -> usize {
        self.tensor.map_or(1, |(dtype, _)| dtype.info().block_bytes as usize)
    }

    /// Number of segments.
    pub fn segment_count(&self) -> u64 {
        segment_count(self.length)
    }
}

/// A model's contents in the order they are stored: the blob of each file, then the tensors, which
/// come in the order of files and, within a file, of their first bytes.
pub fn model_contents(files: &[FileContent], tensors: &[TensorContent]) -> Vec<Content> {
    let blobs = files.iter().enumerate().map(|(file_no, file)| {
        let in_file = tensors.iter().filter(|tensor| tensor.file_no == file_no);
        let ranges: Vec<ByteRange> = in_file.filter_map(|tensor| tensor.range).collect();
        let ranges = gaps(file.byte_length, &ranges);
        let length = ranges.iter().map(|range| range.len).sum();
        Content { hash: file.blob, length, file_no, ranges, tensor: None, computed: None }
    });
    let tensors = tensors.iter().enumerate().map(|(index, tensor)| Content {
        hash: tensor.hash,
        length: tensor.byte_length,
        file_no: tensor.file_no,
        ranges: tensor.range.into_iter().collect(),
        tensor: Some((tensor.dtype, tensor.weight_count)),
        computed: tensor.range.is_none().then_some(index),
    });
    blobs.chain(tensors).collect()
}
