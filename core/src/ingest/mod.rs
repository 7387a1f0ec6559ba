//! Ingesting a model: the digests of its files, and the pass that verifies what was stored.

mod digests;
mod verify;

pub use digests::{FileDigests, content_digest, file_digests};
pub use verify::{SegmentSlice, VerifyPass};
