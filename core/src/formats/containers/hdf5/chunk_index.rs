//! Where the chunks of a dataset lie, by each of the indexes there are.
//! Source: HDF5 File Format Specification, III.A, VII.A to VII.D; of the library, `H5Dchunk.c`.

use super::btree_v2::{self, Records};
use super::file::{Fields, File};
use super::messages::{Extents, Index};
use super::{arrays, btree_v1};
use crate::formats::error::{ParseError, malformed};

/// One chunk that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its number in the dataset's grid of chunks, row-major.
    pub(super) number: u64,
    /// Where it lies, in the source.
    pub(super) position: u64,
    /// Bytes that are stored.
    pub(super) length: u64,
    /// The filters that were left out, a bit for each.
    pub(super) left_out: u32,
}

/// The chunks of a dataset, as a grid.
#[derive(Debug)]
pub(super) struct Grid {
    /// Chunks along each axis, now.
    counts: Vec<u64>,
    /// Chunks along each axis of a dataset as large as it may become; `None` without a bound.
    max: Vec<Option<u64>>,
    /// Extents of a chunk.
    chunk: Vec<u64>,
    /// Bytes of a chunk.
    pub(super) chunk_bytes: u64,
}

impl Grid {
    pub(super) fn new(extents: &Extents, chunk: &[u64], chunk_bytes: u64) -> Self {
        let counts = extents.shape.iter().zip(chunk).map(|(extent, chunk)| extent.div_ceil(*chunk)).collect();
        let max = extents.max.iter().zip(chunk).map(|(max, chunk)| Some((*max)?.div_ceil(*chunk))).collect();
        Self { counts, max, chunk: chunk.to_vec(), chunk_bytes }
    }

    /// The number of the chunk at a place in the grid; `None` outside: the dataset was made smaller.
    fn number(&self, place: impl Iterator<Item = u64>) -> Option<u64> {
        place.zip(&self.counts).try_fold(0, |number, (coordinate, count)| {
            (coordinate < *count).then(|| number * count + coordinate)
        })
    }

    /// The number of the chunk with an entry of an array. Arrays count over the grid of a dataset as
    /// large as it may become, with the axis that has no bound first.
    fn number_of_entry(&self, mut entry: u64, unbounded: Option<usize>) -> Option<u64> {
        let rank = self.counts.len();
        let mut place = vec![0; rank];
        for axis in (0..rank).rev().filter(|axis| Some(*axis) != unbounded) {
            let count = self.max[axis]?.max(1);
            place[axis] = entry % count;
            entry /= count;
        }
        match unbounded {
            Some(axis) => place[axis] = entry,
            None if entry > 0 => return None,
            None => {}
        }
        self.number(place.into_iter())
    }

    /// Entries of an array over all chunks that are possible.
    fn possible(&self) -> Option<u64> {
        self.max.iter().try_fold(1_u64, |product, count| product.checked_mul((*count)?))
    }
}

/// All stored chunks, in the order of the grid.
pub(super) fn chunks(
    file: &mut File,
    index: &Index,
    address: Option<u64>,
    grid: &Grid,
    filtered: bool,
) -> Result<Vec<Chunk>, ParseError> {
    let mut found = Found { grid, filtered, chunks: Vec::new() };
    if let Some(address) = address {
        match index {
            Index::Tree => of_tree(file, address, &mut found)?,
            Index::Single(filtered) => {
                let (length, left_out) = filtered.unwrap_or((grid.chunk_bytes, 0));
                found.add(file, Some(0), Some(address), length, left_out)?;
            }
            Index::Implicit => implicit(file, address, &mut found)?,
            Index::FixedArray => {
                let possible = grid.possible();
                arrays::fixed(file, address, possible, filtered, &mut |file, entry, place| {
                    found.entry(file, grid.number_of_entry(entry, None), place)
                })?;
            }
            Index::ExtensibleArray => {
                let unbounded = grid.max.iter().position(Option::is_none);
                arrays::extensible(file, address, filtered, &mut |file, entry, place| {
                    found.entry(file, grid.number_of_entry(entry, unbounded), place)
                })?;
            }
            Index::Tree2 => of_btree_v2(file, address, &mut found)?,
        }
    }
    let mut chunks = found.chunks;
    chunks.sort_unstable_by_key(|chunk| chunk.number);
    if let Some(pair) = chunks.windows(2).find(|pair| pair[0].number == pair[1].number) {
        return Err(malformed!("chunk {} of a dataset is stored twice", pair[0].number));
    }
    Ok(chunks)
}

