//! tar archives: torch's files of 2017, `.nemo`, `.tar.gz` of models. Every member is examined, whatever its name.
//! Sources: POSIX.1-2017, pax, "Extended Header"; GNU tar's manual, "Basic Tar Format".

use super::limits::{MAX_PARTS, MAX_TAR_HEADER_BYTES};
use super::state::{Nature, Walk};
use crate::byte_range::ByteRange;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError};

const BLOCK: u64 = 512;

/// True for the beginning of an archive: the sum of the header's bytes is right.
pub(super) fn is_archive(head: &[u8]) -> bool {
    head.len() >= BLOCK as usize && Header::read(&head[..BLOCK as usize]).is_some()
}

struct Header {
    name: String,
    length: u64,
    kind: u8,
    link: String,
}

impl Header {
    fn read(block: &[u8]) -> Option<Self> {
        let stored = octal(&block[148..156])?;
        let sums = |signed: bool| {
            let each = block.iter().enumerate().map(|(place, byte)| match place {
                148..156 => i64::from(b' '),
                _ if signed => i64::from(*byte as i8),
                _ => i64::from(*byte),
            });
            each.sum::<i64>()
        };
        let stored = i64::try_from(stored).ok()?;
        if block[0] == 0 || (stored != sums(false) && stored != sums(true)) {
            return None;
        }
        let text = |range: std::ops::Range<usize>| {
            let bytes = &block[range];
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let prefix = if block[257..].starts_with(b"ustar\0") { text(345..500) } else { String::new() };
        let name = text(0..100);
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        Some(Self { name, length: octal(&block[124..136])?, kind: block[156], link: text(157..257) })
    }
}

/// A number in octal digits, or in binary where its first bit is set.
fn octal(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().try_fold(0u64, |n, byte| n.checked_mul(256).map(|n| n | u64::from(*byte)));
    }
    let text: String = field.iter().map(|byte| char::from(*byte)).collect();
    let digits = text.trim_matches(['\0', ' ']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

impl Walk<'_> {
    /// Examines an archive's members.
    pub(super) fn tar(&mut self, source: &dyn Source, place: &str, depth: usize) -> Result<(), SourceError> {
        let (mut position, mut name, mut length) = (0u64, None, None);
        let mut block = [0; BLOCK as usize];
        for _ in 0..MAX_PARTS {
            if position.checked_add(BLOCK).is_none_or(|end| end > source.len()) {
                return Ok(());
            }
            (self.tick)();
            source.read_at(position, &mut block)?;
            let Some(header) = Header::read(&block) else {
                if block.iter().any(|byte| *byte != 0) {
                    self.unreadable(place, &format!("there is no header of a member at byte {position}"));
                }
                return Ok(());
            };
            let start = position + BLOCK;
            let wanted = length.take().unwrap_or(header.length);
            let left = source.len() - start;
            let stored = wanted.min(left);
            if matches!(header.kind, b'L' | b'K' | b'x' | b'g' | b'X') && stored > MAX_TAR_HEADER_BYTES {
                self.limit(place, &format!("more than {MAX_TAR_HEADER_BYTES} bytes of an extended header"));
            }
            match header.kind {
                b'L' | b'K' => {
                    let text = read(source, start, stored)?;
                    let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned();
                    if header.kind == b'L' {
                        name = Some(text);
                    }
                }
                b'x' | b'g' | b'X' => {
                    let records = read(source, start, stored)?;
                    for (key, value) in pax_records(&records) {
                        match key.as_str() {
                            "path" => name = Some(value),
                            "size" => length = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
                kind => {
                    let name = name.take().unwrap_or(header.name);
                    self.findings.examined.entries += 1;
                    self.check_name(&name, place);
                    if matches!(kind, b'1' | b'2') {
                        self.check_name(&header.link, place);
                    }
                    if wanted > left {
                        self.unreadable(
                            &format!("{place}: {name}"),
                            &"the member ends behind the end of the archive",
                        );
                    }
                    if stored > 0 && !matches!(kind, b'1'..=b'6') {
                        let part = ByteRange::new(start, stored).open(source)?;
                        self.part(&*part, &format!("{place}: {name}"), nature(&name), depth + 1)?;
                    }
                }
            }
            let blocks = stored.div_ceil(BLOCK).saturating_mul(BLOCK);
            position = start.saturating_add(blocks);
        }
        self.limit(place, &format!("more than {MAX_PARTS} members"));
        Ok(())
    }
}

/// torch's members of 2017 are pickles with data in between.
fn nature(name: &str) -> Nature {
    let file = name.rsplit('/').next().unwrap_or(name);
    let is_torch = matches!(file, "pickle" | "sys_info");
    if is_torch || super::state::is_named_as_pickle(name) { Nature::Pickle } else { Nature::Data }
}

fn read(source: &dyn Source, start: u64, length: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = vec![0; length.min(MAX_TAR_HEADER_BYTES) as usize];
    source.read_at(start, &mut bytes)?;
    Ok(bytes)
}

/// Records `LENGTH KEY=VALUE\n`.
fn pax_records(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut records = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length =
            std::str::from_utf8(&bytes[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.filter(|length| *length > space + 1).and_then(|length| bytes.get(..length))
        else {
            break;
        };
        let text = String::from_utf8_lossy(&record[space + 1..]).trim_end_matches('\n').to_owned();
        if let Some((key, value)) = text.split_once('=') {
            records.push((key.to_owned(), value.to_owned()));
        }
        bytes = &bytes[record.len()..];
    }
    records
}
