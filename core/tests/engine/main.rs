//! The tests of the engine as one program: what is built and linked once also starts once, and the
//! tests of all modules share the processors.
//!
//! A test that needs a process of its own is another file of `tests/`, and says why.

mod common;

mod damage;
mod decode;
mod decode_quant;
mod detection;
mod examples;
mod folder;
mod gguf;
mod graph_manifests;
mod hdf5;
mod hdf5_manifests;
mod hostile;
mod limits;
mod manifests;
mod numpy;
mod onnx;
mod opening_cost;
mod pickle;
mod quantize;
mod safetensors;
mod safety;
mod shards;
mod svd;
mod svd_lora;
mod tensorflow;
mod torch;
mod zip;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file or folder of `testdata/`.
fn testdata(path: &str) -> PathBuf {
    root().join("testdata").join(path)
}

/// Counts what each thread allocates, for the tests that bound it.
#[global_allocator]
static ALLOCATOR: common::peak::Counting = common::peak::Counting;
