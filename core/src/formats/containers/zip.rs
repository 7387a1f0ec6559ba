//! ZIP archives: torch's and Keras's containers, and npz. The central directory is read, never the
//! entries' data, and every entry says where its data lie, so stored ones are read straight from the
//! file. Whatever two readers could understand differently is refused: a local header that says
//! something else than the directory, a name that is there twice, entries that overlap.
//! Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.

use crate::byte_range::ByteRange;
use crate::formats::error::{ParseError, malformed, tidy, too_large, unsupported};
use crate::formats::support::damage::is_damaged;
use crate::formats::support::header_reader::HeaderReader;
use crate::formats::support::inflate::Inflated;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError};
use flate2::Crc;
use std::collections::HashSet;
use std::sync::Arc;

/// What a file that is an archive with at least one entry starts with.
pub const MAGIC: &[u8] = b"PK\x03\x04";
/// Most entries of one archive: a tensor each, as many as a model may have.
const MAX_ENTRIES: u64 = 1 << 20;
/// Deflate's greatest ratio: 258 bytes for two bits.
const MAX_RATIO: u64 = 1032;
/// Bytes of an entry that are read at a time when it is checked.
const CHECK_BYTES: usize = 64 << 10;

const LOCAL_BYTES: u64 = 30;
const END_BYTES: u64 = 22;
const END64_BYTES: u64 = 56;
const LOCATOR_BYTES: u64 = 20;

const FLAG_ENCRYPTED: u16 = 1;
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_PATCHED: u16 = 1 << 5;
const FLAG_STRONG_ENCRYPTION: u16 = 1 << 6;
const FLAG_MASKED: u16 = 1 << 13;

/// How an entry's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Stored,
    /// As a raw deflate stream.
    Deflated,
}

/// One entry of an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path within the archive.
    pub name: String,
    /// How the bytes are stored.
    pub method: Method,
    /// First byte of the stored bytes within the file.
    pub data_offset: u64,
    /// Number of stored bytes.
    pub compressed_length: u64,
    /// Number of bytes.
    pub length: u64,
    /// Checksum of the bytes.
    pub crc32: u32,
}

impl Entry {
    /// How the entry's bytes are had from the archive's file.
    pub fn recipe(&self) -> Arc<dyn LazyTensor> {
        self.recipe_with(Some(self.crc32))
    }

    /// As [`Entry::recipe`], for readers that compare no checksum: torch's own does not.
    pub fn unchecked_recipe(&self) -> Arc<dyn LazyTensor> {
        self.recipe_with(None)
    }

    fn recipe_with(&self, crc32: Option<u32>) -> Arc<dyn LazyTensor> {
        match self.method {
            Method::Stored => Arc::new(ByteRange::new(self.data_offset, self.length)),
            Method::Deflated => Arc::new(Inflated {
                offset: self.data_offset,
                compressed_length: self.compressed_length,
                length: self.length,
                crc32,
            }),
        }
    }

