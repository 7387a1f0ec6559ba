//! From the stored bytes of a chunk back to its values.

use super::checksum::fletcher32;
use super::messages::Filter;
use crate::formats::support::damage::is_damaged;
use crate::source::SourceError;
use std::io::Read;

/// Bytes that `fletcher32` appends.
const CHECKSUM_BYTES: usize = 4;

/// Undoes the filters of a chunk whose values have `length` bytes.
pub(super) fn undo(
    filters: &[Filter],
    left_out: u32,
    element: usize,
    length: usize,
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, SourceError> {
    let is_applied = |place: usize| left_out & 1_u32.checked_shl(place as u32).unwrap_or(0) == 0;
    for (place, filter) in filters.iter().enumerate().rev().filter(|(place, _)| is_applied(*place)) {
        // What the filters before this one made of the values.
        let checksums =
            (0..place).filter(|index| is_applied(*index) && filters[*index] == Filter::Fletcher32).count();
        let wanted = length + CHECKSUM_BYTES * checksums;
        bytes = match filter {
            Filter::Deflate => inflate(&bytes, wanted)?,
            Filter::Lzf => unpack_lzf(&bytes, wanted)?,
            Filter::Shuffle => unshuffle(&bytes, element),
            Filter::Fletcher32 => check(bytes)?,
        };
    }
    if bytes.len() != length {
        return Err(wrong_length("a chunk", bytes.len(), length));
    }
    Ok(bytes)
}

fn malformed(message: String) -> SourceError {
    SourceError::Malformed(message)
}

fn wrong_length(what: &str, found: usize, wanted: usize) -> SourceError {
    malformed(format!("{what} expands to {found} bytes instead of {wanted}"))
}

/// A buffer for a chunk's bytes; how many there are follows from the file.
pub(super) fn buffer(length: usize) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| SourceError::OutOfMemory(format!("out of memory: {length} bytes of a chunk")))?;
    Ok(bytes)
}

fn inflate(bytes: &[u8], wanted: usize) -> Result<Vec<u8>, SourceError> {
    /// Deflate's greatest ratio is 1032, so fewer stored bytes cannot be meant.
    const MAX_RATIO: usize = 1032;
    if wanted / MAX_RATIO > bytes.len() {
        return Err(malformed(format!("a chunk cannot have {wanted} bytes, deflated to {}", bytes.len())));
    }
    let mut out = buffer(wanted + 1)?;
    flate2::read::ZlibDecoder::new(bytes)
        .take(wanted as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| malformed(format!("a deflated chunk is damaged: {error}")))?;
    if out.len() != wanted {
        return Err(wrong_length("a deflated chunk", out.len(), wanted));
    }
    Ok(out)
}

/// LibLZF: a byte below 32 is followed by one literal more than it says; any other is the upper part
/// of a distance and a length, 7 meaning that a byte of it follows.
fn unpack_lzf(bytes: &[u8], wanted: usize) -> Result<Vec<u8>, SourceError> {
    /// A pair of three bytes repeats 264 at most.
    const MAX_RATIO: usize = 88;
    let damaged = || malformed("a chunk packed with LZF is damaged".to_owned());
    if wanted / MAX_RATIO > bytes.len() {
        return Err(damaged());
    }
    let mut out = buffer(wanted)?;
    let mut rest = bytes.iter();
    while let Some(control) = rest.next() {
        let control = usize::from(*control);
        if control < 32 {
            let literals = rest.as_slice().get(..control + 1).ok_or_else(damaged)?;
            if wanted - out.len() < literals.len() {
                return Err(damaged());
            }
            out.extend_from_slice(literals);
            rest.nth(control);
            continue;
        }
        let mut length = control >> 5;
        if length == 7 {
            length += usize::from(*rest.next().ok_or_else(damaged)?);
        }
        let low = usize::from(*rest.next().ok_or_else(damaged)?);
        let distance = ((control & 31) << 8 | low) + 1;
        let from = out.len().checked_sub(distance).ok_or_else(damaged)?;
        if wanted - out.len() < length + 2 {
            return Err(damaged());
        }
        for index in from..from + length + 2 {
            out.push(out[index]);
        }
    }
    if out.len() != wanted {
        return Err(wrong_length("a chunk packed with LZF", out.len(), wanted));
    }
    Ok(out)
}

