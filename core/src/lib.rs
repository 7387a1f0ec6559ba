//! The engine of atomizer. It parses model files, decodes their weights and packs their bytes,
//! and knows nothing of Postgres: the extension at the workspace's root is its only SQL boundary.
#![deny(unsafe_code)] // excepted is simd, which says why

pub mod analytics;
pub mod byte_range;
pub mod coefficient;
pub mod curve;
pub mod dtype;
pub mod export_paths;
pub mod file_layout;
pub mod formats;
pub mod hash;
pub mod ingest;
pub mod layers;
pub mod lazy_tensor;
pub mod matrix_memory;
pub mod metadata;
pub mod model;
pub mod names;
pub mod parallel;
pub mod progress;
pub mod projection;
pub mod quant;
pub mod rows;
pub mod segment;
mod simd;
pub mod sketch;
pub mod source;
mod splitmix;
pub mod svd;
pub mod weight_counts;
pub mod weight_range;
pub mod weight_stream;
pub mod weights;
