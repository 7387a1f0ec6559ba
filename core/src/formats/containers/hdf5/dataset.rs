//! A dataset: its shape and type, and how its values are had from the file.

use super::chunk_index::{self, Chunk, Grid};
use super::chunked::{Chunked, Filled, Recipe};
use super::context::Context;
use super::datatype_class::Datatype;
use super::file::File;
use super::messages::{Extents, Filter, Layout, dataspace, fill_value, filters, layout, unshared};
use super::object::{Object, kind};
use super::{attribute, datatype};
use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::formats::error::{ParseError, ParseErrorKind, malformed, too_large, unsupported};
use crate::formats::limits::weight_count;
use crate::formats::support::lazy::{ByteSwapped, SubRange};
use crate::lazy_tensor::LazyTensor;
use std::sync::Arc;

/// Longest row of chunks: it is held in memory while it is read. h5py's own choice is at most 1 MiB
/// for a chunk, and some megabytes for a row of them.
const MAX_ROW_BYTES: u64 = 256 << 20;
/// How much a compressed chunk can expand: deflate's 258 bytes for two bits.
const MAX_RATIO: u64 = 1032;

/// A dataset of numbers.
pub(crate) struct Dataset {
    /// Its path from the root group on.
    pub(crate) path: String,
    /// Its extents, outermost first.
    pub(crate) shape: Vec<u64>,
    /// How its numbers are stored.
    pub(crate) dtype: Dtype,
    /// First byte in the file around the HDF5 file, or where the values start that are computed.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) byte_length: u64,
    /// Number of elements.
    pub(crate) weight_count: u64,
    /// How the values are computed, where they do not stand in the file in one piece as they are.
    pub(crate) lazy: Option<Arc<dyn LazyTensor>>,
}

/// What became of a dataset.
pub(super) enum Outcome {
    /// It holds numbers.
    Numbers(Dataset),
    /// It does not, and why.
    Skipped(String),
}

/// The values of a dataset whose type is one of numbers.
struct Numbers<'n> {
    name: &'n str,
    extents: Extents,
    dtype: Dtype,
    swap: usize,
    byte_length: u64,
}

/// Where the values are.
enum Place {
    /// In the file as they are, from this byte on.
    Plain(u64),
    /// Computed; they start at this byte or so.
    Lazy(u64, Arc<dyn LazyTensor>),
}

/// Reads the messages of a dataset.
pub(super) fn read(
    file: &mut File,
    object: &Object,
    name: &str,
    context: &mut Context,
) -> Result<Outcome, ParseError> {
    let missing = |what: &str| malformed!("dataset \"{name}\" has no {what}");
    let space = object.find(kind::DATASPACE).ok_or_else(|| missing("dataspace"))?;
    let Some(extents) = dataspace(&mut unshared(file, space, "a dataspace")?)? else {
        return Ok(Outcome::Skipped("a dataset without an element".to_owned()));
    };
    let message = object.find(kind::DATATYPE).ok_or_else(|| missing("data type"))?;
    let datatype = datatype::of_message(file, message)?;
    let (dtype, swap) = match &datatype {
        Datatype::Number { dtype, swap } => (*dtype, *swap),
        Datatype::Opaque { size: 2 } if is_bfloat16(file, object)? => (Dtype::BF16, 1),
        other => return Ok(Outcome::Skipped(format!("a dataset of {}", other.describe()))),
    };
    if object.find(kind::EXTERNAL_FILES).is_some() {
        return Err(unsupported!(
            "the values of dataset \"{name}\" are in other files, which are never opened"
        ));
    }
    let weight_count = weight_count(name, &extents.shape)?;
    let byte_length = dtype.byte_length(weight_count).ok_or_else(|| {
        malformed!("dataset \"{name}\" of shape {:?} has more than 2^64 bytes", extents.shape)
    })?;
    let numbers = Numbers { name, extents, dtype, swap, byte_length };
    let place = numbers.place(file, object, context)?;
    let (offset, lazy) = match place {
        Place::Plain(position) if !context.in_file => {
            let part = SubRange { of: context.of.clone(), range: ByteRange::new(position, byte_length) };
            (0, Some(Arc::new(part) as Arc<dyn LazyTensor>))
        }
        Place::Plain(position) => (position, None),
        Place::Lazy(position, recipe) => (position, Some(recipe)),
    };
    Ok(Outcome::Numbers(Dataset {
        path: name.to_owned(),
        shape: numbers.extents.shape,
        dtype,
        offset,
        byte_length,
        weight_count,
        lazy,
    }))
}

