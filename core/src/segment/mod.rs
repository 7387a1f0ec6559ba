//! Segments: the pieces in which contents are stored, each losslessly encoded on its own.

mod batch;
mod encoding;
#[cfg(test)]
mod golden_tests;
mod planes;
mod slicing;

pub use batch::{decode_all, decode_slices, encode_all};
pub use encoding::{Decoder, Encoder, LAYOUT, SegmentError};
pub use slicing::{
    MAX_CONTENT_BYTES, SEGMENT_BYTES, SegmentSlice, segment_count, segment_range, slices, whole_segments,
};
