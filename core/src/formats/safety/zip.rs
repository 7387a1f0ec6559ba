//! ZIP archives, as whoever unpacks them may understand them: by each directory there may be, by the entries' own
//! headers, and by both where they differ. The reader of models refuses such archives; here they are searched.
//! Source: PKWARE's APPNOTE.TXT 6.3.10, section 4.3; how Python's zipfile, miniz and libarchive find a directory.

use super::limits::{MAX_HELD_ENTRY_BYTES, MAX_PARTS};
use super::report::{Kind, Verdict};
use super::state::{Nature, Walk, is_named_as_pickle};
use crate::byte_range::ByteRange;
use crate::formats::support::damage::is_damaged;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError};
use flate2::Crc;
use memchr::memmem;
use std::collections::{HashMap, HashSet};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: u64 = 46;
const END_BYTES: usize = 22;
const MAX_COMMENT: u64 = 0xffff;
/// Most ends of directories that are looked at: an archive has one.
const MAX_ENDS: usize = 16;
/// Longest stored entry whose checksum is compared; a pickle's always is.
const MAX_CHECKED_BYTES: u64 = 1 << 20;

/// True for a file that is an archive, or has one at its end.
pub(super) fn is_archive(source: &dyn Source, head: &[u8]) -> Result<bool, SourceError> {
    if head.starts_with(LOCAL) || head.starts_with(END) {
        return Ok(true);
    }
    let (_, tail) = read_tail(source, END_BYTES as u64 + MAX_COMMENT)?;
    Ok(memmem::find_iter(&tail, END).any(|place| tail.len() - place >= END_BYTES))
}

fn read_tail(source: &dyn Source, most: u64) -> Result<(u64, Vec<u8>), SourceError> {
    let length = source.len().min(most);
    let mut tail = vec![0; length as usize];
    source.read_at(source.len() - length, &mut tail)?;
    Ok((source.len() - length, tail))
}

/// How an entry is stored, by a header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc32: u32,
    compressed: u64,
    length: u64,
    /// Where its own header stands.
    offset: u64,
}

impl Header {
    fn is_encrypted(&self) -> bool {
        self.flags & (1 | 1 << 6 | 1 << 13) != 0
    }

