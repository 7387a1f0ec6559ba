//! One file per format. Opening reads headers only, never weights.

mod companions;
pub mod derived;
pub mod gguf;
mod graphs;
mod hdf5;
mod header;
pub mod inflate;
pub mod keras;
mod notes;
pub mod numpy;
pub mod onnx;
pub mod pickle;
mod protobuf;
pub mod safetensors;
mod shards;
mod shared;
pub mod tensorflow;
pub mod torch;
pub mod zip;

use crate::layers;
use crate::metadata::{Array, Metadata, Value};
use crate::model::{Format, Model, Tensor};
use crate::source::{Source, SourceError};
use graphs::GraphFile;
use std::collections::HashSet;

pub use pickle::report::pickle_report;
pub use shards::{FileSet, open_path};
pub use tensorflow::Checksum;

/// Why a model file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The bytes contradict the format, or each other.
    #[error("{0}")]
    Malformed(String),
    /// The bytes are well formed, and this is something we do not read.
    #[error("{0}")]
    Unsupported(String),
    /// A length or a count is over its named cap.
    #[error("{0}")]
    TooLarge(String),
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Longest message. Names and values of a hostile file stand in it, and it goes into the server's log.
const MAX_MESSAGE_BYTES: usize = 1000;

/// Makes a message fit for a log and for C: short, and without zero bytes.
fn tidy(message: String) -> String {
    let mut message = message.replace('\0', "\u{2400}");
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push('…');
    }
    message
}

macro_rules! malformed {
    ($($arg:tt)*) => { $crate::formats::ParseError::Malformed($crate::formats::tidy(format!($($arg)*))) };
}
macro_rules! unsupported {
    ($($arg:tt)*) => { $crate::formats::ParseError::Unsupported($crate::formats::tidy(format!($($arg)*))) };
}
macro_rules! too_large {
    ($($arg:tt)*) => { $crate::formats::ParseError::TooLarge($crate::formats::tidy(format!($($arg)*))) };
}
pub(crate) use {malformed, too_large, unsupported};

/// True when a stored checksum is not the one of the bytes. A fuzzer could not make checksums that
/// fit, as an attacker can: for it, any will do.
fn is_damaged<T: PartialEq>(stored: T, computed: T) -> bool {
    stored != computed && !cfg!(fuzzing)
}

/// The error for a file that a model needs and that was not given with it.
fn missing(what: &str, path: &str) -> ParseError {
    ParseError::Source(SourceError::Absent(tidy(format!(
        "the bytes of \"{what}\" are in the file \"{path}\", which was not given: give the model by its path"
    ))))
}

/// How much of a header's long arrays a caller wants to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The first elements of each.
    Summary,
    /// All of them, up to [`crate::metadata::MAX_JSON_BYTES`].
    Full,
}

/// Most tensors of one model, five times what the largest have. A tensor takes ten times the memory
/// of its entry in a file, and a file may be all entries.
const MAX_TENSORS: u64 = 1 << 20;

/// More axes than any framework has; keeps a hostile shape small.
const MAX_DIMS: usize = 64;

/// Refuses more tensors than [`MAX_TENSORS`].
fn check_tensor_count(count: u64) -> Result<(), ParseError> {
    if count > MAX_TENSORS {
        return Err(too_large!("the model has {count} tensors (at most {MAX_TENSORS})"));
    }
    Ok(())
}

/// Number of weights of a shape. It and every extent must fit a bigint, also where one is zero.
fn weight_count(name: &str, shape: &[u64]) -> Result<u64, ParseError> {
    let fits = |n: u64| i64::try_from(n).is_ok();
    shape
        .iter()
        .try_fold(1u64, |product, &extent| {
            let product = product.checked_mul(extent)?;
            (fits(product) && fits(extent)).then_some(product)
        })
        .ok_or_else(|| malformed!("tensor \"{name}\" of shape {shape:?} has 2^63 weights or more"))
}

/// The format of a file, from its content alone.
///
/// # Errors
/// [`ParseError::Unsupported`] when the content is of no format we read.
pub fn detect(source: &dyn Source) -> Result<Format, ParseError> {
    let mut head = [0; 9];
    let have = source.len().min(head.len() as u64) as usize;
    source.read_at(0, &mut head[..have])?;
    if have == 0 {
        return Err(unsupported!("the content is of no known model format: it is empty"));
    }
    if head.starts_with(gguf::MAGIC) {
        return Ok(Format::Gguf);
    }
    if hdf5::is_hdf5(source, false)? {
        return Ok(Format::TensorFlow);
    }
    if zip::is_archive(source)? {
        return detect_archive(&zip::names(source)?);
    }
    if numpy::is_array(source)? {
        return Ok(Format::NumPy);
    }
    if have == head.len() && head[8] == b'{' {
        return Ok(Format::SafeTensors);
    }
    if let Some(graph) = graphs::recognise(source)? {
        return Ok(graph.format());
    }
    // A safetensors header of 640 bytes starts like a pickle, but was told above.
    if matches!(head, [0x80, 2..=5, ..]) || torch::is_legacy(source)? {
        return Ok(Format::PyTorch);
    }
    if is_tar(source)? {
        return Err(unsupported!(
            "the content is a tar archive: torch wrote its checkpoints so before 2017; load it with torch and save it again"
        ));
    }
    // Last, as anything may stand in a user block.
    if hdf5::is_hdf5(source, true)? {
        return Ok(Format::TensorFlow);
    }
    Err(unsupported!(
        "the content is of no known model format: it starts with bytes {} (known: {})",
        head[..have].iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        Format::ALL.map(Format::name).join(", ")
    ))
}