    /// The entry's bytes. Read from front to back, deflated ones cost little; a lower offset starts
    /// again from the entry's first byte.
    ///
    /// # Errors
    /// [`SourceError`], as for any source.
    pub fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        self.recipe().open(file)
    }

    /// Reads the whole entry and compares its checksum.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] when it is another one.
    pub fn verify(&self, file: &dyn Source) -> Result<(), SourceError> {
        match self.damage(file)? {
            None => Ok(()),
            Some(damage) => Err(SourceError::Malformed(damage)),
        }
    }

    /// What is wrong with the entry's checksum, after reading all of it.
    ///
    /// # Errors
    /// [`SourceError`] when its bytes cannot be had.
    pub fn damage(&self, file: &dyn Source) -> Result<Option<String>, SourceError> {
        let recipe = self.unchecked_recipe();
        let source = recipe.open(file)?;
        let mut buffer = vec![0; self.length.min(CHECK_BYTES as u64) as usize];
        let (mut position, mut crc) = (0, Crc::new());
        while position < self.length {
            let n = (self.length - position).min(buffer.len() as u64) as usize;
            source.read_at(position, &mut buffer[..n])?;
            crc.update(&buffer[..n]);
            position += n as u64;
        }
        if !is_damaged(self.crc32, crc.sum()) {
            return Ok(None);
        }
        Ok(Some(tidy(format!(
            "entry \"{}\" has the CRC-32 {:08x}, but the archive says {:08x}",
            self.name,
            crc.sum(),
            self.crc32
        ))))
    }

    /// All bytes of a small entry, whatever its checksum.
    ///
    /// # Errors
    /// [`ParseError::TooLarge`] for more than `max` bytes, [`ParseError::Source`] for broken ones.
    pub fn read_unchecked(&self, file: &dyn Source, max: u64) -> Result<Vec<u8>, ParseError> {
        if self.length > max {
            return Err(too_large!("entry \"{}\" has {} bytes (at most {max})", self.name, self.length));
        }
        let mut bytes = vec![0; self.length as usize];
        let recipe = self.unchecked_recipe();
        recipe.open(file)?.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// All bytes of a small entry, its checksum compared.
    ///
    /// # Errors
    /// [`ParseError::TooLarge`] for more than `max` bytes, [`ParseError::Source`] for damaged ones.
    pub fn read(&self, file: &dyn Source, max: u64) -> Result<Vec<u8>, ParseError> {
        let bytes = self.read_unchecked(file, max)?;
        self.verify(file)?;
        Ok(bytes)
    }
}

/// True for a file that starts as an archive does.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
pub fn is_archive(source: &dyn Source) -> Result<bool, SourceError> {
    let mut head = [0; MAGIC.len()];
    if source.len() < head.len() as u64 {
        return Ok(false);
    }
    source.read_at(0, &mut head)?;
    Ok(head == MAGIC)
}

/// The names of an archive's entries, from its directory alone.
///
/// # Errors
/// As [`entries`], but for what the entries' own headers say.
pub fn names(source: &dyn Source) -> Result<Vec<String>, ParseError> {
    let records = records(source, &find_directory(source)?)?;
    Ok(records.into_iter().map(|record| record.name).collect())
}

/// The entries of an archive, in the order of its directory.
///
/// # Errors
/// [`ParseError`] when the file is not an archive, or not one that all readers understand alike.
pub fn entries(source: &dyn Source) -> Result<Vec<Entry>, ParseError> {
    let directory = find_directory(source)?;
    place(source, records(source, &directory)?, directory.offset, true)
}

/// As [`entries`], for a reader that compares no checksums: those in the entries' own headers may be others.
///
/// # Errors
/// As [`entries`].
pub fn unchecked_entries(source: &dyn Source) -> Result<Vec<Entry>, ParseError> {
    let directory = find_directory(source)?;
    place(source, records(source, &directory)?, directory.offset, false)
}

fn records(source: &dyn Source, directory: &Directory) -> Result<Vec<Record>, ParseError> {
    if directory.count > MAX_ENTRIES {
        return Err(too_large!("the archive has {} entries (at most {MAX_ENTRIES})", directory.count));
    }
    let mut reader = HeaderReader::new(source);
    reader.skip(directory.offset, "the archive's directory")?;
    let (mut records, mut names) = (Vec::new(), HashSet::new());
    for _ in 0..directory.count {
        let record = Record::read(&mut reader, directory.end())?;
        if !names.insert(record.name.clone()) {
            return Err(malformed!("entry \"{}\" is there twice", record.name));
        }
        records.push(record);
    }
    if reader.position() != directory.end() {
        return Err(malformed!(
            "the archive's directory has {} entries that end at byte {}, but should end at byte {}",
            directory.count,
            reader.position(),
            directory.end()
        ));
    }
    Ok(records)
}

/// Where the central directory lies.
struct Directory {
    offset: u64,
    length: u64,
    count: u64,
}

impl Directory {
    fn end(&self) -> u64 {
        self.offset + self.length
    }
}