/// h5py has no bfloat16: Keras writes opaque values of two bytes, and an attribute that names the type.
fn is_bfloat16(file: &mut File, object: &Object) -> Result<bool, ParseError> {
    for attribute in attribute::all(file, object)? {
        if attribute.name == "dtype" {
            return Ok(attribute.text(file)?.as_deref() == Some("bfloat16"));
        }
    }
    Ok(false)
}

/// Says which dataset it is that cannot be read.
fn of_dataset(name: &str, error: ParseError) -> ParseError {
    match error.kind() {
        ParseErrorKind::Unsupported(_) => error.within(format_args!("dataset \"{name}\"")),
        _ => error,
    }
}

impl Numbers<'_> {
    fn element(&self) -> u64 {
        self.dtype.info().block_bytes.into()
    }

    fn place(&self, file: &mut File, object: &Object, context: &mut Context) -> Result<Place, ParseError> {
        let Self { name, byte_length, .. } = self;
        let message =
            object.find(kind::LAYOUT).ok_or_else(|| malformed!("dataset \"{name}\" has no layout"))?;
        let mut fields = unshared(file, message, "a layout")?;
        let layout = layout(&mut fields).map_err(|error| of_dataset(name, error))?;
        if *byte_length == 0 {
            return Ok(Place::Plain(0));
        }
        let wrong = |length: u64| {
            malformed!(
                "dataset \"{name}\" of shape {:?} and type {} takes {byte_length} bytes, but has {length}",
                self.extents.shape,
                self.dtype.name()
            )
        };
        match layout {
            Layout::Compact(data) if data.len() as u64 != *byte_length => Err(wrong(data.len() as u64)),
            Layout::Compact(_) => {
                let address = message.address + fields.position() as u64 - byte_length;
                self.piece(file, address, context)
            }
            Layout::Contiguous { length, .. } if length != *byte_length => Err(wrong(length)),
            Layout::Contiguous { address: None, .. } => {
                let value = self.fill(file, object)?.into();
                context.charge_fill(name, *byte_length)?;
                Ok(Place::Lazy(0, Arc::new(Filled { value, length: *byte_length })))
            }
            Layout::Contiguous { address: Some(address), .. } => self.piece(file, address, context),
            Layout::Chunked { extents, element, index, address } => {
                if extents.len() != self.extents.shape.len() || element != self.element() {
                    return Err(malformed!(
                        "dataset \"{name}\" of shape {:?} and {} bytes an element has chunks of {extents:?} and {element} bytes",
                        self.extents.shape,
                        self.element()
                    ));
                }
                let filters = match object.find(kind::FILTERS) {
                    Some(message) => filters(&mut unshared(file, message, "a list of filters")?)
                        .map_err(|error| of_dataset(name, error))?,
                    None => Vec::new(),
                };
                let grid = self.grid(&extents)?;
                let chunks = chunk_index::chunks(file, &index, address, &grid, !filters.is_empty())?;
                let fill = self.fill(file, object)?;
                self.chunked(context, &grid, extents, filters, chunks, fill)
            }
        }
    }

    /// Values that stand in one piece.
    fn piece(&self, file: &File, address: u64, context: &mut Context) -> Result<Place, ParseError> {
        let Some(position) = file.place(address, self.byte_length) else {
            return Err(malformed!(
                "dataset \"{}\" has {} bytes at address {address}, but the file has {} bytes",
                self.name,
                self.byte_length,
                file.length()
            ));
        };
        let range = ByteRange::new(position, self.byte_length);
        context.stored.push(range);
        if self.swap == 1 {
            return Ok(Place::Plain(position));
        }
        let of: Arc<dyn LazyTensor> = if context.in_file {
            Arc::new(range)
        } else {
            Arc::new(SubRange { of: context.of.clone(), range })
        };
        Ok(Place::Lazy(position, Arc::new(ByteSwapped { of, element_bytes: self.swap })))
    }

    /// The fill value, in the byte order of a tensor.
    fn fill(&self, file: &File, object: &Object) -> Result<Vec<u8>, ParseError> {
        let element = self.element() as usize;
        let mut value = fill_value(file, object)?.unwrap_or_else(|| vec![0; element]);
        if value.len() != element {
            return Err(malformed!(
                "dataset \"{}\" has a fill value of {} bytes for elements of {element}",
                self.name,
                value.len()
            ));
        }
        value.chunks_exact_mut(self.swap).for_each(<[u8]>::reverse);
        Ok(value)
    }

    /// The grid of chunks, if a row of them may be held in memory.
    fn grid(&self, chunk: &[u64]) -> Result<Grid, ParseError> {
        let shape = &self.extents.shape;
        let bytes = |first: u64, others: &[u64]| {
            others.iter().try_fold(self.element() * first, |product, extent| product.checked_mul(*extent))
        };
        // A first extent over the limit is refused before it is multiplied.
        let (first, others) = chunk.split_first().unwrap_or((&1, &[]));
        let chunk_bytes = (*first <= MAX_ROW_BYTES).then(|| bytes(*first, others)).flatten();
        let row_bytes = bytes(shape[0].min(*first).min(MAX_ROW_BYTES + 1), &shape[1..]);
        match (chunk_bytes, row_bytes) {
            (Some(chunk_bytes), Some(row)) if chunk_bytes <= MAX_ROW_BYTES && row <= MAX_ROW_BYTES => {
                Ok(Grid::new(&self.extents, chunk, chunk_bytes))
            }
            _ => Err(too_large!(
                "dataset \"{}\" of shape {shape:?} has chunks of shape {chunk:?}: a row of them takes more than {MAX_ROW_BYTES} bytes",
                self.name
            )),
        }
    }

    fn chunked(
        &self,
        context: &mut Context,
        grid: &Grid,
        chunk: Vec<u64>,
        filters: Vec<Filter>,
        chunks: Vec<Chunk>,
        fill: Vec<u8>,
    ) -> Result<Place, ParseError> {
        for stored in &chunks {
            self.check_length(grid, &filters, stored)?;
            context.stored.push(ByteRange::new(stored.position, stored.length));
        }
        let held = (chunks.len() as u64).saturating_mul(grid.chunk_bytes);
        context.charge_fill(self.name, self.byte_length.saturating_sub(held))?;
        let first = chunks.first().map_or(0, |chunk| chunk.position);
        let shape = self.extents.shape.clone();
        // Without filters, whole rows that stand one behind the other are the tensor itself.
        let count = shape[0].div_ceil(chunk[0]);
        let in_one_piece = filters.is_empty()
            && self.swap == 1
            && chunk[1..] == shape[1..]
            && chunks.len() as u64 == count
            && chunks.windows(2).all(|pair| pair[0].position + pair[0].length == pair[1].position);
        if in_one_piece {
            return Ok(Place::Plain(first));
        }
        let recipe = Chunked {
            of: context.of.clone(),
            shape,
            chunk,
            element: self.element() as usize,
            swap: self.swap,
            filters,
            fill,
            chunks,
        };
        Ok(Place::Lazy(first, Arc::new(Recipe(Arc::new(recipe)))))
    }

    /// Refuses a chunk that cannot expand to its values, before it is read.
    fn check_length(&self, grid: &Grid, filters: &[Filter], chunk: &Chunk) -> Result<(), ParseError> {
        let applied = || {
            let is_applied = |place| chunk.left_out & 1_u32.checked_shl(place).unwrap_or(0) == 0;
            (0..).zip(filters).filter(move |(place, _)| is_applied(*place)).map(|(_, filter)| filter)
        };
        let possible = if applied().any(|filter| filter.compresses()) {
            // More than twice the values is not compression that a writer would keep.
            let max = 2 * grid.chunk_bytes + 1024;
            chunk.length <= max && grid.chunk_bytes <= chunk.length.saturating_mul(MAX_RATIO)
        } else {
            let checksums = applied().filter(|filter| **filter == Filter::Fletcher32).count();
            chunk.length == grid.chunk_bytes + 4 * checksums as u64
        };
        if !possible {
            return Err(malformed!(
                "dataset \"{}\" has a chunk of {} bytes that cannot hold {} bytes of values",
                self.name,
                chunk.length,
                grid.chunk_bytes
            ));
        }
        Ok(())
    }
}
