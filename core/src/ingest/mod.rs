//! Ingesting a model: the digests of its files, the chunks in which its contents are stored, and the
//! pass that verifies what was stored.

mod chunk_planner;
mod content;
mod digests;
mod verify;

pub use chunk_planner::{Checkpoint, Chunk, ChunkLimits, ChunkPlanner, MissingSegments, PlannedSegment};
pub use content::{Content, FileContent, TensorContent, model_contents};
pub use digests::{
    ContentKind, ContentReference, FileDigests, ModelDigests, content_digest, content_references,
    file_digests, model_digests,
};
pub use verify::{Verified, VerifyPass};
