//! A window of a source, read by addresses: bounds, a budget of work, and a memory of what was read.

use super::checksum::lookup3;
use super::datatype_class::Datatype;
use super::heap_collection::Collection;
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::support::damage::is_damaged;
use crate::source::{Source, SourceError};
use std::collections::{HashMap, HashSet};

/// Work that opening may do besides what its size allows: files of a few bytes need some too.
const WORK_BASE: u64 = 1 << 20;
/// Work for each byte of the file. Every structure is read once, and few are read twice: whoever
/// needs more overlaps structures in order to make the reader work.
const WORK_PER_BYTE: u64 = 4;
/// The most work, whatever the size: a terabyte of data in chunks of 64 KiB has 0.5 GiB of index.
const MAX_WORK: u64 = 1 << 30;

/// Structures are small and stand in groups: short reads are served from the blocks fetched last.
const BLOCK_BYTES: u64 = 8 << 10;
const MAX_BLOCKS: usize = 16;

/// Widths of addresses and lengths, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) address: usize,
    pub(super) length: usize,
}

/// An HDF5 file within a source: the whole of it, or an entry of an archive.
pub(super) struct File<'a> {
    source: &'a dyn Source,
    /// Where address 0 lies in the source.
    base: u64,
    /// Where the file ends in the source.
    end: u64,
    pub(super) widths: Widths,
    /// Work that may still be done: bytes read, and bytes of names that were put together.
    work: u64,
    claimed: HashSet<u64>,
    /// Blocks of the source by their number, the one used last in front.
    blocks: Vec<(u64, Vec<u8>)>,
    /// The global heap collection read last: neighbouring texts stand in the same one.
    pub(super) collection: Option<Collection>,
    /// Data types that have an object header of their own, by its address.
    pub(super) named_types: HashMap<u64, Datatype>,
}

impl<'a> File<'a> {
    /// The bytes `base..end` of a source. Address 0 lies at `base`.
    pub(super) fn new(source: &'a dyn Source, base: u64, end: u64) -> Self {
        let work = (end - base).saturating_mul(WORK_PER_BYTE).saturating_add(WORK_BASE).min(MAX_WORK);
        let widths = Widths { address: 8, length: 8 };
        Self {
            source,
            base,
            end,
            widths,
            work,
            claimed: HashSet::new(),
            blocks: Vec::new(),
            collection: None,
            named_types: HashMap::new(),
        }
    }

    /// Bytes from address 0 to the end.
    pub(super) fn length(&self) -> u64 {
        self.end - self.base
    }

    /// The position in the source of `length` bytes at an address, if they all lie in the file.
    pub(super) fn place(&self, address: u64, length: u64) -> Option<u64> {
        let position = self.base.checked_add(address)?;
        (position.checked_add(length)? <= self.end).then_some(position)
    }

    /// Charges for work.
    pub(super) fn charge(&mut self, work: u64) -> Result<(), ParseError> {
        self.work = self.work.checked_sub(work).ok_or_else(|| {
            too_large!(
                "the structures of the HDF5 file are larger than a file of {} bytes can need",
                self.length()
            )
        })?;
        Ok(())
    }