fn find_directory(source: &dyn Source) -> Result<Directory, ParseError> {
    let missing = || malformed!("the archive has no directory at its end: it is damaged or cut off");
    let tail_length = source.len().min(END_BYTES + u64::from(u16::MAX));
    let tail_start = source.len() - tail_length;
    let mut tail = vec![0; tail_length as usize];
    source.read_at(tail_start, &mut tail)?;
    // The comment must reach the file's end exactly.
    let position = (0..=tail.len().checked_sub(END_BYTES as usize).ok_or_else(missing)?)
        .rev()
        .find(|&position| {
            tail[position..].starts_with(b"PK\x05\x06")
                && usize::from(u16_at(&tail, position + 20)) == tail.len() - position - END_BYTES as usize
        })
        .ok_or_else(missing)?;
    let end = &tail[position..];
    let end_start = tail_start + position as u64;
    let narrow = [
        u64::from(u16_at(end, 4)),
        u64::from(u16_at(end, 6)),
        u64::from(u16_at(end, 8)),
        u64::from(u16_at(end, 10)),
        u64::from(u32_at(end, 12)),
        u64::from(u32_at(end, 16)),
    ];
    let (directory_end, [disk, first_disk, count_here, count, length, offset]) =
        match read_end64(source, end_start)? {
            None => (end_start, narrow),
            Some((start, wide)) => {
                const FULL: [u64; 6] = [0xffff, 0xffff, 0xffff, 0xffff, 0xffff_ffff, 0xffff_ffff];
                for ((narrow, wide), full) in narrow.iter().zip(wide).zip(FULL) {
                    if *narrow != full && *narrow != wide {
                        return Err(malformed!(
                            "the archive's two end records differ: one says {narrow}, the other {wide}"
                        ));
                    }
                }
                (start, wide)
            }
        };
    if disk != 0 || first_disk != 0 || count_here != count {
        return Err(unsupported!("the archive is split over several files"));
    }
    if offset.checked_add(length) != Some(directory_end) {
        return Err(malformed!(
            "the archive's directory of {length} bytes at byte {offset} does not end where its end record starts, at byte {directory_end}"
        ));
    }
    Ok(Directory { offset, length, count })
}

/// The zip64 end record: where it starts, and its numbers in the order of the short one's.
fn read_end64(source: &dyn Source, end_start: u64) -> Result<Option<(u64, [u64; 6])>, ParseError> {
    let Some(locator_start) = end_start.checked_sub(LOCATOR_BYTES) else {
        return Ok(None);
    };
    let mut locator = [0; LOCATOR_BYTES as usize];
    source.read_at(locator_start, &mut locator)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    let start = u64_at(&locator, 8);
    // The record may be longer than what is known of it, so its end is not compared but its own length.
    let mut record = [0; END64_BYTES as usize];
    if start.checked_add(END64_BYTES).is_none_or(|end| end > locator_start) {
        return Err(malformed!("the archive's zip64 end record at byte {start} is not before its locator"));
    }
    source.read_at(start, &mut record)?;
    if !record.starts_with(b"PK\x06\x06") || u64_at(&record, 4).checked_add(12) != Some(locator_start - start)
    {
        return Err(malformed!("there is no zip64 end record at byte {start}"));
    }
    let numbers = [
        u64::from(u32_at(&record, 16)),
        u64::from(u32_at(&record, 20)),
        u64_at(&record, 24),
        u64_at(&record, 32),
        u64_at(&record, 40),
        u64_at(&record, 48),
    ];
    Ok(Some((start, numbers)))
}

/// An entry as the central directory has it.
struct Record {
    name: String,
    flags: u16,
    method: Method,
    crc32: u32,
    compressed_length: u64,
    length: u64,
    header_offset: u64,
}

