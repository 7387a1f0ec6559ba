//! PyTorch: state dicts, checkpoints and TorchScript in ZIP archives, and the files from before torch
//! 1.6, a row of pickles with the storages behind them. The pickle says what tensors there are; the
//! storages are never read.
//! Source: `torch/serialization.py` (`_save`, `_legacy_save`, `_load`, `_legacy_load`) and
//! `caffe2/serialize/inline_container.h`.

mod legacy;
mod rebuild;
mod walk;

use super::derived::{ByteSwapped, Held, Part, Range, Strided, share_overlaps};
use super::header::HeaderReader;
use super::pickle::verdict::{Verdict, judge};
use super::pickle::{Object, Pickle, Value};
use super::shards::check_index;
use super::zip::{self, Entry, Method};
use super::{
    FileSet, ParseError, check_tensor_count, malformed, push_unlisted, too_large, unsupported, weight_count,
};
use crate::dtype::Dtype;
use crate::metadata::{Metadata, Value as Meta};
use crate::model::{Derived, Format, Model, Tensor, UNKNOWN_ARCHITECTURE};
use crate::source::Source;
use rebuild::View;
use std::collections::HashMap;
use std::sync::Arc;
use walk::Found;

pub use legacy::{LEGACY_PICKLES, is_legacy};
pub use rebuild::{is_dtype_name, is_storage_kind};

/// The archive's pickle, within its folder.
const PICKLE: &str = "data.pkl";
/// Constants of TorchScript, a tuple of tensors.
const CONSTANTS: &str = "constants.pkl";
/// The archive's byte order, as text.
const BYTE_ORDER: &str = "byteorder";
/// Largest compressed pickle, expanded: as the cap on a safetensors header, because a small file can
/// expand to much. One that is stored is as large as its file.
const MAX_INFLATED_PICKLE: u64 = 100_000_000;
/// Largest compressed storage that is held in memory for a tensor that is not contiguous.
const MAX_HELD_STORAGE: u64 = 256 << 20;
/// How much longer than their storages all tensors of a file may be together. Shared weights that
/// each layer names are the largest known case (24 times); a view repeats an element for ever.
const MAX_SHARING: u64 = 64;
/// What tensors may take in any case: broadcast masks of small files.
const MAX_SHARED_BYTES: u64 = 64 << 20;
/// Most values of the top dictionary that are shown as metadata, and their longest text.
const MAX_SHOWN: usize = 1000;
const MAX_SHOWN_TEXT: usize = 1000;

/// True for an archive of torch, by the names of its entries.
pub fn is_torch(entries: &[String]) -> bool {
    entries.iter().any(|name| folder(name).is_some())
}

/// Parses the files of one model: a single file, or the shards that `pytorch_model.bin.index.json`
/// names.
///
/// # Errors
/// [`ParseError`] for what torch would not load either, and for shards that contradict the index.
pub fn parse(files: &FileSet, data_files: &[usize]) -> Result<Model, ParseError> {
    let (mut metadata, mut tensors, mut unlisted) = (Metadata::new(), Vec::new(), Vec::new());
    for &file_no in data_files {
        let source = files.source(file_no);
        let parsed = match zip::is_archive(source)? {
            true => parse_archive(source)?,
            false => legacy::parse(source)?,
        };
        let first = tensors.len();
        for (name, view) in parsed.found.tensors {
            let place = if view.shape.contains(&0) { None } else { parsed.places.find(&name, &view.key)? };
            tensors.push(tensor(name, view, place, file_no, source.len())?);
        }
        check_sharing(&tensors[first..], parsed.places.total)?;
        check_tensor_count(tensors.len() as u64)?;
        if file_no == data_files[0] {
            metadata = parsed.metadata;
        }
        unlisted.extend(parsed.found.unlisted);
        if tensors.len() == first && unlisted.is_empty() {
            return Err(no_tensors(&parsed.pickles));
        }
    }
    if let Some(index) = files.index() {
        check_index(index, files, &tensors)?;
    }
    push_unlisted(&mut metadata, unlisted);
    share_overlaps(&mut tensors);
    Ok(Model { format: Format::PyTorch, architecture: UNKNOWN_ARCHITECTURE.into(), metadata, tensors })
}

/// What a file's pickles say.
struct Parsed {
    found: Found,
    places: Places,
    metadata: Metadata,
    pickles: Vec<Pickle>,
}

/// Where one storage's bytes are.
#[derive(Debug, Clone)]
struct Place {
    /// First byte within the file, of what is stored.
    offset: u64,
    length: u64,
    /// None where the bytes stand in the file as they are.
    inflated: Option<Arc<dyn Derived>>,
    big_endian: bool,
}

