//! Segments: the pieces in which contents are stored, each losslessly encoded on its own.

mod batch;
mod encoding;
mod planes;

pub use batch::{decode_all, encode_all};
pub use encoding::{Decoder, Encoder, SEGMENT_BYTES, SegmentError};
