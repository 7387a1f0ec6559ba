//! Fractal heaps, where dense groups keep their links and objects with many attributes keep those.
//! Source: HDF5 File Format Specification, III.G.

use super::btree_v2::{self, Records};
use super::file::{Fields, File, Widths, verify};
use crate::formats::error::{ParseError, malformed, unsupported};
use std::collections::HashMap;

/// A heap, and the blocks of it that were read.
pub(super) struct Heap {
    address: u64,
    id_bytes: usize,
    /// Direct blocks end their prefix with a checksum.
    has_checksums: bool,
    /// Blocks in a row of the doubling table.
    columns: u64,
    /// Bytes of a block in the first two rows; each row after them doubles it.
    first_block: u64,
    /// Rows of direct blocks; larger blocks are tables again.
    direct_rows: u64,
    offset_width: usize,
    length_width: usize,
    root: Option<u64>,
    /// Rows of the root table; 0 when the root is a direct block.
    root_rows: u64,
    /// Index of the objects that are too large for a block.
    huge_index: Option<u64>,
    /// Direct blocks and tables by their offsets in the heap, each of which has one size.
    direct: HashMap<u64, Vec<u8>>,
    tables: HashMap<u64, Vec<Option<u64>>>,
    huge: Option<HashMap<u64, (u64, u64)>>,
}

impl Heap {
    /// Reads the header at an address.
    pub(super) fn open(file: &mut File, address: u64) -> Result<Self, ParseError> {
        let what = "a fractal heap";
        file.claim(address, what)?;
        let Widths { address: a, length: l } = file.widths;
        let length = (4 + 1 + 2 + 2 + 1 + 4 + 12 * l + 3 * a + 2 + 2 + 2 + 2 + 4) as u64;
        let bytes = file.read(address, length, what)?;
        let mut fields = Fields::new(&bytes, file.widths, what);
        fields.signature(b"FRHP")?;
        fields.version(0, 0)?;
        let id_bytes = usize::from(fields.u16()?);
        if fields.u16()? != 0 {
            return Err(unsupported!("{what} with filters is not supported"));
        }
        let has_checksums = fields.u8()? & 2 != 0;
        let most_managed = u64::from(fields.u32()?);
        fields.skip(l)?; // next number of a huge object
        let huge_index = fields.address()?;
        fields.skip(l + a + 4 * l + 2 * l + 2 * l)?; // free space; counts and sizes of objects
        let columns = u64::from(fields.u16()?);
        let first_block = fields.length()?;
        let largest_block = fields.length()?;
        let heap_bits = fields.u16()?;
        fields.skip(2)?; // rows that a new root table gets
        let root = fields.address()?;
        let root_rows = u64::from(fields.u16()?);
        let mut bytes = bytes;
        verify(&mut bytes, address, what)?;

        let doubles = columns.is_power_of_two()
            && first_block.is_power_of_two()
            && largest_block.is_power_of_two()
            && first_block <= largest_block
            && (1..=64).contains(&heap_bits)
            && largest_block.ilog2() < u32::from(heap_bits)
            && u64::from(heap_bits) + 1 >= root_rows;
        if !doubles {
            return Err(malformed!(
                "a fractal heap has {columns} blocks of {first_block} to {largest_block} bytes in a row, {root_rows} rows and {heap_bits} bits"
            ));
        }
        let bytes_of_bits = |bits: u32| bits.div_ceil(8) as usize;
        Ok(Self {
            address,
            id_bytes,
            has_checksums,
            columns,
            first_block,
            direct_rows: u64::from(largest_block.ilog2() - first_block.ilog2()) + 2,
            offset_width: bytes_of_bits(heap_bits.into()),
            length_width: bytes_of_bits(largest_block.ilog2())
                .min(most_managed.checked_ilog2().map_or(1, |bits| bits as usize / 8 + 1)),
            root,
            root_rows,
            huge_index,
            direct: HashMap::new(),
            tables: HashMap::new(),
            huge: None,
        })
    }

    /// The bytes of the object with an id.
    pub(super) fn object(&mut self, file: &mut File, id: &[u8]) -> Result<Vec<u8>, ParseError> {
        let missing = || malformed!("the fractal heap at address {} has no object {id:02x?}", self.address);
        if id.len() != self.id_bytes || id.is_empty() || id[0] & 0xc0 != 0 {
            return Err(missing());
        }
        let mut fields = Fields::new(id, file.widths, "the id of a heap object");
        let first = fields.u8()?;
        match (first >> 4) & 3 {
            0 => {
                let offset = fields.uint(self.offset_width)?;
                let length = fields.uint(self.length_width)?;
                self.managed(file, offset, length)
            }
            1 => {
                let (address, length) = self.huge_place(file, &mut fields)?;
                file.claim(address, "a huge object of a fractal heap")?;
                file.read(address, length, "a huge object of a fractal heap")
            }
            2 => {
                // One more than the number in the id; a long id has a longer number.
                let mut length = usize::from(first & 0x0f);
                if self.id_bytes - 1 > 16 {
                    length = (length << 8) | usize::from(fields.u8()?);
                }
                Ok(fields.take(length + 1)?.to_vec())
            }
            _ => Err(missing()),
        }
    }

