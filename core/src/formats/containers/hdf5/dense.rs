//! Links and attributes of objects that have many: bodies of messages in a fractal heap, and a
//! B-tree that indexes them by name.

use super::btree_v2::{self, Records};
use super::checksum::lookup3;
use super::file::{Fields, File};
use super::fractal_heap::Heap;
use crate::formats::error::{ParseError, malformed, unsupported};

/// Bytes of a link's id in its heap.
const LINK_ID_BYTES: usize = 7;
/// Bytes of an attribute's id in its heap.
const ATTRIBUTE_ID_BYTES: usize = 8;

/// The body of a message, and the hash of the name in it.
pub(super) type Hashed = (u32, Vec<u8>);

/// The bodies of all link messages of a dense group.
pub(super) fn links(file: &mut File, heap: u64, index: u64) -> Result<Vec<Hashed>, ParseError> {
    let mut heap = Heap::open(file, heap)?;
    let mut bodies = Vec::new();
    btree_v2::visit(file, index, Records::LinkNames, &mut |file, record| {
        let mut fields = Fields::new(record, file.widths, "a link's record");
        let hash = fields.u32()?;
        bodies.push((hash, heap.object(file, fields.take(LINK_ID_BYTES)?)?));
        Ok(())
    })?;
    Ok(bodies)
}

/// The bodies of all attribute messages in a heap.
pub(super) fn attributes(file: &mut File, heap: u64, index: u64) -> Result<Vec<Hashed>, ParseError> {
    const SHARED: u8 = 0x02;
    let mut heap = Heap::open(file, heap)?;
    let mut bodies = Vec::new();
    btree_v2::visit(file, index, Records::AttributeNames, &mut |file, record| {
        let mut fields = Fields::new(record, file.widths, "an attribute's record");
        let id = fields.take(ATTRIBUTE_ID_BYTES)?;
        if fields.u8()? & SHARED != 0 {
            return Err(unsupported!("attributes that are shared between objects are not supported"));
        }
        fields.skip(4)?; // order of creation
        bodies.push((fields.u32()?, heap.object(file, id)?));
        Ok(())
    })?;
    Ok(bodies)
}

/// Refuses a heap without an index, and the other way round.
pub(super) fn both(heap: Option<u64>, index: Option<u64>) -> Result<Option<(u64, u64)>, ParseError> {
    match (heap, index) {
        (Some(heap), Some(index)) => Ok(Some((heap, index))),
        (None, None) => Ok(None),
        _ => Err(malformed!("an object has a heap at {heap:?} and its index at {index:?}, but needs both")),
    }
}

/// Refuses a name whose hash is not the one it is indexed by: large objects of a heap have no checksum.
pub(super) fn check_hash(name: &str, hash: u32) -> Result<(), ParseError> {
    let found = lookup3(name.as_bytes());
    if found != hash && !cfg!(fuzzing) {
        return Err(malformed!("name \"{name}\" has the hash {found:08x}, but its index says {hash:08x}"));
    }
    Ok(())
}
