//! PyTorch: state dicts, checkpoints and TorchScript in ZIP archives, and the files from before torch
//! 1.6, a row of pickles with the storages behind them. The pickle says what tensors there are; the
//! storages are never read.
//! Source: `torch/serialization.py` (`_save`, `_legacy_save`, `_load`, `_legacy_load`) and
//! `caffe2/serialize/inline_container.h`.

mod arrays;
mod keys;
pub(super) mod legacy;
pub(super) mod names;
mod parsed;
mod rebuild;
mod walk;

use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::formats::checksum::{Checksum, Stored};
use crate::formats::containers::pickle::{self, Pickle};
use crate::formats::containers::zip::{self, Entry, Method};
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::files::{FileSet, check_shard_index};
use crate::formats::limits::{check_tensor_count, weight_count};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::safety::policy::{Verdict, classify};
use crate::formats::support::cast::Cast;
use crate::formats::support::header_reader::HeaderReader;
use crate::formats::support::lazy::{Buffered, ByteSwapped, Negated, Strided, SubRange};
use crate::formats::support::metadata_builder::push_unlisted;
use crate::formats::support::overlaps::share_overlaps;
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Detail, Metadata, Value as Meta, WARNINGS, push_texts};
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use parsed::{Base, Parsed, Place, Places, show_values};
use rebuild::{Data, View};
use std::collections::HashMap;
use std::sync::Arc;
use walk::Found;

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
/// Records of archives up to this size are compared with their checksums on opening; those of larger ones when
/// all of it is read.
const MAX_CHECKED: u64 = 1 << 20;
/// How much longer than their storages all tensors of a file may be together. Shared weights that
/// each layer names are the largest known case (24 times); a view repeats an element for ever.
const MAX_SHARING: u64 = 64;
/// What tensors may take in any case: broadcast masks of small files.
const MAX_SHARED_BYTES: u64 = 64 << 20;
/// The reader of torch's files.
pub(super) struct Torch;

impl FormatReader for Torch {
    fn format(&self) -> Format {
        Format::PyTorch
    }

    fn sniff(&self, _content: &Content) -> Result<bool, ParseError> {
        Ok(false)
    }

    fn sniff_archive(&self, entries: &[String]) -> bool {
        entries.iter().any(|name| folder(name).is_some())
    }

    /// Pickles have no magic: a safetensors header of 640 bytes starts like one.
    fn sniff_last(&self, content: &Content) -> Result<bool, ParseError> {
        if matches!(content.head[..], [0x80, 2..=5, ..]) || legacy::is_legacy(content.source)? {
            return Ok(true);
        }
        if is_tar(content.source)? {
            return Err(unsupported!(
                "the content is a tar archive: torch wrote its checkpoints so before 2017; load it with torch and save it again"
            ));
        }
        Ok(false)
    }

    fn has_shard_index(&self) -> bool {
        true
    }

    fn parse(&self, files: &FileSet, _detail: Detail) -> Result<Model, ParseError> {
        parse(files)
    }

    /// Those of archives whose records were not compared on opening.
    fn checksums(&self, files: &FileSet) -> Result<Vec<Checksum>, ParseError> {
        let mut found = Vec::new();
        for file_no in files.data_files() {
            let source = files.source(file_no);
            if source.len() <= MAX_CHECKED || !zip::is_archive(source)? {
                continue;
            }
            let entries =
                zip::unchecked_entries(source).map_err(|error| error.in_file(files.given_name(file_no)))?;
            found.extend(entries.into_iter().filter(is_checked).map(|entry| Checksum {
                bytes: entry.unchecked_recipe(),
                length: entry.length,
                stored: Stored::Crc32(entry.crc32),
                name: entry.name,
                file_no,
            }));
        }
        Ok(found)
    }
}

/// True for a tar archive, by the magic of its first header.
fn is_tar(source: &dyn Source) -> Result<bool, ParseError> {
    let mut magic = [0; 5];
    if source.len() < 512 {
        return Ok(false);
    }
    source.read_at(257, &mut magic)?;
    Ok(&magic == b"ustar")
}

/// Parses a single file, or the shards that `pytorch_model.bin.index.json` names.
fn parse(files: &FileSet) -> Result<Model, ParseError> {
    let (mut metadata, mut tensors, mut unlisted) = (Metadata::new(), Vec::new(), Vec::new());
    let mut warnings = Vec::new();
    let data_files = files.data_files();
    for &file_no in &data_files {
        let parsed = parse_file(files.source(file_no), file_no, &mut tensors)
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
        unlisted.extend(parsed.found.unlisted);
        warnings.extend(parsed.warnings);
        if file_no == data_files[0] {
            metadata = parsed.metadata;
        }
    }
    check_shard_index(files, &tensors)?;
    push_unlisted(&mut metadata, unlisted);
    push_texts(&mut metadata, WARNINGS, warnings.into_iter());
    share_overlaps(&mut tensors);
    Ok(Model::new(Format::PyTorch, metadata, tensors))
}

