//! Version 1 B-trees: indexes of old groups and of chunks. They are read from the root down; the
//! pointers from sibling to sibling are left alone, so that a loop of them harms nobody.
//! Source: HDF5 File Format Specification, III.A.1.

use super::file::{Fields, File};
use crate::formats::error::{ParseError, malformed};

/// What a tree's leaves point at.
pub(super) enum Kind {
    /// Symbol tables of a group.
    Group,
    /// Chunks of a dataset with so many dimensions.
    Chunks(usize),
}

impl Kind {
    fn number(&self) -> u8 {
        match self {
            Self::Group => 0,
            Self::Chunks(_) => 1,
        }
    }

    /// Bytes of a key: an offset of a name; or the chunk's bytes, the filters left out, its place along
    /// each axis, and one number more for the element, which is 0.
    fn key_bytes(&self, length_width: usize) -> usize {
        match self {
            Self::Group => length_width,
            Self::Chunks(rank) => 8 + 8 * (rank + 1),
        }
    }
}

/// Calls `visit` with the key and the address of everything that the leaves point at.
pub(super) fn visit(
    file: &mut File,
    root: u64,
    kind: &Kind,
    visit: &mut dyn FnMut(&mut File, Fields, u64) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let what = "a version 1 B-tree";
    let widths = file.widths;
    let key = kind.key_bytes(widths.length);
    let head = 8 + 2 * widths.address;
    // Nodes to read, with the level that each must have.
    let mut nodes: Vec<(u64, Option<u8>)> = vec![(root, None)];
    while let Some((address, expected)) = nodes.pop() {
        file.claim(address, what)?;
        let bytes = file.read(address, head as u64, what)?;
        let mut fields = Fields::new(&bytes, widths, what);
        fields.signature(b"TREE")?;
        let (number, level, count) = (fields.u8()?, fields.u8()?, fields.u16()?);
        if number != kind.number() {
            return Err(malformed!("{what} at address {address} is of type {number}, not {}", kind.number()));
        }
        if expected.is_some_and(|expected| level != expected) {
            return Err(malformed!("{what} at address {address} has level {level}, not {expected:?}"));
        }
        let length = u64::from(count) * (key + widths.address) as u64;
        let bytes = file.read(address.saturating_add(head as u64), length, what)?;
        let mut fields = Fields::new(&bytes, widths, what);
        let mut children = Vec::new();
        for _ in 0..count {
            let place = Fields::new(fields.take(key)?, widths, what);
            let child = fields.defined()?;
            match level.checked_sub(1) {
                None => visit(file, place, child)?,
                Some(below) => children.push((child, Some(below))),
            }
        }
        nodes.extend(children.into_iter().rev());
    }
    Ok(())
}
