//! NumPy: one array (`.npy`), or a ZIP archive of them (`.npz`).
//! Source: `numpy/lib/format.py`, versions 1.0 to 3.0.

use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::formats::containers::zip::{self, Entry, Method};
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::files::FileSet;
use crate::formats::limits::{check_tensor_count, weight_count};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::lazy::{Buffered, ByteSwapped, Strided, SubRange};
use crate::formats::support::metadata_builder::push_unlisted;
use crate::formats::support::numpy_types::dtype_of;
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Detail, Metadata};
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use literal::{Literal, read_literal};
use std::collections::HashSet;
use std::sync::Arc;

mod literal;

/// What an array starts with.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The end of an array's name in an archive.
const SUFFIX: &str = ".npy";
/// Longest header. NumPy itself reads 10,000 bytes where it is not told to trust the file.
const MAX_HEADER: u64 = 64 << 10;
/// More axes than NumPy allows.
const MAX_DIMS: usize = 64;
/// Largest compressed array that is held in memory because it is in Fortran order.
const MAX_HELD_ARRAY: u64 = 256 << 20;

/// The reader of NumPy's arrays.
pub(super) struct Numpy;

impl FormatReader for Numpy {
    fn format(&self) -> Format {
        Format::NumPy
    }

    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(content.head.starts_with(MAGIC))
    }

    fn sniff_archive(&self, entries: &[String]) -> bool {
        entries.iter().any(|name| name.ends_with(SUFFIX))
    }

    fn parse(&self, files: &FileSet, _detail: Detail) -> Result<Model, ParseError> {
        parse(files)
    }
}

/// Parses archives of arrays, or single arrays.
fn parse(files: &FileSet) -> Result<Model, ParseError> {
    let (mut tensors, mut unlisted) = (Vec::new(), Vec::new());
    for file_no in files.data_files() {
        parse_file(files, file_no, &mut tensors, &mut unlisted)
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
    }
    if tensors.is_empty() && unlisted.is_empty() {
        return Err(malformed!("the archive has no array"));
    }
    let mut metadata = Metadata::new();
    push_unlisted(&mut metadata, unlisted);
    Ok(Model::new(Format::NumPy, metadata, tensors))
}

fn parse_file(
    files: &FileSet,
    file_no: usize,
    tensors: &mut Vec<Tensor>,
    unlisted: &mut Vec<(String, String)>,
) -> Result<(), ParseError> {
    let source = files.source(file_no);
    if zip::is_archive(source)? {
        let entries = zip::entries(source)?;
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for entry in &entries {
            let bare = entry.name.strip_suffix(SUFFIX).filter(|name| !name.is_empty());
            let content = entry.open(source)?;
            // NumPy leaves the suffix out where no other entry has the name then, and needs none.
            let name = match bare {
                Some(bare) if names.contains(bare) => &entry.name,
                Some(bare) => bare,
                None if starts_as_array(&*content)? => &entry.name,
                None => continue,
            };
            let header = Header::read(&*content)
                .map_err(|error| error.within(format_args!("entry \"{}\"", entry.name)))?;
            add(tensors, unlisted, name, header, Some(entry), file_no, source)?;
        }
        return Ok(());
    }
    let name = files.name(file_no);
    let name = name.strip_suffix(SUFFIX).filter(|name| !name.is_empty()).unwrap_or("array");
    add(tensors, unlisted, name, Header::read(source)?, None, file_no, source)
}

fn starts_as_array(source: &dyn Source) -> Result<bool, ParseError> {
    let mut head = [0; MAGIC.len()];
    if source.len() < head.len() as u64 {
        return Ok(false);
    }
    source.read_at(0, &mut head)?;
    Ok(head == MAGIC)
}

fn add(
    tensors: &mut Vec<Tensor>,
    unlisted: &mut Vec<(String, String)>,
    name: &str,
    header: Header,
    entry: Option<&Entry>,
    file_no: usize,
    source: &dyn Source,
) -> Result<(), ParseError> {
    let (dtype, big_endian) = match header.element {
        Element::Plain(dtype, big_endian) => (dtype, big_endian),
        Element::Objects => {
            unlisted.push((name.to_owned(), "an array of Python objects, which is a pickle".into()));
            return Ok(());
        }
        Element::Other(what) => {
            unlisted.push((name.to_owned(), format!("of the type {what}, which is not known")));
            return Ok(());
        }
    };
    let count = weight_count(name, &header.shape)?;
    let stored = entry.map_or(source.len(), |entry| entry.length);
    let byte_length = dtype
        .byte_length(count)
        .filter(|length| header.data_start.checked_add(*length).is_some_and(|end| end <= stored))
        .ok_or_else(|| {
            malformed!(
                "array \"{name}\" of shape {:?} and type {} does not fit the {} bytes behind its header",
                header.shape,
                dtype.name(),
                stored.saturating_sub(header.data_start)
            )
        })?;
    let width = dtype.info().block_bytes as usize;
    let inflated = entry.filter(|entry| entry.method == Method::Deflated);
    let offset = entry.map_or(0, |entry| entry.data_offset);
    let start = offset + if inflated.is_some() { 0 } else { header.data_start };
    let raw: Arc<dyn LazyTensor> = match inflated {
        None => Arc::new(ByteRange::new(start, byte_length)),
        Some(entry) => {
            Arc::new(SubRange { of: entry.recipe(), range: ByteRange::new(header.data_start, byte_length) })
        }
    };
    let mut lazy = inflated.map(|_| raw.clone());
    // A vector is the same in both orders.
    if header.fortran_order && header.shape.iter().filter(|extent| **extent > 1).count() > 1 {
        let mut of = raw.clone();
        if inflated.is_some() {
            if byte_length > MAX_HELD_ARRAY {
                return Err(unsupported!(
                    "array \"{name}\" is in Fortran order and its {byte_length} bytes are compressed (at most {MAX_HELD_ARRAY})"
                ));
            }
            of = Arc::new(Buffered { of });
        }
        let mut strides = vec![1u64; header.shape.len()];
        for axis in 1..strides.len() {
            strides[axis] = strides[axis - 1].saturating_mul(header.shape[axis - 1]);
        }
        let view = Strided::new(of, byte_length, width, 0, &header.shape, &strides);
        let view = view.ok_or_else(|| malformed!("array \"{name}\" cannot be in Fortran order"))?;
        lazy = Some(Arc::new(view));
    }
    let part_width = match dtype {
        Dtype::C64 | Dtype::C128 => width / 2,
        _ => width,
    };
    if big_endian && part_width > 1 {
        lazy = Some(Arc::new(ByteSwapped { of: lazy.unwrap_or(raw), element_bytes: part_width }));
    }
    tensors.push(Tensor {
        name: name.to_owned(),
        shape: header.shape,
        dtype,
        file_no,
        offset: start,
        byte_length,
        weight_count: count,
        lazy,
        affine: None,
    });
    check_tensor_count((tensors.len() + unlisted.len()) as u64)
}