impl Record {
    fn read(reader: &mut HeaderReader, end: u64) -> Result<Self, ParseError> {
        let what = "the archive's directory";
        if end.saturating_sub(reader.position()) < 46 {
            return Err(malformed!("the archive's directory ends within an entry, at byte {end}"));
        }
        let fixed: [u8; 46] = reader.array(what)?;
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(malformed!(
                "the archive's directory has no entry at byte {}",
                reader.position() - 46
            ));
        }
        let name = reader.take(u64::from(u16_at(&fixed, 28)), what)?;
        let name = name_of(name)?;
        let extra = reader.take(u64::from(u16_at(&fixed, 30)), what)?;
        let (mut compressed_length, mut length) =
            (u64::from(u32_at(&fixed, 20)), u64::from(u32_at(&fixed, 24)));
        let mut header_offset = u64::from(u32_at(&fixed, 42));
        Wide::from_extra(extra, &name)?
            .fill([&mut length, &mut compressed_length, &mut header_offset], &name)?;
        reader.skip(u64::from(u16_at(&fixed, 32)), what)?;

        let flags = u16_at(&fixed, 8);
        if flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED) != 0 {
            return Err(unsupported!("entry \"{name}\" is encrypted"));
        }
        if flags & FLAG_PATCHED != 0 {
            return Err(unsupported!("entry \"{name}\" is a patch of another file"));
        }
        let method = match u16_at(&fixed, 10) {
            0 => Method::Stored,
            8 => Method::Deflated,
            other => {
                return Err(unsupported!(
                    "entry \"{name}\" is compressed by method {other} (known: 0 and 8)"
                ));
            }
        };
        let possible = match method {
            Method::Stored => length == compressed_length,
            Method::Deflated => length <= compressed_length.saturating_mul(MAX_RATIO),
        };
        if !possible {
            return Err(malformed!(
                "entry \"{name}\" cannot have {length} bytes, stored as {compressed_length}"
            ));
        }
        Ok(Self { name, flags, method, crc32: u32_at(&fixed, 16), compressed_length, length, header_offset })
    }

    /// Compares the entry's local header; gives the first byte of its data.
    fn data_offset(
        &self,
        source: &dyn Source,
        directory_start: u64,
        checksums: bool,
    ) -> Result<u64, ParseError> {
        let Self { name, header_offset, .. } = self;
        let outside = || malformed!("entry \"{name}\" at byte {header_offset} reaches into the directory");
        let name_start = header_offset.checked_add(LOCAL_BYTES).ok_or_else(outside)?;
        let name_end = name_start.checked_add(name.len() as u64).ok_or_else(outside)?;
        if name_end > directory_start {
            return Err(outside());
        }
        let mut header = vec![0; LOCAL_BYTES as usize + name.len()];
        source.read_at(*header_offset, &mut header)?;
        let (fixed, local_name) = header.split_at(LOCAL_BYTES as usize);
        if !fixed.starts_with(MAGIC) {
            return Err(malformed!("entry \"{name}\" has no header at byte {header_offset}"));
        }
        let (name_length, extra_length) = (u16_at(fixed, 26), u16_at(fixed, 28));
        if local_name != name.as_bytes() || usize::from(name_length) != name.len() {
            return Err(malformed!(
                "entry \"{name}\" calls itself \"{}\" in its own header, with {name_length} bytes",
                String::from_utf8_lossy(local_name)
            ));
        }
        let data_offset = name_end + u64::from(extra_length);
        if data_offset.checked_add(self.compressed_length).is_none_or(|end| end > directory_start) {
            return Err(outside());
        }
        // The extra field is needed for zip64 lengths alone: torch pads it to align the data.
        let (compressed_length, length) = (u32_at(fixed, 18), u32_at(fixed, 22));
        let wide = compressed_length == u32::MAX || length == u32::MAX;
        let mut extra = vec![0; if wide { usize::from(extra_length) } else { 0 }];
        source.read_at(name_end, &mut extra)?;
        let flags = u16_at(fixed, 6);
        let method = match self.method {
            Method::Stored => 0,
            Method::Deflated => 8,
        };
        let secret = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED | FLAG_DESCRIPTOR;
        if (flags ^ self.flags) & secret != 0 || u16_at(fixed, 8) != method {
            return Err(malformed!("entry \"{name}\" is stored otherwise than the directory says"));
        }
        let (mut compressed_length, mut length) = (u64::from(compressed_length), u64::from(length));
        let crc32 = if checksums { u32_at(fixed, 14) } else { self.crc32 };
        // With a descriptor behind the data, a header that was written first knows nothing yet.
        let described = flags & FLAG_DESCRIPTOR != 0
            && (crc32 == 0 || !checksums)
            && (wide || (length, compressed_length) == (0, 0));
        if !described {
            if wide {
                Wide::from_extra(&extra, name)?.fill([&mut length, &mut compressed_length], name)?;
            }
            if (length, compressed_length, crc32) != (self.length, self.compressed_length, self.crc32) {
                return Err(malformed!(
                    "entry \"{name}\" has {length} bytes stored as {compressed_length} with CRC-32 {crc32:08x} by its own header, \
                     but {} bytes stored as {} with CRC-32 {:08x} by the directory",
                    self.length,
                    self.compressed_length,
                    self.crc32
                ));
            }
        }
        Ok(data_offset)
    }
}