/// Adds the tensors of one file; gives what else it says.
fn parse_file(source: &dyn Source, file_no: usize, tensors: &mut Vec<Tensor>) -> Result<Parsed, ParseError> {
    let mut parsed = match zip::is_archive(source)? {
        true => parse_archive(source)?,
        false => legacy::parse(source)?,
    };
    let first = tensors.len();
    for (name, view) in std::mem::take(&mut parsed.found.tensors) {
        let place = match &view.data {
            _ if view.shape.contains(&0) => None,
            Data::Storage(key) => parsed.places.find(&name, key)?.cloned(),
            Data::Array { content, length, big_endian, pickle } => {
                Some(parsed.places.of_array(*content, *length, *big_endian, *pickle, &parsed.pickles))
            }
        };
        tensors.push(tensor(name, view, place.as_ref(), file_no, source.len())?);
    }
    check_sharing(&tensors[first..], parsed.places.total)?;
    check_tensor_count(tensors.len() as u64)?;
    if tensors.len() == first && parsed.found.unlisted.is_empty() {
        return Err(no_tensors(&parsed.pickles));
    }
    Ok(parsed)
}

/// The folder of an archive's pickle, with its slash, if an entry of this name is one: it lies at the
/// top or in a folder there.
fn folder(name: &str) -> Option<&str> {
    let folder = name.strip_suffix(PICKLE)?;
    (folder.is_empty() || folder.find('/') == Some(folder.len() - 1)).then_some(folder)
}

fn parse_archive(source: &dyn Source) -> Result<Parsed, ParseError> {
    let entries = zip::unchecked_entries(source)?;
    let mut folders = entries.iter().filter_map(|entry| folder(&entry.name));
    let folder = folders.next().ok_or_else(|| malformed!("the archive has no {PICKLE}"))?;
    if let Some(other) = folders.next() {
        return Err(malformed!("the archive has two models: \"{folder}{PICKLE}\" and \"{other}{PICKLE}\""));
    }
    let within = |name: &str| entries.iter().find(|entry| entry.name.strip_prefix(folder) == Some(name));
    let mut warnings = Vec::new();
    if source.len() <= MAX_CHECKED {
        for entry in entries.iter().filter(|entry| is_checked(entry)) {
            warnings.extend(entry.damage(source)?);
        }
    }
    let order = within(BYTE_ORDER).map(|entry| entry.read_unchecked(source, 16)).transpose()?;
    let big_endian = match order.as_deref() {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(other) => {
            return Err(malformed!("the archive's byte order is \"{}\"", String::from_utf8_lossy(other)));
        }
    };
    let mut by_key = HashMap::new();
    for entry in &entries {
        if let Some(path) = entry.name.strip_prefix(folder) {
            let inflated = (entry.method == Method::Deflated).then(|| entry.unchecked_recipe());
            let place = Place { offset: entry.data_offset, length: entry.length, inflated, big_endian };
            by_key.insert(path.to_owned(), place);
        }
    }
    let main = within(PICKLE).expect("the folder is that of the pickle");
    let (mut pickles, mut bases) = (vec![read_pickle(source, main)?], vec![Base::of_entry(main)]);
    let mut metadata = vec![("pytorch.container".to_owned(), Meta::Text("zip".into()))];
    let mut found = Found::default();
    found.add(&pickles[0], "")?;
    found.lie_in("data/", 0, 0);
    show_values(&mut metadata, &pickles[0]);
    if let Some(entry) = within(CONSTANTS) {
        metadata[0].1 = Meta::Text("torchscript".into());
        let (constants, data) = (read_pickle(source, entry)?, found.tensors.len());
        found.add(&constants, "constants")?;
        pickles.push(constants);
        bases.push(Base::of_entry(entry));
        found.lie_in("constants/", 1, data);
    }
    Ok(Parsed { found, places: Places::new(by_key, bases), metadata, pickles, warnings })
}

fn read_pickle(source: &dyn Source, entry: &Entry) -> Result<Pickle, ParseError> {
    if entry.method == Method::Deflated && entry.length > MAX_INFLATED_PICKLE {
        return Err(too_large!(
            "entry \"{}\" expands to {} bytes (at most {MAX_INFLATED_PICKLE})",
            entry.name,
            entry.length
        ));
    }
    // A pickle that is not what was written could be anything: unlike a storage, it is refused.
    if is_checked(entry)
        && let Some(damage) = entry.damage(source)?
    {
        return Err(malformed!("{damage}"));
    }
    let recipe = entry.unchecked_recipe();
    pickle::read_next(&mut HeaderReader::new(&*recipe.open(source)?))
}