    fn has_descriptor(&self) -> bool {
        self.flags & (1 << 3) != 0
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

impl Walk<'_> {
    /// Examines an archive's entries, by every directory and by their own headers.
    pub(super) fn zip(&mut self, source: &dyn Source, place: &str, depth: usize) -> Result<(), SourceError> {
        let starts = directories(source)?;
        let mut seen: HashSet<(u64, u64, u16)> = HashSet::new();
        let mut ends: HashMap<u64, u64> = HashMap::new();
        if starts.len() > 1 {
            let why = "programs that read the archive see different entries";
            let what = format!("{} directories", starts.len());
            self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
        }
        for (start, base) in &starts {
            let mut names = HashSet::new();
            let (mut position, mut entries) = (*start, 0u64);
            while let Some((header, next)) = central(source, position, *base)? {
                position = next;
                entries += 1;
                if entries > MAX_PARTS {
                    self.limit(place, &format!("more than {MAX_PARTS} entries"));
                    break;
                }
                if !names.insert(header.name.clone()) {
                    let why = "programs that read the archive take one or the other";
                    let what = format!("entry \"{}\" is there twice", header.name());
                    self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
                }
                let end = self.listed(source, &header, place, depth, &mut seen)?;
                ends.insert(header.offset, end);
            }
        }
        if starts.is_empty() {
            let why = "the archive is damaged or cut off; its entries are taken from their own headers";
            self.findings.add(Verdict::Suspicious, Kind::Archive, place, "no directory at the end", why);
        }
        self.unlisted(source, &ends, place, depth, &mut seen)
    }

    /// Examines an entry that a directory lists. Gives the byte behind it.
    fn listed(
        &mut self,
        source: &dyn Source,
        header: &Header,
        place: &str,
        depth: usize,
        seen: &mut HashSet<(u64, u64, u16)>,
    ) -> Result<u64, SourceError> {
        let entry = format!("{place}: {}", header.name());
        self.check_name(&header.name(), place);
        let Some((own, data)) = local(source, header.offset)? else {
            let why = "the directory leads to where no entry is";
            self.findings.add(Verdict::Suspicious, Kind::Archive, &entry, "an entry without a header", why);
            return Ok(header.offset);
        };
        let mut differs = Vec::new();
        if own.name != header.name {
            differs.push("name");
        }
        if own.method != header.method {
            differs.push("compression");
        }
        if own.is_encrypted() != header.is_encrypted() {
            differs.push("encryption");
        }
        if !own.has_descriptor() {
            let wide = |length: u64| length == u64::from(u32::MAX);
            if own.compressed != header.compressed && !wide(own.compressed) {
                differs.push("stored length");
            }
            if own.length != header.length && !wide(own.length) {
                differs.push("length");
            }
            // Zero stands for a checksum that was not computed.
            if own.crc32 != header.crc32 && own.crc32 != 0 && header.crc32 != 0 {
                differs.push("checksum");
            }
        }
        if !differs.is_empty() {
            let what = format!("an entry whose own header contradicts the directory: {}", differs.join(", "));
            let why = "programs that read the archive see different entries";
            self.findings.add(Verdict::Suspicious, Kind::Archive, &entry, &what, why);
        }
        self.entry(source, header, data, &entry, depth, seen)?;
        if own.method != header.method || (own.compressed != header.compressed && own.compressed > 0) {
            let own = Header { compressed: own.compressed.max(header.compressed), crc32: 0, ..own };
            self.entry(source, &own, data, &entry, depth, seen)?;
        }
        Ok(data.saturating_add(header.compressed))
    }

    /// Follows the entries' own headers from the file's beginning, as programs do that read a stream.
    fn unlisted(
        &mut self,
        source: &dyn Source,
        ends: &HashMap<u64, u64>,
        place: &str,
        depth: usize,
        seen: &mut HashSet<(u64, u64, u16)>,
    ) -> Result<(), SourceError> {
        let mut position = 0;
        for _ in 0..MAX_PARTS {
            (self.tick)();
            if let Some(end) = ends.get(&position).filter(|end| **end > position) {
                position = self.after_descriptor(source, *end)?;
                continue;
            }
            let Some((own, data)) = local(source, position)? else { return Ok(()) };
            let entry = format!("{place}: {}", own.name());
            let why = "programs that read the archive as a stream see it, others do not";
            self.findings.add(
                Verdict::Suspicious,
                Kind::Archive,
                &entry,
                "an entry that no directory lists",
                why,
            );
            self.entry(source, &Header { offset: position, ..own.clone() }, data, &entry, depth, seen)?;
            let end = data.saturating_add(own.compressed);
            if own.has_descriptor() && own.compressed == 0 {
                return Ok(());
            }
            position = self.after_descriptor(source, end)?;
        }
        Ok(())
    }

    /// The byte behind an entry's data and the descriptor that may follow.
    fn after_descriptor(&mut self, source: &dyn Source, end: u64) -> Result<u64, SourceError> {
        let mut next = [0; 4];
        for skip in [0, 12, 16, 20, 24] {
            let at = end.saturating_add(skip);
            if at.saturating_add(4) > source.len() {
                break;
            }
            source.read_at(at, &mut next)?;
            if next == LOCAL || next == CENTRAL {
                return Ok(at);
            }
        }
        Ok(end)
    }

    fn entry(
        &mut self,
        source: &dyn Source,
        header: &Header,
        data: u64,
        place: &str,
        depth: usize,
        seen: &mut HashSet<(u64, u64, u16)>,
    ) -> Result<(), SourceError> {
        if !seen.insert((data, header.compressed, header.method)) {
            return Ok(());
        }
        self.findings.examined.entries += 1;
        if header.is_encrypted() {
            let why = "what is in it cannot be seen without the password";
            self.findings.add(Verdict::Suspicious, Kind::Archive, place, "an encrypted entry", why);
        }
        let Some(left) = source.len().checked_sub(data) else {
            self.unreadable(place, &"the entry lies behind the end of the archive");
            return Ok(());
        };
        if header.compressed > left {
            self.unreadable(place, &"the entry ends behind the end of the archive");
        }
        let stored = header.compressed.min(left);
        let nature = if is_named_as_pickle(&header.name()) { Nature::Pickle } else { Nature::Data };
        match header.method {
            0 => self.stored(source, header, ByteRange::new(data, stored), place, nature, depth),
            8 => self.deflated(source, header, data, stored, place, nature, depth),
            other => {
                let name = match other {
                    9 => " (deflate64)",
                    12 => " (bzip2)",
                    14 => " (lzma)",
                    93 => " (zstd)",
                    95 => " (xz)",
                    _ => "",
                };
                let what = format!("an entry compressed by method {other}{name}");
                let why = "it is not decompressed here, and programs that read the archive may do it";
                self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
                let part = ByteRange::new(data, stored).open(source)?;
                self.part(&*part, place, Nature::Data, depth + 1)
            }
        }
    }

    fn stored(
        &mut self,
        source: &dyn Source,
        header: &Header,
        range: ByteRange,
        place: &str,
        nature: Nature,
        depth: usize,
    ) -> Result<(), SourceError> {
        if header.length != range.len {
            self.wrong_length(header, range.len, place);
        }
        let part = range.open(source)?;
        if header.crc32 != 0 && (range.len <= MAX_CHECKED_BYTES || nature == Nature::Pickle) {
            let mut crc = Crc::new();
            let mut buffer = vec![0; range.len.min(64 << 10) as usize];
            let mut position = 0;
            while position < range.len {
                let n = (range.len - position).min(buffer.len() as u64) as usize;
                (self.tick)();
                part.read_at(position, &mut buffer[..n])?;
                crc.update(&buffer[..n]);
                position += n as u64;
            }
            self.check_sum(header, crc.sum(), place);
        }
        self.part(&*part, place, nature, depth + 1)
    }

    #[allow(clippy::too_many_arguments)]
    fn deflated(
        &mut self,
        source: &dyn Source,
        header: &Header,
        data: u64,
        stored: u64,
        place: &str,
        nature: Nature,
        depth: usize,
    ) -> Result<(), SourceError> {
        let found = self.inflate(source, data, stored);
        if let Some(error) = &found.error {
            self.unreadable(place, &format!("the entry's deflate stream: {error}"));
        } else if found.is_cut {
            // Weights are large and hold nothing; what begins like anything else should have been seen whole.
            let head = &found.bytes[..found.bytes.len().min(1 << 10)];
            let is_array = super::arrays::is_array(head);
            if !is_array || found.bytes.len() < MAX_HELD_ENTRY_BYTES as usize {
                self.limit(place, &format!("more than {} bytes of a deflated entry", found.bytes.len()));
            }
        } else {
            if found.bytes.len() as u64 != header.length {
                self.wrong_length(header, found.bytes.len() as u64, place);
            }
            let mut crc = Crc::new();
            crc.update(&found.bytes);
            self.check_sum(header, crc.sum(), place);
        }
        self.part(&&found.bytes[..], place, nature, depth + 1)
    }

    fn wrong_length(&mut self, header: &Header, length: u64, place: &str) {
        let what = format!("an entry of {length} bytes that should have {}", header.length);
        let why = "programs that read the archive take more or less of it";
        self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
    }

    /// torch never compares checksums, so a wrong one hides an entry from programs that do (CVE-2025-10156).
    fn check_sum(&mut self, header: &Header, sum: u32, place: &str) {
        if header.crc32 != 0 && is_damaged(header.crc32, sum) {
            let why =
                "torch reads it all the same, and programs that compare checksums do not (CVE-2025-10156)";
            self.findings.add(
                Verdict::Suspicious,
                Kind::Archive,
                place,
                "an entry with a wrong checksum",
                why,
            );
        }
    }

    /// Names that lead out of the folder that an archive is unpacked to.
    pub(super) fn check_name(&mut self, name: &str, place: &str) {
        let leads_out = name.starts_with(['/', '\\'])
            || name.split(['/', '\\']).any(|part| part == "..")
            || name.as_bytes().get(1) == Some(&b':');
        if leads_out {
            let what = format!("an entry named \"{name}\"");
            let why = "unpacking it may write outside of the folder (CVE-2007-4559)";
            self.findings.add(Verdict::Suspicious, Kind::Archive, place, &what, why);
        }
    }
}

/// Where directories start that programs may find, each with what is to be added to the positions in it.
fn directories(source: &dyn Source) -> Result<Vec<(u64, u64)>, SourceError> {
    let (tail_start, tail) = read_tail(source, END_BYTES as u64 + MAX_COMMENT)?;
    let mut found: Vec<(u64, u64)> = Vec::new();
    let ends: Vec<usize> =
        memmem::find_iter(&tail, END).filter(|place| tail.len() - place >= END_BYTES).collect();
    // Some programs take the last one, others the one whose comment reaches the file's end. Those of inner archives
    // are neither.
    let reaches_end = |place: usize| place + END_BYTES + usize::from(u16_at(&tail, place + 20)) == tail.len();
    let last = ends.last().copied();
    let ends = ends.into_iter().rev().filter(|place| Some(*place) == last || reaches_end(*place));
    for place in ends.take(MAX_ENDS) {
        let end = tail_start + place as u64;
        let mut candidates =
            vec![(end, u64::from(u32_at(&tail, place + 12)), u64::from(u32_at(&tail, place + 16)))];
        if let Some(wide) = end64(source, end)? {
            candidates.push(wide);
        }
        for (end, length, offset) in candidates {
            // Python counts back from the end, and takes what stands before the archive for a prefix.
            let by_length = end.checked_sub(length).map(|start| (start, start.wrapping_sub(offset)));
            for (start, base) in by_length.into_iter().chain([(offset, 0)]) {
                let is_start = starts_with(source, start, CENTRAL)? || (start == end && length == 0);
                if is_start && !found.iter().any(|known| known.0 == start) {
                    found.push((start, base));
                }
            }
        }
    }
    Ok(found)
}

/// The zip64 end before an end: where it stands, the directory's length and its offset.
fn end64(source: &dyn Source, end: u64) -> Result<Option<(u64, u64, u64)>, SourceError> {
    let Some(locator) = end.checked_sub(20) else { return Ok(None) };
    let mut bytes = [0; 20];
    source.read_at(locator, &mut bytes)?;
    if !bytes.starts_with(LOCATOR) {
        return Ok(None);
    }
    let said = u64_at(&bytes, 8);
    for start in [Some(said), locator.checked_sub(56)].into_iter().flatten() {
        if starts_with(source, start, END64)? && start.checked_add(56).is_some_and(|end| end <= source.len())
        {
            let mut record = [0; 56];
            source.read_at(start, &mut record)?;
            return Ok(Some((start, u64_at(&record, 40), u64_at(&record, 48))));
        }
    }
    Ok(None)
}

fn starts_with(source: &dyn Source, offset: u64, mark: &[u8]) -> Result<bool, SourceError> {
    let mut bytes = [0; 4];
    if offset.checked_add(4).is_none_or(|end| end > source.len()) {
        return Ok(false);
    }
    source.read_at(offset, &mut bytes)?;
    Ok(bytes == mark)
}

/// An entry of a directory, and the byte behind it.
fn central(source: &dyn Source, position: u64, base: u64) -> Result<Option<(Header, u64)>, SourceError> {
    if !starts_with(source, position, CENTRAL)? || source.len() - position < CENTRAL_BYTES {
        return Ok(None);
    }
    let mut fixed = [0; CENTRAL_BYTES as usize];
    source.read_at(position, &mut fixed)?;
    let [name, extra, comment] = [28, 30, 32].map(|place| u64::from(u16_at(&fixed, place)));
    if source.len() - position - CENTRAL_BYTES < name + extra {
        return Ok(None);
    }
    let mut bytes = vec![0; (name + extra) as usize];
    source.read_at(position + CENTRAL_BYTES, &mut bytes)?;
    let (name_bytes, extra_bytes) = bytes.split_at(name as usize);
    let mut lengths = [u32_at(&fixed, 24), u32_at(&fixed, 20), u32_at(&fixed, 42)].map(u64::from);
    widen(extra_bytes, &mut lengths);
    let header = Header {
        name: name_bytes.to_vec(),
        flags: u16_at(&fixed, 8),
        method: u16_at(&fixed, 10),
        crc32: u32_at(&fixed, 16),
        compressed: lengths[1],
        length: lengths[0],
        offset: lengths[2].wrapping_add(base),
    };
    Ok(Some((header, position + CENTRAL_BYTES + name + extra + comment)))
}

/// An entry's own header, and the first byte of its data.
fn local(source: &dyn Source, offset: u64) -> Result<Option<(Header, u64)>, SourceError> {
    if !starts_with(source, offset, LOCAL)? || source.len() - offset < LOCAL_BYTES {
        return Ok(None);
    }
    let mut fixed = [0; LOCAL_BYTES as usize];
    source.read_at(offset, &mut fixed)?;
    let [name, extra] = [26, 28].map(|place| u64::from(u16_at(&fixed, place)));
    let data = offset + LOCAL_BYTES + name + extra;
    if data > source.len() {
        return Ok(None);
    }
    let mut bytes = vec![0; (name + extra) as usize];
    source.read_at(offset + LOCAL_BYTES, &mut bytes)?;
    let (name_bytes, extra_bytes) = bytes.split_at(name as usize);
    let mut lengths = [u64::from(u32_at(&fixed, 22)), u64::from(u32_at(&fixed, 18)), 0];
    widen(extra_bytes, &mut lengths[..2]);
    let header = Header {
        name: name_bytes.to_vec(),
        flags: u16_at(&fixed, 6),
        method: u16_at(&fixed, 8),
        crc32: u32_at(&fixed, 14),
        compressed: lengths[1],
        length: lengths[0],
        offset,
    };
    Ok(Some((header, data)))
}

/// Numbers of 32 bits that are all ones stand in the zip64 field of an extra.
fn widen(mut extra: &[u8], lengths: &mut [u64]) {
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(mut body) = extra.get(4..4 + length) else { return };
        if kind == 1 {
            for value in lengths.iter_mut().filter(|value| **value == u64::from(u32::MAX)) {
                let Some((wide, rest)) = body.split_first_chunk() else { return };
                *value = u64::from_le_bytes(*wide);
                body = rest;
            }
            return;
        }
        extra = &extra[4 + length..];
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