/// Where the storages of a file are.
struct Places {
    by_key: HashMap<String, Place>,
    /// Bytes of all of them, and of whatever else the archive holds.
    total: u64,
}

impl Places {
    fn new(by_key: HashMap<String, Place>) -> Self {
        let total = by_key.values().fold(0u64, |total, place| total.saturating_add(place.length));
        Self { by_key, total }
    }

    fn find(&self, tensor: &str, key: &str) -> Result<Option<&Place>, ParseError> {
        let place = self.by_key.get(key);
        place
            .map(Some)
            .ok_or_else(|| malformed!("tensor \"{tensor}\" is in storage \"{key}\", which the file lacks"))
    }
}

/// The folder of an archive's pickle, with its slash, if an entry of this name is one: it lies at the
/// top or in a folder there.
fn folder(name: &str) -> Option<&str> {
    let folder = name.strip_suffix(PICKLE)?;
    (folder.is_empty() || folder.find('/') == Some(folder.len() - 1)).then_some(folder)
}

fn parse_archive(source: &dyn Source) -> Result<Parsed, ParseError> {
    let entries = zip::entries(source)?;
    let mut folders = entries.iter().filter_map(|entry| folder(&entry.name));
    let folder = folders.next().ok_or_else(|| malformed!("the archive has no {PICKLE}"))?;
    if let Some(other) = folders.next() {
        return Err(malformed!("the archive has two models: \"{folder}{PICKLE}\" and \"{other}{PICKLE}\""));
    }
    let within = |name: &str| entries.iter().find(|entry| entry.name.strip_prefix(folder) == Some(name));
    let big_endian = match within(BYTE_ORDER).map(|entry| entry.read(source, 16)).transpose()?.as_deref() {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(other) => {
            return Err(malformed!("the archive's byte order is \"{}\"", String::from_utf8_lossy(other)));
        }
    };
    let mut by_key = HashMap::new();
    for entry in &entries {
        if let Some(path) = entry.name.strip_prefix(folder) {
            let inflated = (entry.method == Method::Deflated).then(|| entry.recipe());
            let place = Place { offset: entry.data_offset, length: entry.length, inflated, big_endian };
            by_key.insert(path.to_owned(), place);
        }
    }
    let mut pickles = vec![read_pickle(source, within(PICKLE).expect("the folder is that of the pickle"))?];
    let mut metadata = vec![("pytorch.container".to_owned(), Meta::Text("zip".into()))];
    let mut found = Found::default();
    found.add(&pickles[0], "")?;
    found.storages_in("data/", 0);
    show_values(&mut metadata, &pickles[0]);
    if let Some(entry) = within(CONSTANTS) {
        metadata[0].1 = Meta::Text("torchscript".into());
        let (constants, data) = (read_pickle(source, entry)?, found.tensors.len());
        found.add(&constants, "constants")?;
        pickles.push(constants);
        found.storages_in("constants/", data);
    }
    Ok(Parsed { found, places: Places::new(by_key), metadata, pickles })
}

fn read_pickle(source: &dyn Source, entry: &Entry) -> Result<Pickle, ParseError> {
    if entry.method == Method::Deflated && entry.length > MAX_INFLATED_PICKLE {
        return Err(too_large!(
            "entry \"{}\" expands to {} bytes (at most {MAX_INFLATED_PICKLE})",
            entry.name,
            entry.length
        ));
    }
    entry.verify(source)?;
    Pickle::read(&mut HeaderReader::new(&*entry.open(source)?))
}

/// Numbers and texts of the top dictionary: epoch, step, hyper-parameters.
fn show_values(metadata: &mut Metadata, pickle: &Pickle) {
    let pairs = match pickle.object(pickle.root()) {
        Some(Object::Dict(pairs)) => pairs,
        _ => return,
    };
    let mut shown: HashMap<&str, usize> = HashMap::new();
    for (key, value) in pairs {
        let Some(key) = pickle.text(*key).filter(|key| key.len() <= MAX_SHOWN_TEXT) else {
            continue;
        };
        let value = match value {
            Value::Bool(value) => Meta::Bool(*value),
            Value::Int(value) => Meta::Int(*value),
            Value::Float(value) => Meta::F64(*value),
            value => match pickle.text(*value).filter(|text| text.len() <= MAX_SHOWN_TEXT) {
                Some(text) => Meta::Text(text.to_owned()),
                None => continue,
            },
        };
        if let Some(&place) = shown.get(key) {
            metadata[place].1 = value;
        } else if shown.len() < MAX_SHOWN {
            shown.insert(key, metadata.len());
            metadata.push((format!("checkpoint.{key}"), value));
        }
    }
}