    /// Bytes at an address.
    pub(super) fn read(&mut self, address: u64, length: u64, what: &str) -> Result<Vec<u8>, ParseError> {
        let Some(position) = self.place(address, length) else {
            return Err(malformed!(
                "{what} needs {length} bytes at address {address}, but the file has {} bytes",
                self.length()
            ));
        };
        self.charge(length)?;
        let mut bytes = zeroed(length)?;
        self.fetch(position, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads at a position in the source, through the blocks if that is worth it.
    fn fetch(&mut self, mut position: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        if buf.len() as u64 > BLOCK_BYTES {
            return self.source.read_at(position, buf);
        }
        while !buf.is_empty() {
            let number = position / BLOCK_BYTES;
            match self.blocks.iter().position(|(known, _)| *known == number) {
                Some(place) => self.blocks[..=place].rotate_right(1),
                None => {
                    let start = number * BLOCK_BYTES;
                    let mut block = vec![0; BLOCK_BYTES.min(self.end - start) as usize];
                    self.source.read_at(start, &mut block)?;
                    self.blocks.truncate(MAX_BLOCKS - 1);
                    self.blocks.insert(0, (number, block));
                }
            }
            let block = &self.blocks[0].1[(position % BLOCK_BYTES) as usize..];
            let n = buf.len().min(block.len());
            buf[..n].copy_from_slice(&block[..n]);
            buf = &mut buf[n..];
            position += n as u64;
        }
        Ok(())
    }

    /// Bytes at an address that end with their checksum, which is verified and left out.
    pub(super) fn checked(&mut self, address: u64, length: u64, what: &str) -> Result<Vec<u8>, ParseError> {
        let mut bytes = self.read(address, length, what)?;
        verify(&mut bytes, address, what)?;
        Ok(bytes)
    }

    /// Notes that a structure is read. Each may be part of one other only: whoever names it again
    /// has made a loop.
    pub(super) fn claim(&mut self, address: u64, what: &str) -> Result<(), ParseError> {
        if !self.claimed.insert(address) {
            return Err(malformed!("{what} at address {address} is used twice: the file has a loop"));
        }
        Ok(())
    }
}

/// Takes the checksum off the end of a structure's bytes, if it is theirs.
pub(super) fn verify(bytes: &mut Vec<u8>, address: u64, what: &str) -> Result<(), ParseError> {
    let stored = bytes.len().checked_sub(4).map(|end| bytes.split_off(end));
    let stored = stored.and_then(|tail| Some(u32::from_le_bytes(tail.try_into().ok()?)));
    let computed = lookup3(bytes);
    if is_damaged(stored, Some(computed)) {
        return Err(malformed!(
            "{what} at address {address} has checksum {:08x}, but its bytes give {computed:08x}",
            stored.unwrap_or(0)
        ));
    }
    Ok(())
}

/// A buffer of zeros, whose size follows from the file.
pub(super) fn zeroed(length: u64) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.try_reserve_exact(length).ok().map(|()| bytes.resize(length, 0)))
        .ok_or_else(|| too_large!("there is no memory for {length} bytes"))?;
    Ok(bytes)
}

/// The fields of a structure, from front to back. All numbers are little-endian.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    position: usize,
    widths: Widths,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// The fields of `what`, which messages name.
    pub(super) fn new(bytes: &'a [u8], widths: Widths, what: &'static str) -> Self {
        Self { bytes, position: 0, widths, what }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Position of the next byte.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], ParseError> {
        if n > self.left() {
            return Err(malformed!(
                "{} needs {n} bytes at byte {}, but has {} left",
                self.what,
                self.position,
                self.left()
            ));
        }
        self.position += n;
        Ok(&self.bytes[self.position - n..self.position])
    }

    /// Steps over bytes.
    pub(super) fn skip(&mut self, n: usize) -> Result<(), ParseError> {
        self.take(n).map(|_| ())
    }

    /// The number in the next `width` bytes, at most eight.
    pub(super) fn uint(&mut self, width: usize) -> Result<u64, ParseError> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(self.take(1)?[0])
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Result<u16, ParseError> {
        Ok(self.uint(2)? as u16)
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, ParseError> {
        Ok(self.uint(4)? as u32)
    }

    /// A length or a count, in the file's own width.
    pub(super) fn length(&mut self) -> Result<u64, ParseError> {
        self.uint(self.widths.length)
    }

    /// An address; `None` for the undefined one, whose bits are all set.
    pub(super) fn address(&mut self) -> Result<Option<u64>, ParseError> {
        let address = self.uint(self.widths.address)?;
        Ok((address != u64::MAX >> (64 - 8 * self.widths.address)).then_some(address))
    }

    /// An address that must be a defined one.
    pub(super) fn defined(&mut self) -> Result<u64, ParseError> {
        let what = self.what;
        self.address()?.ok_or_else(|| malformed!("{what} holds an undefined address"))
    }

    /// A signature of four letters, if it is the expected one.
    pub(super) fn signature(&mut self, expected: &[u8; 4]) -> Result<(), ParseError> {
        let found = self.take(4)?;
        if found != expected {
            return Err(malformed!(
                "{} starts with bytes {found:02x?} instead of \"{}\"",
                self.what,
                String::from_utf8_lossy(expected)
            ));
        }
        Ok(())
    }

    /// A version, if it lies in a range.
    pub(super) fn version(&mut self, min: u8, max: u8) -> Result<u8, ParseError> {
        let version = self.u8()?;
        if !(min..=max).contains(&version) {
            return Err(unsupported!(
                "{} has version {version} (versions {min} to {max} are supported)",
                self.what
            ));
        }
        Ok(version)
    }

    /// Bytes up to a zero, which is stepped over.
    pub(super) fn text(&mut self) -> Result<&'a [u8], ParseError> {
        let rest = &self.bytes[self.position..];
        let Some(length) = rest.iter().position(|byte| *byte == 0) else {
            return Err(malformed!("{} holds a name without an end", self.what));
        };
        self.position += length + 1;
        Ok(&rest[..length])
    }
}
