//! ONNX: a `ModelProto`, with the tensors' bytes in it or in files beside it. Nothing of it is run.
//! Source: onnx.proto, and ONNX's document "External Data".

mod graph;
mod tensor;

use super::{FileSet, ParseError, malformed, missing, shared};
use crate::model::{Format, Model, Tensor, UNKNOWN_ARCHITECTURE};
use crate::source::Source;
use std::collections::BTreeSet;
use tensor::External;

/// Parses a model. External data are the set's further files, by their paths.
///
/// # Errors
/// [`ParseError`] for anything the format forbids, and for external data that are not there.
pub fn parse(files: &FileSet) -> Result<Model, ParseError> {
    let content = graph::read_model(files.source(0))?;
    let mut tensors = content.here;
    for (tensor, external) in content.elsewhere {
        tensors.push(place(tensor, &external, files)?);
    }
    let bytes = (0..files.len()).fold(0u64, |sum, no| sum.saturating_add(files.source(no).len()));
    shared::settle(&mut tensors, bytes, 0)?;
    Ok(Model {
        format: Format::Onnx,
        architecture: UNKNOWN_ARCHITECTURE.into(),
        metadata: content.notes.finish(),
        tensors,
    })
}

/// The paths of all external data of a model, from its own folder.
///
/// # Errors
/// [`ParseError`], also for a path that leads out of the folder.
pub(super) fn external_files(source: &dyn Source) -> Result<BTreeSet<String>, ParseError> {
    let content = graph::read_model(source)?;
    content.elsewhere.iter().map(|(tensor, external)| path_beneath(tensor, &external.location)).collect()
}

/// Finds the bytes of a tensor in the file that holds them.
fn place(mut tensor: Tensor, external: &External, files: &FileSet) -> Result<Tensor, ParseError> {
    let path = path_beneath(&tensor, &external.location)?;
    let file_no = files.find(&path).ok_or_else(|| missing(&tensor.name, &path))?;
    if file_no == 0 {
        return Err(malformed!(
            "tensor \"{}\" has its external data in \"{path}\", which is the model itself",
            tensor.name
        ));
    }
    let length = files.source(file_no).len();
    let end = external.offset.checked_add(tensor.byte_length);
    if end.is_none_or(|end| end > length) {
        return Err(malformed!(
            "tensor \"{}\" has {} bytes at byte {} of \"{path}\", but that file has {length}",
            tensor.name,
            tensor.byte_length,
            external.offset
        ));
    }
    (tensor.file_no, tensor.offset) = (file_no, external.offset);
    Ok(tensor)
}

/// The path of external data as the names of folders and file, which must lead down only.
fn path_beneath(tensor: &Tensor, location: &str) -> Result<String, ParseError> {
    let parts: Vec<&str> = location.split('/').filter(|part| *part != ".").collect();
    let plain = |part: &&str| !part.is_empty() && *part != ".." && !part.contains(['\\', '\0']);
    if parts.is_empty() || !parts.iter().all(plain) {
        return Err(malformed!(
            "tensor \"{}\" has its external data in \"{location}\", which is no path beneath the model's folder",
            tensor.name
        ));
    }
    Ok(parts.join("/"))
}