/// The format of a ZIP archive, by the names of its entries.
fn detect_archive(entries: &[String]) -> Result<Format, ParseError> {
    if torch::is_torch(entries) {
        return Ok(Format::PyTorch);
    }
    if numpy::is_numpy(entries) {
        return Ok(Format::NumPy);
    }
    if keras::is_keras(entries) {
        return Ok(Format::TensorFlow);
    }
    let names: Vec<&str> = entries.iter().take(3).map(String::as_str).collect();
    Err(unsupported!(
        "the content is a ZIP archive of no known model format: its {} entries start with \"{}\"",
        entries.len(),
        names.join("\", \"")
    ))
}

/// True for a tar archive, by the magic of its first header.
fn is_tar(source: &dyn Source) -> Result<bool, SourceError> {
    let mut magic = [0; 5];
    if source.len() < 512 {
        return Ok(false);
    }
    source.read_at(257, &mut magic)?;
    Ok(&magic == b"ustar")
}

/// Tensors of a file that cannot be listed are named in the metadata, with the reason: the first few.
fn push_unlisted(metadata: &mut Metadata, unlisted: Vec<(String, String)>) {
    const SHOWN: usize = 100;
    if unlisted.is_empty() {
        return;
    }
    let text = |(name, reason): &(String, String)| Value::Text(tidy(format!("{name}: {reason}")));
    let head = unlisted.iter().take(SHOWN).map(text).collect();
    let array = Array { element: "string", count: unlisted.len() as u64, head };
    metadata.push(("unlisted_tensors".into(), Value::Array(array)));
}

/// The format of a model, from the content of its first file with tensors.
///
/// # Errors
/// As [`detect`].
pub fn detect_files(files: &FileSet) -> Result<Format, ParseError> {
    let data_files = files.data_files();
    let first = data_files.first().ok_or_else(|| malformed!("a model needs at least one file"))?;
    detect(files.source(*first))
}

/// Parses the headers of all files of a model. Several files are shards of one model; an index of
/// sharded safetensors or PyTorch files (`*.index.json`) stands first.
///
/// # Errors
/// [`ParseError`]; also when `expected` names another format than the content's.
pub fn parse(files: &FileSet, expected: Option<Format>, detail: Detail) -> Result<Model, ParseError> {
    let data_files = files.data_files();
    let first = data_files.first().ok_or_else(|| malformed!("a model needs at least one file"))?;
    let format = detect(files.source(*first))?;
    if let Some(expected) = expected.filter(|expected| *expected != format) {
        return Err(malformed!(
            "the format was given as {}, but the content is {}",
            expected.name(),
            format.name()
        ));
    }
    let mut model = match format {
        Format::Gguf => gguf::parse(files, &data_files, detail)?,
        Format::SafeTensors => safetensors::parse(files, &data_files)?,
        Format::Onnx | Format::TensorFlow => match graphs::recognise(files.source(*first))? {
            Some(GraphFile::TensorFlow(kind)) => tensorflow::parse(files, kind)?,
            Some(GraphFile::Onnx) => onnx::parse(files)?,
            None => keras::parse(files, &data_files, detail)?,
        },
        Format::PyTorch => torch::parse(files, &data_files)?,
        Format::NumPy => numpy::parse(files, &data_files)?,
    };
    layers::describe(&mut model);
    model.tensors.sort_by_key(|tensor| (tensor.file_no, tensor.offset, tensor.byte_length));
    check_tensors(&model.tensors)?;
    Ok(model)
}

/// The checksums of weights that a model's files hold beside them: to be compared by whoever reads all
/// weights. Opening does not.
///
/// # Errors
/// [`ParseError`], as [`parse`].
pub fn checksums(files: &FileSet) -> Result<Vec<Checksum>, ParseError> {
    let first = files.data_files().first().copied();
    match first.map(|first| graphs::recognise(files.source(first))).transpose()?.flatten() {
        Some(GraphFile::TensorFlow(kind)) => tensorflow::checksums(files, kind),
        Some(GraphFile::Onnx) | None => Ok(Vec::new()),
    }
}

/// Refuses tensors that share a name or, within one file, bytes.
fn check_tensors(tensors: &[Tensor]) -> Result<(), ParseError> {
    let mut names = HashSet::with_capacity(tensors.len());
    for tensor in tensors {
        if !names.insert(tensor.name.as_str()) {
            return Err(malformed!("tensor \"{}\" is listed twice", tensor.name));
        }
    }
    // Tensors without bytes lie anywhere: they must not stand between two that overlap.
    let mut last: Option<&Tensor> = None;
    let in_file = |tensor: &&Tensor| tensor.byte_length > 0 && tensor.derived.is_none();
    for tensor in tensors.iter().filter(in_file) {
        if let Some(last) = last.filter(|last| last.file_no == tensor.file_no) {
            let end = last.offset + last.byte_length;
            if end > tensor.offset {
                return Err(malformed!(
                    "tensor \"{}\" starts at byte {}, inside tensor \"{}\" which ends at byte {end}",
                    tensor.name,
                    tensor.offset,
                    last.name
                ));
            }
        }
        last = Some(tensor);
    }
    Ok(())
}