/// What an array holds.
#[derive(Debug, PartialEq)]
enum Element {
    /// Numbers, big-endian or not.
    Plain(Dtype, bool),
    /// A pickle.
    Objects,
    /// Text, times, records: by NumPy's name.
    Other(String),
}

impl Element {
    /// Reads a type's description: byte order, kind, bytes.
    fn from_descr(descr: &str) -> Self {
        let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
        let dtype = match (kind, dtype_of(kind)) {
            ("O", _) => return Self::Objects,
            (_, Some(dtype)) => dtype,
            _ => return Self::Other(descr.to_owned()),
        };
        match order {
            "<" => Self::Plain(dtype, false),
            ">" => Self::Plain(dtype, true),
            "|" if dtype.info().block_bytes == 1 => Self::Plain(dtype, false),
            _ => Self::Other(descr.to_owned()),
        }
    }
}

/// An array's header.
struct Header {
    element: Element,
    fortran_order: bool,
    shape: Vec<u64>,
    data_start: u64,
}

impl Header {
    fn read(source: &dyn Source) -> Result<Self, ParseError> {
        let mut head = [0; 12];
        let have = source.len().min(head.len() as u64) as usize;
        source.read_at(0, &mut head[..have])?;
        if have < 10 || !head.starts_with(MAGIC) {
            return Err(malformed!("the array has no header of NumPy"));
        }
        let (start, length) = match (head[6], have) {
            (1, _) => (10, u64::from(u16::from_le_bytes([head[8], head[9]]))),
            (2 | 3, 12) => (12, u64::from(u32::from_le_bytes([head[8], head[9], head[10], head[11]]))),
            (version, _) => {
                return Err(unsupported!("the array's header has version {version} (known: 1 to 3)"));
            }
        };
        if length > MAX_HEADER {
            return Err(too_large!("the array's header has {length} bytes (at most {MAX_HEADER})"));
        }
        if start + length > source.len() {
            return Err(malformed!(
                "the array's header has {length} bytes, but only {} follow",
                source.len() - start
            ));
        }
        let mut text = vec![0; length as usize];
        source.read_at(start, &mut text)?;
        // Version 1 and 2 are Latin-1, but only names of a record's fields can be more than ASCII.
        let text = String::from_utf8_lossy(&text);
        let wrong = |what: &str| malformed!("the array's header is wrong: {what}");
        let Literal::Dict(pairs) = read_literal(&text).map_err(|what| wrong(&what))? else {
            return Err(wrong("it is not a dictionary"));
        };
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        for (key, value) in pairs {
            let twice = match (key.as_str(), value) {
                ("descr", Literal::Text(descr)) => element.replace(Element::from_descr(&descr)).is_some(),
                ("descr", Literal::List(_)) => element.replace(Element::Other("record".into())).is_some(),
                ("fortran_order", Literal::Bool(order)) => fortran_order.replace(order).is_some(),
                ("shape", Literal::Tuple(extents)) => {
                    let extents: Option<Vec<u64>> = extents
                        .into_iter()
                        .map(|extent| match extent {
                            Literal::Int(extent) => Some(extent),
                            _ => None,
                        })
                        .collect();
                    let extents = extents.filter(|extents| extents.len() <= MAX_DIMS);
                    shape.replace(extents.ok_or_else(|| wrong("its shape"))?).is_some()
                }
                (key, _) => return Err(wrong(&format!("its entry \"{key}\""))),
            };
            if twice {
                return Err(wrong(&format!("\"{key}\" is there twice")));
            }
        }
        match (element, fortran_order, shape) {
            (Some(element), Some(fortran_order), Some(shape)) => {
                Ok(Self { element, fortran_order, shape, data_start: start + length })
            }
            _ => Err(wrong("it lacks descr, fortran_order or shape")),
        }
    }
}
