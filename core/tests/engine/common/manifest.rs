//! Manifests: what an official reader makes of a file, a line "name TAB shape TAB dtype TAB sha256"
//! for each tensor.

use atomizer_core::hash::sha256;
use atomizer_core::model::{Model, Tensor};
use atomizer_core::source::{Source, SourceError};
use std::fmt::Write;

/// A tensor's bytes, read from front to back in pieces of this size.
pub fn bytes(tensor: &Tensor, file: &dyn Source, piece: usize) -> Result<Vec<u8>, SourceError> {
    let source = tensor.open(file)?;
    assert_eq!(source.len(), tensor.byte_length, "{}", tensor.name);
    let mut out = Vec::new();
    while (out.len() as u64) < source.len() {
        let offset = out.len();
        let n = (source.len() - offset as u64).min(piece as u64) as usize;
        out.resize(offset + n, 0);
        source.read_at(offset as u64, &mut out[offset..])?;
    }
    Ok(out)
}

/// The lines of a model, in the order of names.
pub fn lines(model: &Model, file: &dyn Source) -> Result<Vec<String>, SourceError> {
    let mut lines = Vec::new();
    for tensor in &model.tensors {
        let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        let mut line = format!("{}\t{}\t{}\t", tensor.name, shape.join(","), tensor.dtype.name());
        for byte in sha256(&bytes(tensor, file, 100_000)?) {
            write!(line, "{byte:02x}").unwrap();
        }
        lines.push(line);
    }
    lines.sort();
    Ok(lines)
}

/// Asserts that a model is what its manifest says.
#[track_caller]
pub fn assert_equal(model: &Model, file: &dyn Source, manifest: &str, what: &str) {
    let mut expected: Vec<&str> = manifest.lines().collect();
    expected.sort_unstable();
    let found = lines(model, file).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}