/// Puts the bytes of each element together again, which stand in planes: all first ones, all second
/// ones. Bytes after the last whole element stand as they are.
fn unshuffle(bytes: &[u8], element: usize) -> Vec<u8> {
    let count = bytes.len() / element.max(1);
    let mut out = bytes.to_vec();
    if element > 1 {
        for (place, plane) in bytes.chunks_exact(count.max(1)).take(element).enumerate() {
            for (value, byte) in out.chunks_exact_mut(element).zip(plane) {
                value[place] = *byte;
            }
        }
    }
    out
}

/// Takes the checksum off the end of the bytes, if it is theirs.
fn check(mut bytes: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let Some(end) = bytes.len().checked_sub(CHECKSUM_BYTES) else {
        return Err(malformed(format!("a chunk of {} bytes has no checksum", bytes.len())));
    };
    let stored = bytes.split_off(end);
    let computed = fletcher32(&bytes);
    if is_damaged(&stored[..], &computed.to_le_bytes()[..]) {
        return Err(malformed(format!(
            "a chunk has checksum {stored:02x?}, but its bytes give {:02x?}",
            computed.to_le_bytes()
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_are_planes() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6], 2), [1, 2, 3, 4, 5, 6]);
        // Seven bytes are three words and one byte more.
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6, 7], 2), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(unshuffle(&[1, 2], 4), [1, 2]);
        assert_eq!(unshuffle(&[1, 2], 1), [1, 2]);
        assert_eq!(unshuffle(&[], 8), [0_u8; 0]);
    }

    #[test]
    fn lzf_repeats_what_it_has() {
        // Three literals; then five bytes from three back; then 7 + 1 + 2 from one back.
        let packed = [2, b'a', b'b', b'c', 3 << 5, 2, 7 << 5, 1, 0];
        assert_eq!(unpack_lzf(&packed, 18).unwrap(), b"abcabcabbbbbbbbbbb"[..18].to_vec());
        for damaged in [&packed[..3], &packed[..5], &packed[..8], &[1 << 5, 0], &packed[4..]] {
            assert!(unpack_lzf(damaged, 18).is_err(), "{damaged:?}");
        }
        for wanted in [0, 1, 3, 17, 19] {
            assert!(unpack_lzf(&packed, wanted).is_err(), "{wanted}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_chunks_length() {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::ZlibEncoder::new(&[0; 100_000][..], flate2::Compression::best());
        encoder.read_to_end(&mut packed).unwrap();
        assert_eq!(inflate(&packed, 100_000).unwrap(), vec![0; 100_000]);
        for wanted in [99_999, 100_001, 100, 1 << 30] {
            assert!(inflate(&packed, wanted).is_err(), "{wanted}");
        }
        assert!(inflate(&packed[..packed.len() / 2], 100_000).is_err());
    }

    #[test]
    fn filters_are_undone_from_the_last_one() {
        let values: Vec<u8> = (0..64).collect();
        let planes: Vec<u8> = (0..4).flat_map(|plane| (0..16).map(move |index| 4 * index + plane)).collect();
        let sealed = [&planes[..], &fletcher32(&planes).to_le_bytes()].concat();
        let filters = [Filter::Shuffle, Filter::Fletcher32];
        assert_eq!(undo(&filters, 0, 4, 64, sealed.clone()).unwrap(), values);
        // Left out: the checksum; then both.
        assert_eq!(undo(&filters, 2, 4, 64, planes).unwrap(), values);
        assert_eq!(undo(&filters, 3, 4, 64, values.clone()).unwrap(), values);
        let mut damaged = sealed;
        damaged[7] ^= 1;
        assert!(undo(&filters, 0, 4, 64, damaged).is_err());
        assert!(undo(&filters, 3, 4, 64, vec![0; 63]).is_err());
    }
}