/// A file without a tensor is no model; the worst that it would import says what it may be instead.
fn no_tensors(pickles: &[Pickle]) -> ParseError {
    let globals = pickles.iter().flat_map(Pickle::globals);
    let dangerous =
        globals.map(|(global, _)| global).find(|g| judge(&g.module, &g.name).0 == Verdict::Dangerous);
    match dangerous {
        None => malformed!("the pickle holds no tensor"),
        Some(global) => malformed!(
            "the pickle holds no tensor, and would make Python import {}.{}",
            global.module,
            global.name
        ),
    }
}

/// The tensor that a view of a storage is; `place` is none for tensors without elements.
fn tensor(
    name: String,
    view: View,
    place: Option<&Place>,
    file_no: usize,
    file_length: u64,
) -> Result<Tensor, ParseError> {
    let View { key, dtype, first, shape, strides, affine } = view;
    let weight_count = weight_count(&name, &shape)?;
    let too_long = || malformed!("tensor \"{name}\" of shape {shape:?} has 2^64 bytes or more");
    let byte_length = dtype.byte_length(weight_count).ok_or_else(too_long)?;
    let (offset, derived) = match place {
        None => (0, None),
        Some(place) => {
            let width = dtype.info().block_bytes as usize;
            let of: Arc<dyn Derived> = match &place.inflated {
                Some(inflated) => inflated.clone(),
                None => Arc::new(Range { offset: place.offset, length: place.length }),
            };
            let strided = Strided::new(of.clone(), place.length, width, first, &shape, &strides).ok_or_else(|| {
                malformed!(
                    "tensor \"{name}\" of shape {shape:?}, strides {strides:?} and type {} from element {first} on \
                     reaches outside of storage \"{key}\", which has {} bytes",
                    dtype.name(),
                    place.length
                )
            })?;
            // Within the storage's length, as the view is.
            let start = first * width as u64;
            let contiguous = is_contiguous(&shape, &strides);
            let mut derived: Option<Arc<dyn Derived>> = match &place.inflated {
                None if contiguous => None,
                None => Some(Arc::new(strided)),
                Some(_) if contiguous && byte_length == place.length => Some(of),
                Some(_) if contiguous => Some(Arc::new(Part { of, offset: start, length: byte_length })),
                Some(_) => {
                    let most = file_length.saturating_add(byte_length).min(MAX_HELD_STORAGE);
                    if place.length > most {
                        return Err(unsupported!(
                            "tensor \"{name}\" is not contiguous and its storage of {} bytes is compressed (at most {most})",
                            place.length
                        ));
                    }
                    let held = Arc::new(Held { of });
                    Strided::new(held, place.length, width, first, &shape, &strides)
                        .map(|view| Arc::new(view) as Arc<dyn Derived>)
                }
            };
            let part_width = match dtype {
                Dtype::C64 | Dtype::C128 => width / 2,
                _ => width,
            };
            if place.big_endian && part_width > 1 {
                let plain = Range { offset: place.offset + start, length: byte_length };
                let of = derived.unwrap_or_else(|| Arc::new(plain));
                derived = Some(Arc::new(ByteSwapped { of, element_bytes: part_width }));
            }
            (if derived.is_none() { place.offset + start } else { place.offset }, derived)
        }
    };
    Ok(Tensor { name, shape, dtype, file_no, offset, byte_length, weight_count, derived, affine })
}

/// Whether elements stand in row-major order without holes. Strides of axes with one place mean nothing.
fn is_contiguous(shape: &[u64], strides: &[u64]) -> bool {
    let mut expected = 1u64;
    for (extent, stride) in shape.iter().zip(strides).rev().filter(|(extent, _)| **extent != 1) {
        if *stride != expected {
            return false;
        }
        expected = expected.saturating_mul(*extent);
    }
    true
}

/// Refuses tensors that are many times as long as all storages of their file.
fn check_sharing(tensors: &[Tensor], stored: u64) -> Result<(), ParseError> {
    let most = stored.saturating_mul(MAX_SHARING).saturating_add(MAX_SHARED_BYTES);
    let total = tensors.iter().fold(0u64, |total, tensor| total.saturating_add(tensor.byte_length));
    if total > most {
        return Err(too_large!(
            "the tensors have {total} bytes together, but their storages have {stored} (at most {MAX_SHARING} times as much)"
        ));
    }
    Ok(())
}
