//! Formats of model files: one folder for each, and one table of them, in `readers`. Opening reads headers only, never
//! weights.

pub mod checksum;
pub mod containers;
pub mod error;
pub mod files;
mod folder;
mod gguf;
mod keras;
pub(crate) mod limits;
mod numpy;
mod onnx;
pub mod reader;
mod readers;
mod safetensors;
pub mod safety;
pub mod support;
mod tensorflow;
mod torch;

pub use crate::metadata::Detail;
pub use checksum::Checksum;
pub use error::{ParseError, ParseErrorKind};
pub use files::{FileRole, FileSet};
pub use folder::open_path;
pub use readers::{checksums, detect, detect_files, parse, shards};
