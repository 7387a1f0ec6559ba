//! ONNX: a `ModelProto`, with the tensors' bytes in it or in files beside it. Nothing of it is run.
//! Source: onnx.proto, and ONNX's document "External Data".

mod attributes;
mod graph;
mod tensor;

use crate::formats::containers::protobuf::sniff::{Head, Sniffed, sniff_protobuf};
use crate::formats::error::{ParseError, malformed, missing};
use crate::formats::files::{FileSet, FirstFile, Siblings};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::metadata_builder::push_unlisted;
use crate::formats::support::overlaps::resolve_overlaps;
use crate::metadata::Detail;
use crate::model::{Format, Model, Tensor};
use std::collections::{BTreeSet, HashMap};
use tensor::External;

/// Fields of a `ModelProto` that hold bytes; 1 and 5 are numbers.
const BYTES_FIELDS: &[u32] = &[2, 3, 4, 6, 7, 8, 14, 20, 25, 26];
const GRAPH_FIELD: u32 = 7;

/// The reader of ONNX.
pub(super) struct Onnx;

impl FormatReader for Onnx {
    fn format(&self) -> Format {
        Format::Onnx
    }

    /// A model begins with its version, a number in field 1 that is left out when it is 0, and has a graph in
    /// field 7.
    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        let found = sniff_protobuf(content.source, |_, Head { number, is_bytes, is_first, .. }| {
            Ok(match (number, is_bytes) {
                (1, false) | (2, true) => Sniffed::Unknown,
                _ if is_first => Sniffed::Other,
                (GRAPH_FIELD, true) => Sniffed::Found(()),
                (5, false) => Sniffed::Unknown,
                (number, true) if BYTES_FIELDS.contains(&number) => Sniffed::Unknown,
                _ => Sniffed::Other,
            })
        });
        Ok(found?.is_some())
    }

    /// The files of external data.
    fn siblings(&self, file: &FirstFile) -> Result<Siblings, ParseError> {
        let content = graph::read_model(file.source())?;
        let named = content.elsewhere.iter().map(|(tensor, external)| (&tensor.name, external));
        let named = named.chain(content.beside.iter().map(|(name, external)| (name, external)));
        let paths = named.map(|(name, external)| {
            let path = path_beneath(name, &external.location)?;
            if path == file.name() {
                return Err(in_the_model_itself(name, &path));
            }
            Ok(path)
        });
        let paths: BTreeSet<String> = paths.collect::<Result<_, _>>()?;
        Ok(Siblings::Beneath(paths.into_iter().collect()))
    }

    fn shards(&self, _files: &FileSet) -> Vec<usize> {
        vec![0]
    }

    fn parse(&self, files: &FileSet, _detail: Detail) -> Result<Model, ParseError> {
        let content = graph::read_model(files.source(0))?;
        let mut tensors = content.here;
        let by_name: HashMap<&str, usize> =
            files.data_files().into_iter().rev().filter_map(|no| Some((files.given_name(no)?, no))).collect();
        for (tensor, external) in content.elsewhere {
            tensors.push(place(tensor, &external, files, &by_name)?);
        }
        resolve_overlaps(&mut tensors, files.total_bytes(), 0)?;
        let mut metadata = content.metadata.finish();
        push_unlisted(&mut metadata, content.unlisted);
        Ok(Model::new(Format::Onnx, metadata, tensors))
    }
}

fn in_the_model_itself(name: &str, path: &str) -> ParseError {
    malformed!("tensor \"{name}\" has its external data in \"{path}\", which is the model itself")
}

/// Finds the bytes of a tensor in the file that holds them.
fn place(
    mut tensor: Tensor,
    external: &External,
    files: &FileSet,
    by_name: &HashMap<&str, usize>,
) -> Result<Tensor, ParseError> {
    let path = path_beneath(&tensor.name, &external.location)?;
    let file_no = by_name.get(&*path).copied().ok_or_else(|| missing(&tensor.name, &path))?;
    if file_no == 0 {
        return Err(in_the_model_itself(&tensor.name, &path));
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
fn path_beneath(name: &str, location: &str) -> Result<String, ParseError> {
    let parts: Vec<&str> = location.split('/').filter(|part| *part != ".").collect();
    let plain = |part: &&str| !part.is_empty() && *part != ".." && !part.contains(['\\', '\0']);
    if parts.is_empty() || !parts.iter().all(plain) {
        return Err(malformed!(
            "tensor \"{name}\" has its external data in \"{location}\", which is not a path beneath the model's folder"
        ));
    }
    Ok(parts.join("/"))
}