/// Finds where each entry's data lie, and refuses entries that share bytes.
fn place(
    source: &dyn Source,
    records: Vec<Record>,
    directory_start: u64,
    checksums: bool,
) -> Result<Vec<Entry>, ParseError> {
    let (mut entries, mut spans) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for record in records {
        let data_offset = record.data_offset(source, directory_start, checksums)?;
        spans.push((record.header_offset, data_offset + record.compressed_length, entries.len()));
        entries.push(Entry {
            name: record.name,
            method: record.method,
            data_offset,
            compressed_length: record.compressed_length,
            length: record.length,
            crc32: record.crc32,
        });
    }
    spans.sort_unstable();
    for pair in spans.windows(2) {
        let ((_, end, first), (start, _, second)) = (pair[0], pair[1]);
        if start < end {
            return Err(malformed!(
                "entry \"{}\" starts at byte {start}, inside entry \"{}\" which ends at byte {end}",
                entries[second].name,
                entries[first].name
            ));
        }
    }
    Ok(entries)
}

fn name_of(bytes: &[u8]) -> Result<String, ParseError> {
    let name = std::str::from_utf8(bytes)
        .map_err(|_| unsupported!("entry \"{}\" has no UTF-8 name", String::from_utf8_lossy(bytes)))?;
    if name.is_empty() || name.contains('\0') {
        return Err(malformed!("an entry's name is empty or holds a zero byte"));
    }
    Ok(name.to_owned())
}

/// The zip64 extra field: the numbers that do not fit 32 bits, in a fixed order.
struct Wide<'a>(&'a [u8]);

impl<'a> Wide<'a> {
    /// Finds the field; empty where there is none.
    fn from_extra(mut extra: &'a [u8], name: &str) -> Result<Self, ParseError> {
        const ZIP64: u16 = 1;
        let mut found = None;
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let Some(field) = extra.get(4..4 + length) else {
                break;
            };
            if id == ZIP64 && found.replace(field).is_some() {
                return Err(malformed!("entry \"{name}\" has two zip64 fields"));
            }
            extra = &extra[4 + length..];
        }
        Ok(Self(found.unwrap_or_default()))
    }

    /// Replaces the numbers that say "too large" by those of the field.
    fn fill<const N: usize>(mut self, numbers: [&mut u64; N], name: &str) -> Result<(), ParseError> {
        for number in numbers {
            if *number == u64::from(u32::MAX) {
                let (first, rest) = self
                    .0
                    .split_first_chunk()
                    .ok_or_else(|| malformed!("entry \"{name}\" lacks a number of its zip64 field"))?;
                *number = u64::from_le_bytes(*first);
                self.0 = rest;
            }
        }
        Ok(())
    }
}

fn u16_at(bytes: &[u8], position: usize) -> u16 {
    u16::from_le_bytes(bytes[position..position + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8], position: usize) -> u32 {
    u32::from_le_bytes(bytes[position..position + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], position: usize) -> u64 {
    u64::from_le_bytes(bytes[position..position + 8].try_into().expect("eight bytes"))
}
