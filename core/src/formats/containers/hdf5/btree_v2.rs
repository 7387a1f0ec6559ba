//! Version 2 B-trees: indexes of dense groups, of dense attributes, of chunks.
//! Source: HDF5 File Format Specification, III.A.2.

use super::file::{Fields, File};
use crate::formats::error::{ParseError, malformed, too_large};

/// Deepest tree: nodes have dozens of records, and twelve levels would hold 10^18.
const MAX_DEPTH: u16 = 12;
/// Signature, version, type and checksum of a node.
const NODE_OVERHEAD: u64 = 10;

/// What a tree's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// Large objects of a fractal heap, by number.
    HugeObjects = 1,
    /// Links, by the hash of their names.
    LinkNames = 5,
    /// Attributes, by the hash of their names.
    AttributeNames = 8,
    /// Chunks without filters.
    Chunks = 10,
    /// Chunks with filters.
    FilteredChunks = 11,
}

/// How much a node of a level may hold, and how wide the counts in pointers to it are.
struct Level {
    max: u64,
    /// Bytes of the count of records beneath a node; 0 for leaves, whose own count says it.
    total_width: usize,
}

/// Is called with each record.
type Visit<'v> = dyn FnMut(&mut File, &[u8]) -> Result<(), ParseError> + 'v;

struct Tree {
    records: Records,
    record_bytes: usize,
    /// Bytes of the count of a node's own records.
    count_width: usize,
    levels: Vec<Level>,
}

/// Bytes that hold every number up to a limit.
fn width_of(limit: u64) -> usize {
    limit.checked_ilog2().map_or(1, |bits| bits as usize / 8 + 1)
}

/// Calls `visit` with every record of the tree at an address, in their order.
pub(super) fn visit(
    file: &mut File,
    address: u64,
    records: Records,
    visit: &mut Visit,
) -> Result<(), ParseError> {
    let what = "a version 2 B-tree";
    file.claim(address, what)?;
    let widths = file.widths;
    let length = (4 + 2 + 4 + 2 + 2 + 2 + widths.address + 2 + widths.length + 4) as u64;
    let bytes = file.checked(address, length, what)?;
    let mut fields = Fields::new(&bytes, widths, what);
    fields.signature(b"BTHD")?;
    fields.version(0, 0)?;
    let kind = fields.u8()?;
    if kind != records as u8 {
        return Err(malformed!("{what} at address {address} is of type {kind}, not {}", records as u8));
    }
    let node_bytes = u64::from(fields.u32()?);
    let record_bytes = fields.u16()?;
    let depth = fields.u16()?;
    fields.skip(2)?; // when to split and to merge
    let root = fields.address()?;
    let count = u64::from(fields.u16()?);
    let total = fields.length()?;
    let Some(root) = root else {
        return Ok(());
    };
    if depth > MAX_DEPTH {
        return Err(too_large!("{what} at address {address} has a depth of {depth} (at most {MAX_DEPTH})"));
    }
    let mut tree = Tree { records, record_bytes: record_bytes.into(), count_width: 1, levels: Vec::new() };
    tree.plan(node_bytes, depth, widths.address)
        .ok_or_else(|| malformed!("{what} has nodes of {node_bytes} bytes and records of {record_bytes}"))?;
    let found = tree.node(file, root, depth.into(), count, visit)?;
    if found != total {
        return Err(malformed!("{what} at address {address} has {found} records, but says {total}"));
    }
    Ok(())
}

impl Tree {
    /// Computes the levels from the leaves up, as the library does (`H5B2__hdr_init`).
    fn plan(&mut self, node_bytes: u64, depth: u16, address_width: usize) -> Option<()> {
        let record = self.record_bytes as u64;
        let room = node_bytes.checked_sub(NODE_OVERHEAD)?;
        let leaf = room.checked_div(record).filter(|max| *max > 0)?;
        self.count_width = width_of(leaf);
        self.levels.push(Level { max: leaf, total_width: 0 });
        let mut total = leaf;
        for _ in 0..depth {
            let pointer = (address_width + self.count_width + self.levels.last()?.total_width) as u64;
            let max = room.checked_sub(pointer)?.checked_div(record + pointer).filter(|max| *max > 0)?;
            total = max.checked_add(1)?.checked_mul(total)?.checked_add(max)?;
            self.levels.push(Level { max, total_width: width_of(total) });
        }
        Some(())
    }

    /// Visits the records of a node and of all beneath it; gives their number.
    fn node(
        &self,
        file: &mut File,
        address: u64,
        level: usize,
        count: u64,
        visit: &mut Visit,
    ) -> Result<u64, ParseError> {
        let what = "a node of a version 2 B-tree";
        file.claim(address, what)?;
        let max = self.levels[level].max;
        if count > max {
            return Err(malformed!("{what} at address {address} has {count} records (at most {max})"));
        }
        let total_width = level.checked_sub(1).map_or(0, |below| self.levels[below].total_width);
        let pointer = file.widths.address + self.count_width + total_width;
        let records = count * self.record_bytes as u64;
        let pointers = if level == 0 { 0 } else { (count + 1) * pointer as u64 };
        let bytes = file.checked(address, NODE_OVERHEAD + records + pointers, what)?;
        let mut fields = Fields::new(&bytes, file.widths, what);
        fields.signature(if level == 0 { b"BTLF" } else { b"BTIN" })?;
        fields.version(0, 0)?;
        let kind = fields.u8()?;
        if kind != self.records as u8 {
            return Err(malformed!(
                "{what} at address {address} is of type {kind}, not {}",
                self.records as u8
            ));
        }
        let mut records = fields.clone();
        fields.skip(count as usize * self.record_bytes)?;
        let mut found = 0;
        for place in 0..=count {
            if level > 0 {
                let child = fields.defined()?;
                let count = fields.uint(self.count_width)?;
                fields.skip(total_width)?;
                found += self.node(file, child, level - 1, count, visit)?;
            }
            if place < count {
                visit(file, records.take(self.record_bytes)?)?;
                found += 1;
            }
        }
        Ok(found)
    }
}