    /// An object in a direct block. Its offset counts from the heap's first byte, over all blocks.
    fn managed(&mut self, file: &mut File, offset: u64, length: u64) -> Result<Vec<u8>, ParseError> {
        let mut address = self.root;
        let (mut start, mut rows) = (0, self.root_rows);
        let mut size = self.first_block;
        // Every table leads to smaller ones, so this ends.
        while let Some(table) = address.filter(|_| rows > 0) {
            let wanted = offset - start;
            let row = self.row_of(wanted);
            if row >= rows {
                break;
            }
            size = self.block_bytes(row);
            let column = (wanted - self.row_start(row)) / size;
            let child = (row * self.columns + column) as usize;
            address = self.table(file, table, start, rows)?.get(child).copied().flatten();
            start += self.row_start(row) + column * size;
            rows = match (size / self.columns / self.first_block).checked_ilog2() {
                _ if row < self.direct_rows => 0,
                Some(doublings) => u64::from(doublings) + 1,
                None => return Err(malformed!("a fractal heap has tables of {size} bytes without a block")),
            };
        }
        let place = address.filter(|_| rows == 0).and_then(|address| {
            let from = offset.checked_sub(start)?;
            (from.checked_add(length)? <= size).then_some((address, from as usize, length as usize))
        });
        let Some((address, from, length)) = place else {
            return Err(malformed!(
                "the fractal heap at address {} has no {length} bytes at offset {offset}",
                self.address
            ));
        };
        file.charge(length as u64)?;
        Ok(self.block(file, address, start, size)?[from..from + length].to_vec())
    }

    fn block_bytes(&self, row: u64) -> u64 {
        self.first_block << row.saturating_sub(1)
    }

    /// Offset of a row's first block within its table.
    fn row_start(&self, row: u64) -> u64 {
        if row == 0 { 0 } else { self.columns * self.block_bytes(row) }
    }

    /// The row in which an offset lies: each row is as long as all before it together.
    fn row_of(&self, offset: u64) -> u64 {
        (offset / self.columns / self.first_block).checked_ilog2().map_or(0, |row| u64::from(row) + 1)
    }

    /// A direct block, its prefix included.
    fn block(&mut self, file: &mut File, address: u64, start: u64, size: u64) -> Result<&[u8], ParseError> {
        if !self.direct.contains_key(&start) {
            let what = "a direct block of a fractal heap";
            file.claim(address, what)?;
            let mut bytes = file.read(address, size, what)?;
            let mut fields = Fields::new(&bytes, file.widths, what);
            self.check_prefix(&mut fields, b"FHDB", start)?;
            if self.has_checksums {
                // It is computed over the whole block with zeros in its own place.
                let position = fields.position();
                let stored = fields.take(4)?.to_vec();
                let mut covered = bytes.clone();
                covered[position..position + 4].fill(0);
                covered.extend_from_slice(&stored);
                verify(&mut covered, address, what)?;
            }
            bytes.shrink_to_fit();
            self.direct.insert(start, bytes);
        }
        Ok(&self.direct[&start])
    }

    /// The addresses of a table's blocks, row by row.
    fn table(
        &mut self,
        file: &mut File,
        address: u64,
        start: u64,
        rows: u64,
    ) -> Result<&[Option<u64>], ParseError> {
        if !self.tables.contains_key(&start) {
            let what = "an indirect block of a fractal heap";
            file.claim(address, what)?;
            let children = rows * self.columns;
            let prefix = 5 + file.widths.address + self.offset_width;
            let length = prefix as u64 + children * file.widths.address as u64 + 4;
            let bytes = file.checked(address, length, what)?;
            let mut fields = Fields::new(&bytes, file.widths, what);
            self.check_prefix(&mut fields, b"FHIB", start)?;
            let table = (0..children).map(|_| fields.address()).collect::<Result<_, _>>()?;
            self.tables.insert(start, table);
        }
        Ok(&self.tables[&start])
    }

    /// A block says which heap it belongs to, and where in it.
    fn check_prefix(&self, fields: &mut Fields, signature: &[u8; 4], start: u64) -> Result<(), ParseError> {
        fields.signature(signature)?;
        fields.version(0, 0)?;
        let (heap, offset) = (fields.address()?, fields.uint(self.offset_width)?);
        if heap != Some(self.address) || offset != start {
            return Err(malformed!(
                "a block of the fractal heap at address {} says that it stands at offset {offset} of {heap:?}, not at {start}",
                self.address
            ));
        }
        Ok(())
    }

    /// Address and length of a huge object: in its id if that is long enough, else in an index.
    fn huge_place(&mut self, file: &mut File, fields: &mut Fields) -> Result<(u64, u64), ParseError> {
        if self.id_bytes > file.widths.address + file.widths.length {
            return Ok((fields.defined()?, fields.length()?));
        }
        let number = fields.uint(fields.left().min(8))?;
        let index = match &mut self.huge {
            Some(index) => index,
            None => {
                let mut index = HashMap::new();
                if let Some(address) = self.huge_index {
                    btree_v2::visit(file, address, Records::HugeObjects, &mut |file, record| {
                        let mut fields = Fields::new(record, file.widths, "a huge object's record");
                        let place = (fields.defined()?, fields.length()?);
                        index.insert(fields.length()?, place);
                        Ok(())
                    })?;
                }
                self.huge.insert(index)
            }
        };
        index.get(&number).copied().ok_or_else(|| {
            malformed!("the fractal heap at address {} has no huge object {number}", self.address)
        })
    }
}