/// torch writes 0 where it was told to compute no checksum, and never compares one.
fn is_checked(entry: &Entry) -> bool {
    entry.crc32 != 0
}

/// A file without a tensor is not a model; the worst that it would import says what it may be instead.
fn no_tensors(pickles: &[Pickle]) -> ParseError {
    let globals = pickles.iter().flat_map(Pickle::globals);
    let dangerous =
        globals.map(|(global, _)| global).find(|g| classify(&g.module, &g.name).0 == Verdict::Dangerous);
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
    let View { data, dtype, cast, first, shape, strides, affine, sign } = view;
    let weight_count = weight_count(&name, &shape)?;
    let too_long = || malformed!("tensor \"{name}\" of shape {shape:?} has 2^64 bytes or more");
    let byte_length = dtype.byte_length(weight_count).ok_or_else(too_long)?;
    let (offset, lazy) = match place {
        None => (0, None),
        Some(place) => {
            let width = dtype.info().block_bytes as usize;
            let of: Arc<dyn LazyTensor> = match &place.inflated {
                Some(inflated) => inflated.clone(),
                None => Arc::new(ByteRange::new(place.offset, place.length)),
            };
            let strided = Strided::new(of.clone(), place.length, width, first, &shape, &strides).ok_or_else(|| {
                let of = match &data {
                    Data::Storage(key) => format!("storage \"{key}\""),
                    Data::Array { .. } => "its array".into(),
                };
                malformed!(
                    "tensor \"{name}\" of shape {shape:?}, strides {strides:?} and type {} from element {first} on \
                     reaches outside of {of}, which has {} bytes",
                    dtype.name(),
                    place.length
                )
            })?;
            // Within the storage's length, as the view is.
            let start = first * width as u64;
            let contiguous = is_contiguous(&shape, &strides);
            let mut lazy: Option<Arc<dyn LazyTensor>> = match &place.inflated {
                None if contiguous => None,
                None => Some(Arc::new(strided)),
                Some(_) if contiguous && byte_length == place.length => Some(of),
                Some(_) if contiguous => {
                    Some(Arc::new(SubRange { of, range: ByteRange::new(start, byte_length) }))
                }
                Some(_) => {
                    let max = file_length.saturating_add(byte_length).min(MAX_HELD_STORAGE);
                    if place.length > max {
                        return Err(unsupported!(
                            "tensor \"{name}\" is not contiguous and its storage of {} bytes is compressed (at most {max})",
                            place.length
                        ));
                    }
                    let held = Arc::new(Buffered { of });
                    Strided::new(held, place.length, width, first, &shape, &strides)
                        .map(|view| Arc::new(view) as Arc<dyn LazyTensor>)
                }
            };
            let part_width = match dtype {
                Dtype::C64 | Dtype::C128 => width / 2,
                _ => width,
            };
            let plain = ByteRange::new(place.offset + start, byte_length);
            if place.big_endian && part_width > 1 {
                let of = lazy.unwrap_or_else(|| Arc::new(plain));
                lazy = Some(Arc::new(ByteSwapped { of, element_bytes: part_width }));
            }
            if let Some(sign) = sign {
                let of = lazy.unwrap_or_else(|| Arc::new(plain));
                lazy = Some(Arc::new(Negated { of, element_bytes: width, sign }));
            }
            if let Some(to) = cast {
                let of = lazy.unwrap_or_else(|| Arc::new(plain));
                let cast = Cast::new(of, dtype, to);
                lazy = Some(Arc::new(cast.expect("types that are known, as the pickle's reader looked")));
            }
            (if lazy.is_none() { place.offset + start } else { place.offset }, lazy)
        }
    };
    let dtype = cast.unwrap_or(dtype);
    let byte_length = dtype.byte_length(weight_count).ok_or_else(too_long)?;
    Ok(Tensor { name, shape, dtype, file_no, offset, byte_length, weight_count, lazy, affine })
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
    let max = stored.saturating_mul(MAX_SHARING).saturating_add(MAX_SHARED_BYTES);
    let total = tensors.iter().fold(0u64, |total, tensor| total.saturating_add(tensor.byte_length));
    if total > max {
        return Err(too_large!(
            "the tensors have {total} bytes together, but their storages have {stored} (at most {MAX_SHARING} times as much)"
        ));
    }
    Ok(())
}
