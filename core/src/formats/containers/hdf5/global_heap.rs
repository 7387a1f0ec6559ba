//! The global heap, where texts of any length stand.
//! Source: HDF5 File Format Specification, III.E.

use super::file::{Fields, File};
use super::heap_collection::Collection;
use crate::formats::error::{ParseError, malformed};
use std::collections::HashMap;

/// An object of the collection at an address.
pub(super) fn object<'f>(file: &'f mut File, address: u64, number: u32) -> Result<&'f [u8], ParseError> {
    if file.collection.as_ref().is_none_or(|known| known.address != address) {
        file.collection = Some(read(file, address)?);
    }
    file.collection
        .as_ref()
        .and_then(|known| {
            let range = known.objects.get(&u16::try_from(number).ok()?)?;
            known.bytes.get(range.clone())
        })
        .ok_or_else(|| malformed!("the global heap collection at address {address} has no object {number}"))
}

fn read(file: &mut File, address: u64) -> Result<Collection, ParseError> {
    let what = "a global heap collection";
    // That of the collection and that of an object have equal fields and padding.
    let header = (8 + file.widths.length).next_multiple_of(8);
    let head = file.read(address, header as u64, what)?;
    let mut fields = Fields::new(&head, file.widths, what);
    fields.signature(b"GCOL")?;
    fields.version(1, 1)?;
    fields.skip(3)?;
    let length = fields.length()?;
    let bytes = file.read(address, length, what)?;
    let mut fields = Fields::new(&bytes, file.widths, what);
    fields.skip(header)?;
    let mut objects = HashMap::new();
    while fields.left() >= header {
        let number = fields.u16()?;
        fields.skip(6)?;
        let length = usize::try_from(fields.length()?).unwrap_or(usize::MAX);
        fields.skip(header - 8 - file.widths.length)?;
        // Number 0 is the space that is free, up to the end.
        if number == 0 {
            break;
        }
        fields.skip(length)?;
        objects.insert(number, fields.position() - length..fields.position());
        let padding = length.next_multiple_of(8) - length;
        fields.skip(padding.min(fields.left()))?;
    }
    Ok(Collection { address, bytes, objects })
}
