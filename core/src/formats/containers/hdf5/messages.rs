//! The messages that describe a dataset: its extents, its layout, its filters, its fill value.
//! Source: HDF5 File Format Specification, IV.A.2.

use super::file::{Fields, File};
use super::object::{Message, Object, kind};
use crate::formats::error::{ParseError, malformed, unsupported};

/// HDF5's own limit on dimensions, `H5S_MAX_RANK`.
const MAX_RANK: u8 = 32;

/// The extents of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extents {
    pub(super) shape: Vec<u64>,
    /// The most that each extent may become; `None` where there is no bound.
    pub(super) max: Vec<Option<u64>>,
}

/// The extents in a dataspace message; `None` where it says that there is no element.
pub(super) fn dataspace(fields: &mut Fields) -> Result<Option<Extents>, ParseError> {
    const NO_ELEMENT: u8 = 2;
    let version = fields.version(1, 2)?;
    let rank = fields.u8()?;
    let flags = fields.u8()?;
    if rank > MAX_RANK {
        return Err(malformed!("a dataspace has {rank} dimensions (at most {MAX_RANK})"));
    }
    if version == 1 {
        fields.skip(5)?;
    } else if fields.u8()? == NO_ELEMENT {
        return Ok(None);
    }
    let shape = (0..rank).map(|_| fields.length()).collect::<Result<Vec<_>, _>>()?;
    let max = if flags & 1 != 0 {
        // An extent without a bound has all bits set, as an undefined address has; but lengths may
        // be narrower than addresses.
        (0..rank)
            .map(|_| {
                let (before, max) = (fields.clone(), fields.length()?);
                let mut bytes = before;
                let unbounded =
                    bytes.take(fields.position() - bytes.position())?.iter().all(|byte| *byte == 0xff);
                Ok((!unbounded).then_some(max))
            })
            .collect::<Result<Vec<_>, ParseError>>()?
    } else {
        shape.iter().map(|extent| Some(*extent)).collect()
    };
    if shape.iter().zip(&max).any(|(now, max)| max.is_some_and(|max| *now > max)) {
        return Err(malformed!("a dataspace of shape {shape:?} is larger than it may become: {max:?}"));
    }
    Ok(Some(Extents { shape, max }))
}

/// Where a dataset's bytes are.
#[derive(Debug)]
pub(super) enum Layout {
    /// In the object header.
    Compact(Vec<u8>),
    /// In one piece.
    Contiguous { address: Option<u64>, length: u64 },
    /// In pieces of equal extents.
    Chunked { extents: Vec<u64>, element: u64, index: Index, address: Option<u64> },
}

/// How chunks are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Index {
    /// A version 1 B-tree.
    Tree,
    /// There is one chunk; where it is filtered, its bytes and the filters left out.
    Single(Option<(u64, u32)>),
    /// Chunks stand one behind the other.
    Implicit,
    /// An array of as many entries as chunks are possible.
    FixedArray,
    /// An array that grows along the one extent without a bound.
    ExtensibleArray,
    /// A version 2 B-tree.
    Tree2,
}

/// The layout of a dataset.
pub(super) fn layout(fields: &mut Fields) -> Result<Layout, ParseError> {
    let version = fields.version(3, 5)?;
    match fields.u8()? {
        0 => {
            let length = fields.u16()?;
            Ok(Layout::Compact(fields.take(length.into())?.to_vec()))
        }
        1 => Ok(Layout::Contiguous { address: fields.address()?, length: fields.length()? }),
        2 if version == 3 => {
            let rank = fields.u8()?;
            let address = fields.address()?;
            let (extents, element) = chunk_extents(fields, rank, 4)?;
            Ok(Layout::Chunked { extents, element, index: Index::Tree, address })
        }
        2 => chunked(fields),
        3 => Err(unsupported!("virtual datasets are not supported: their values are in other files")),
        class => Err(malformed!("a layout has the unknown class {class}")),
    }
}

fn chunked(fields: &mut Fields) -> Result<Layout, ParseError> {
    /// Chunks that hang over the dataset's edge are stored without filters.
    const PLAIN_EDGES: u8 = 0x01;
    const SINGLE_IS_FILTERED: u8 = 0x02;
    let flags = fields.u8()?;
    if flags & PLAIN_EDGES != 0 {
        return Err(unsupported!("chunks whose edges are stored without filters are not supported"));
    }
    let rank = fields.u8()?;
    let width = usize::from(fields.u8()?);
    if !(1..=8).contains(&width) {
        return Err(malformed!("the extents of a chunk have {width} bytes each"));
    }
    let (extents, element) = chunk_extents(fields, rank, width)?;
    let index = match fields.u8()? {
        1 if flags & SINGLE_IS_FILTERED != 0 => Index::Single(Some((fields.length()?, fields.u32()?))),
        1 => Index::Single(None),
        2 => Index::Implicit,
        // The parameters of the others stand in their own headers too.
        3 => {
            fields.skip(1)?;
            Index::FixedArray
        }
        4 => {
            fields.skip(5)?;
            Index::ExtensibleArray
        }
        5 => {
            fields.skip(6)?;
            Index::Tree2
        }
        number => return Err(malformed!("chunks have an index of the unknown type {number}")),
    };
    Ok(Layout::Chunked { extents, element, index, address: fields.address()? })
}