/// Chunks that an index led to.
struct Found<'g> {
    grid: &'g Grid,
    filtered: bool,
    chunks: Vec<Chunk>,
}

impl Found<'_> {
    /// Keeps a chunk that has an address and is part of the dataset.
    fn add(
        &mut self,
        file: &mut File,
        number: Option<u64>,
        address: Option<u64>,
        length: u64,
        left_out: u32,
    ) -> Result<(), ParseError> {
        let (Some(number), Some(address)) = (number, address) else {
            return Ok(());
        };
        let Some(position) = file.place(address, length) else {
            return Err(malformed!(
                "chunk {number} of a dataset has {length} bytes at address {address}, but the file has {} bytes",
                file.length()
            ));
        };
        if !self.filtered && (length != self.grid.chunk_bytes || left_out != 0) {
            return Err(malformed!(
                "chunk {number} of a dataset without filters has {length} bytes instead of {}",
                self.grid.chunk_bytes
            ));
        }
        file.charge(size_of::<Chunk>() as u64)?;
        self.chunks.push(Chunk { number, position, length, left_out });
        Ok(())
    }

    /// The entry of an array: an address; where there are filters, length and filters left out too.
    fn entry(&mut self, file: &mut File, number: Option<u64>, mut fields: Fields) -> Result<(), ParseError> {
        let address = fields.address()?;
        let (length, left_out) = if self.filtered {
            let width = fields.left().saturating_sub(4).min(8);
            (fields.uint(width)?, fields.u32()?)
        } else {
            (self.grid.chunk_bytes, 0)
        };
        self.add(file, number, address, length, left_out)
    }
}

fn of_tree(file: &mut File, address: u64, found: &mut Found) -> Result<(), ParseError> {
    let grid = found.grid;
    let rank = grid.counts.len();
    btree_v1::visit(file, address, &btree_v1::Kind::Chunks(rank), &mut |file, mut key, child| {
        let (length, left_out) = (key.u32()?, key.u32()?);
        let mut place = Vec::with_capacity(rank);
        for chunk in &grid.chunk {
            let first = key.uint(8)?;
            if !first.is_multiple_of(*chunk) {
                return Err(malformed!("a chunk of {chunk} elements starts at element {first}"));
            }
            place.push(first / chunk);
        }
        found.add(file, grid.number(place.into_iter()), Some(child), length.into(), left_out)
    })
}

fn of_btree_v2(file: &mut File, address: u64, found: &mut Found) -> Result<(), ParseError> {
    let grid = found.grid;
    let records = if found.filtered { Records::FilteredChunks } else { Records::Chunks };
    btree_v2::visit(file, address, records, &mut |file, record| {
        let places = 8 * grid.counts.len();
        let Some(split) = record.len().checked_sub(places) else {
            return Err(malformed!("a chunk's record has {} bytes for {places}", record.len()));
        };
        let mut fields = Fields::new(&record[split..], file.widths, "a chunk's record");
        let mut place = Vec::with_capacity(grid.counts.len());
        for _ in &grid.counts {
            place.push(fields.uint(8)?);
        }
        let number = grid.number(place.into_iter());
        found.entry(file, number, Fields::new(&record[..split], file.widths, "a chunk's record"))
    })
}

/// Chunks that stand one behind the other, all there from the start.
fn implicit(file: &mut File, address: u64, found: &mut Found) -> Result<(), ParseError> {
    let grid = found.grid;
    let count = grid.possible();
    let total = count.and_then(|count| count.checked_mul(grid.chunk_bytes));
    let (Some(count), Some(_)) = (count, total.and_then(|total| file.place(address, total))) else {
        return Err(malformed!(
            "{count:?} chunks of {} bytes are said to stand at address {address}, but the file has {} bytes",
            grid.chunk_bytes,
            file.length()
        ));
    };
    for entry in 0..count {
        let coordinate = address + entry * grid.chunk_bytes;
        found.add(file, grid.number_of_entry(entry, None), Some(coordinate), grid.chunk_bytes, 0)?;
    }
    Ok(())
}
