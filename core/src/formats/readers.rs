//! The table of formats, and what is asked of a file through it: what it is, what belongs to it, what it holds.

use super::checksum::Checksum;
use super::containers::zip;
use super::error::{ParseError, malformed, unsupported};
use super::files::{self, FileSet};
use super::reader::{Content, FormatReader};
use super::{gguf, keras, numpy, onnx, safetensors, tensorflow, torch};
use crate::layers;
use crate::metadata::Detail;
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use std::collections::HashSet;
use std::path::Path;

/// The readers, in the order in which they are asked what a file is: those with a magic first. Of archives,
/// torch comes before the others that its own may be mistaken for, and Keras, whose assets may be arrays of
/// NumPy's, before NumPy.
static READERS: &[&dyn FormatReader] = &[
    &gguf::Gguf,
    &torch::Torch,
    &keras::Keras,
    &numpy::Numpy,
    &safetensors::SafeTensors,
    &onnx::Onnx,
    &tensorflow::TensorFlow,
];

/// The reader of a file, from its content alone.
pub(super) fn reader_of(source: &dyn Source) -> Result<&'static dyn FormatReader, ParseError> {
    let content = Content::read(source)?;
    if content.head.is_empty() {
        return Err(unsupported!("the content is of no known model format: it is empty"));
    }
    if content.head.starts_with(zip::MAGIC) {
        return reader_of_archive(&zip::names(source)?);
    }
    if let Some(reader) = sniff(&content)? {
        return Ok(reader);
    }
    for &reader in READERS {
        if reader.sniff_last(&content)? {
            return Ok(reader);
        }
    }
    Err(unsupported!(
        "the content is of no known model format: it starts with bytes {} (known: {})",
        content.head.iter().take(9).map(|byte| format!("{byte:02x}")).collect::<String>(),
        Format::ALL.map(Format::name).join(", ")
    ))
}

fn sniff(content: &Content) -> Result<Option<&'static dyn FormatReader>, ParseError> {
    for &reader in READERS {
        if reader.sniff(content)? {
            return Ok(Some(reader));
        }
    }
    Ok(None)
}

/// The reader of a ZIP archive, by the names of its entries.
fn reader_of_archive(entries: &[String]) -> Result<&'static dyn FormatReader, ParseError> {
    READERS.iter().copied().find(|reader| reader.sniff_archive(entries)).ok_or_else(|| {
        let names: Vec<&str> = entries.iter().take(3).map(String::as_str).collect();
        unsupported!(
            "the content is a ZIP archive of no known model format: its {} entries start with \"{}\"",
            entries.len(),
            names.join("\", \"")
        )
    })
}

/// The reader of a model, from the content of its first file with tensors.
fn reader_of_files(files: &FileSet) -> Result<&'static dyn FormatReader, ParseError> {
    let data_files = files.data_files();
    let first = *data_files.first().ok_or_else(|| malformed!("a model needs at least one file"))?;
    reader_of(files.source(first)).map_err(|error| error.in_file(files.given_name(first)))
}

/// The format of a file, from its content alone.
///
/// # Errors
/// [`ParseErrorKind::Unsupported`] when the content is of no format we read.
pub fn detect(source: &dyn Source) -> Result<Format, ParseError> {
    Ok(reader_of(source)?.format())
}

/// The format of a model, from the content of its first file with tensors.
///
/// # Errors
/// As [`detect`].
pub fn detect_files(files: &FileSet) -> Result<Format, ParseError> {
    Ok(reader_of_files(files)?.format())
}

/// The numbers of the files of a model that are of its format themselves. Where no format is known, all
/// of them may be.
pub fn shards(files: &FileSet) -> Vec<usize> {
    reader_of_files(files).map_or_else(|_| files.data_files(), |reader| reader.shards(files))
}

/// Opens a file with all that belong to it.
pub(super) fn open_file(path: &Path) -> Result<FileSet<'static>, ParseError> {
    if let Some(files) = files::open_shard_index(path)? {
        return Ok(files);
    }
    let located = READERS.iter().find_map(|reader| reader.locate(path));
    let file = files::FirstFile::open(path, located)?;
    // No archive has siblings, and whoever parses the file says what is wrong with it.
    let reader = match sniff(&Content::read(file.source())?) {
        Err(error) if error.is_source() => return Err(error),
        reader => reader.unwrap_or(None),
    };
    let Some(reader) = reader else { return Ok(file.alone()) };
    let siblings = reader.siblings(&file);
    let siblings = siblings.map_err(|error| error.in_file(Some(file.name())).in_format(reader.format()))?;
    file.with(siblings)
}

/// Parses the headers of all files of a model. Several files are shards of one model; an index of
/// sharded safetensors or PyTorch files (`*.index.json`) stands first.
///
/// # Errors
/// [`ParseError`]; also when `expected` names another format than the content's.
pub fn parse(files: &FileSet, expected: Option<Format>, detail: Detail) -> Result<Model, ParseError> {
    let reader = reader_of_files(files)?;
    let format = reader.format();
    if let Some(expected) = expected.filter(|expected| *expected != format) {
        return Err(malformed!(
            "the format was given as {}, but the content is {}",
            expected.name(),
            format.name()
        ));
    }
    if let Some(index) = files.shard_index().filter(|_| !reader.has_shard_index()) {
        let error = malformed!("an index of shards names files of this format, which has none");
        return Err(error.in_file(files.given_name(index)).in_format(format));
    }
    let parse = || {
        let mut model = reader.parse(files, detail)?;
        layers::describe(&mut model);
        model.tensors.sort_by_key(|tensor| (tensor.file_no, tensor.offset, tensor.byte_length));
        check_tensors(files, &model.tensors)?;
        Ok(model)
    };
    let first = files.data_files().first().and_then(|first| files.given_name(*first));
    parse().map_err(|error: ParseError| error.in_file(first).in_format(format))
}

/// The checksums of weights that a model's files hold beside them: to be compared by whoever reads all
/// weights. Opening does not.
///
/// # Errors
/// [`ParseError`], as [`parse`].
pub fn checksums(files: &FileSet) -> Result<Vec<Checksum>, ParseError> {
    let reader = reader_of_files(files)?;
    reader.checksums(files).map_err(|error| error.in_format(reader.format()))
}

/// Refuses tensors that share a name or, within one file, bytes.
fn check_tensors(files: &FileSet, tensors: &[Tensor]) -> Result<(), ParseError> {
    let mut names = HashSet::with_capacity(tensors.len());
    for tensor in tensors {
        if !names.insert(tensor.name.as_str()) {
            let error = malformed!("tensor \"{}\" is listed twice", tensor.name);
            return Err(error.in_file(files.given_name(tensor.file_no)));
        }
    }
    // Tensors without bytes lie anywhere: they must not stand between two that overlap.
    let mut last: Option<&Tensor> = None;
    let in_file = |tensor: &&Tensor| tensor.byte_length > 0 && tensor.lazy.is_none();
    for tensor in tensors.iter().filter(in_file) {
        if let Some(last) = last.filter(|last| last.file_no == tensor.file_no) {
            let end = last.offset + last.byte_length;
            if end > tensor.offset {
                let error = malformed!(
                    "tensor \"{}\" starts at byte {}, inside tensor \"{}\" which ends at byte {end}",
                    tensor.name,
                    tensor.offset,
                    last.name
                );
                return Err(error.in_file(files.given_name(tensor.file_no)));
            }
        }
        last = Some(tensor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_reader() {
        for format in Format::ALL {
            assert!(READERS.iter().any(|reader| reader.format() == format), "{}", format.name());
        }
    }
}