/// Extents of a chunk; the last number is not one of them but the bytes of an element.
fn chunk_extents(fields: &mut Fields, rank: u8, width: usize) -> Result<(Vec<u64>, u64), ParseError> {
    if !(2..=MAX_RANK + 1).contains(&rank) {
        return Err(malformed!(
            "chunks have {rank} dimensions with the element's, not 2 to {}",
            MAX_RANK + 1
        ));
    }
    let mut extents = (0..rank).map(|_| fields.uint(width)).collect::<Result<Vec<_>, _>>()?;
    let element = extents.pop().unwrap_or(0);
    if extents.contains(&0) {
        return Err(malformed!("chunks have the extents {extents:?}"));
    }
    Ok((extents, element))
}

/// A step of the way from values to stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Deflate,
    Shuffle,
    Fletcher32,
    Lzf,
}

impl Filter {
    /// True when the filter's output has another length than its input, which only the bytes tell.
    pub(super) fn compresses(self) -> bool {
        matches!(self, Self::Deflate | Self::Lzf)
    }
}

/// The filters of a dataset's chunks, in the order in which they were applied.
pub(super) fn filters(fields: &mut Fields) -> Result<Vec<Filter>, ParseError> {
    /// HDF5's own limit, `H5Z_MAX_NFILTERS`.
    const MAX_FILTERS: u8 = 32;
    /// Filters from here on are registered by others, and always have a name.
    const FIRST_REGISTERED: u16 = 256;
    let version = fields.version(1, 2)?;
    let count = fields.u8()?;
    if count > MAX_FILTERS {
        return Err(malformed!("a dataset has {count} filters (at most {MAX_FILTERS})"));
    }
    fields.skip(if version == 1 { 6 } else { 0 })?;
    let mut filters = Vec::new();
    for _ in 0..count {
        let number = fields.u16()?;
        let name_length = if version == 1 || number >= FIRST_REGISTERED { fields.u16()? } else { 0 };
        fields.skip(2)?; // flags: whether writers may leave the filter out
        let values = usize::from(fields.u16()?);
        let name = fields.take(usize::from(name_length))?;
        if version == 1 {
            fields.skip(usize::from(name_length).next_multiple_of(8) - usize::from(name_length))?;
        }
        fields.skip(4 * if version == 1 { values.next_multiple_of(2) } else { values })?;
        filters.push(match number {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Fletcher32,
            32000 => Filter::Lzf,
            _ => {
                let known = match number {
                    4 => "szip",
                    5 => "nbit",
                    6 => "scaleoffset",
                    _ => "",
                };
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                let name = String::from_utf8_lossy(if name.is_empty() { known.as_bytes() } else { name });
                return Err(unsupported!(
                    "filter {number} \"{name}\" is not supported (deflate, shuffle, fletcher32 and lzf are)"
                ));
            }
        });
    }
    if filters.iter().filter(|filter| filter.compresses()).count() > 1 {
        return Err(unsupported!("data that is compressed twice is not supported: {filters:?}"));
    }
    Ok(filters)
}

/// The fill value of a dataset, as the bytes of one element; `None` where it is zero.
pub(super) fn fill_value(file: &File, object: &Object) -> Result<Option<Vec<u8>>, ParseError> {
    if let Some(message) = object.find(kind::FILL) {
        let mut fields = unshared(file, message, "a fill value")?;
        let version = fields.version(1, 3)?;
        let defined = if version == 3 {
            fields.u8()? & 0x20 != 0
        } else {
            fields.skip(2)?;
            let defined = fields.u8()? != 0;
            defined || version == 1
        };
        return if defined { value(&mut fields) } else { Ok(None) };
    }
    match object.find(kind::OLD_FILL) {
        Some(message) => value(&mut unshared(file, message, "a fill value")?),
        None => Ok(None),
    }
}

fn value(fields: &mut Fields) -> Result<Option<Vec<u8>>, ParseError> {
    let length = fields.u32()?;
    // Nothing at all, or minus one: the value is not defined.
    if length == 0 || length == u32::MAX {
        return Ok(None);
    }
    Ok(Some(fields.take(length as usize)?.to_vec()))
}

/// The fields of a message whose body is not a reference. Only data types are shared in real files.
pub(super) fn unshared<'a>(
    file: &File,
    message: &'a Message,
    what: &'static str,
) -> Result<Fields<'a>, ParseError> {
    if message.is_shared() {
        return Err(unsupported!("{what} that is shared between objects is not supported"));
    }
    Ok(Fields::new(&message.body, file.widths, what))
}
