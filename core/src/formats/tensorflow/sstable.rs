//! A table of sorted keys, as LevelDB writes it: the index of a TensorFlow checkpoint. Data blocks
//! of entries, then a block that lists them, then a footer that leads to that one.
//! Source: leveldb, doc/table_format.md; tensorflow/core/lib/io/table_format.txt.

use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::support::damage::is_damaged;
use crate::source::Source;
use prost::encoding::decode_varint;

/// The footer's last eight bytes, as a number.
pub const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Two places of blocks, padded, and the magic.
const FOOTER_BYTES: u64 = 48;
/// Behind each block: its compression and its checksum.
const TRAILER_BYTES: u64 = 5;
/// What a stored checksum is shifted by.
const MASK: u32 = 0xa282_ead8;
/// Largest block, compressed or not. TensorFlow ends a block at 256 KiB and the entry that passes it.
const MAX_BLOCK_BYTES: u64 = 64 << 20;

/// Calls `each` with the entries of the table, in the order of keys, until it says false.
///
/// # Errors
/// What `each` says, and [`ParseError`] for a table that is not sound: every block's checksum is
/// verified, and keys must ascend.
pub fn read(
    source: &dyn Source,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, ParseError>,
) -> Result<(), ParseError> {
    let length = source.len();
    if length < FOOTER_BYTES {
        return Err(malformed!("the table has {length} bytes, fewer than its footer's {FOOTER_BYTES}"));
    }
    let mut footer = [0; FOOTER_BYTES as usize];
    source.read_at(length - FOOTER_BYTES, &mut footer)?;
    let (places, magic) = footer.split_at(40);
    if magic != MAGIC.to_le_bytes() {
        return Err(malformed!("the table does not end with its magic"));
    }
    let mut places = places;
    // The first place is that of a block of statistics, which TensorFlow leaves empty.
    place(&mut places)?;
    let index = block(source, place(&mut places)?)?;
    let mut last: Option<Vec<u8>> = None;
    entries(&index, |_, mut value| {
        let data = block(source, place(&mut value)?)?;
        entries(&data, |key, value| {
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(malformed!("the keys of the table do not ascend at {:?}", lossy(key)));
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend(key);
            each(key, value)
        })
    })?;
    Ok(())
}

fn lossy(key: &[u8]) -> String {
    String::from_utf8_lossy(&key[..key.len().min(200)]).into_owned()
}

fn number(bytes: &mut &[u8], what: &str) -> Result<u64, ParseError> {
    decode_varint(bytes).map_err(|_| malformed!("{what} in the table does not end"))
}

/// The place of a block: first byte and length.
fn place(bytes: &mut &[u8]) -> Result<(u64, u64), ParseError> {
    Ok((number(bytes, "a block's place")?, number(bytes, "a block's length")?))
}

/// Reads a block, verifies it and expands it.
fn block(source: &dyn Source, (offset, length): (u64, u64)) -> Result<Vec<u8>, ParseError> {
    let end = offset.checked_add(length).and_then(|end| end.checked_add(TRAILER_BYTES));
    if end.is_none_or(|end| end > source.len() - FOOTER_BYTES) {
        return Err(malformed!(
            "a block of the table has {length} bytes at byte {offset}, but the file has {}",
            source.len()
        ));
    }
    if length > MAX_BLOCK_BYTES {
        return Err(too_large!("a block of the table has {length} bytes (at most {MAX_BLOCK_BYTES})"));
    }
    let mut bytes = vec![0; (length + TRAILER_BYTES) as usize];
    source.read_at(offset, &mut bytes)?;
    let (checked, stored) = bytes.split_at(length as usize + 1);
    let stored = u32::from_le_bytes(stored.try_into().expect("four bytes"));
    let computed = masked_crc(checked);
    if is_damaged(stored, computed) {
        return Err(malformed!(
            "the block at byte {offset} of the table has the checksum {computed:08x}, but {stored:08x} is stored"
        ));
    }
    let compression = checked[length as usize];
    bytes.truncate(length as usize);
    match compression {
        0 => Ok(bytes),
        1 => expand(&bytes, offset),
        other => {
            Err(unsupported!("the block at byte {offset} of the table has the unknown compression {other}"))
        }
    }
}

/// Expands a block of Snappy.
fn expand(bytes: &[u8], offset: u64) -> Result<Vec<u8>, ParseError> {
    let broken = |error| malformed!("the block at byte {offset} of the table is not Snappy: {error}");
    let length = snap::raw::decompress_len(bytes).map_err(broken)? as u64;
    if length > MAX_BLOCK_BYTES {
        return Err(too_large!(
            "the block at byte {offset} of the table expands to {length} bytes (at most {MAX_BLOCK_BYTES})"
        ));
    }
    // Snappy's best element makes 64 bytes out of three.
    if length > 64 * bytes.len() as u64 {
        return Err(malformed!(
            "the block at byte {offset} of the table cannot expand from {} bytes to {length}",
            bytes.len()
        ));
    }
    snap::raw::Decoder::new().decompress_vec(bytes).map_err(broken)
}

/// CRC-32C as LevelDB stores it: turned and shifted, so that a checksum over data that hold
/// checksums is still a good one.
pub fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

/// The CRC-32C that is stored so.
pub fn unmask(stored: u32) -> u32 {
    stored.wrapping_sub(MASK).rotate_left(15)
}

/// Goes through the entries of a block until `each` says false, and says whether it never did. A key
/// begins as the one before it does.
fn entries(
    block: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, ParseError>,
) -> Result<bool, ParseError> {
    // The block ends with its points of restart, for binary search, and their number.
    let rest = block.split_last_chunk::<4>().and_then(|(rest, restarts)| {
        let restarts = (u32::from_le_bytes(*restarts) as usize).checked_mul(4)?;
        rest.get(..rest.len().checked_sub(restarts)?)
    });
    let mut rest = rest.ok_or_else(|| malformed!("a block of the table is shorter than its restarts"))?;
    let mut key = Vec::new();
    while !rest.is_empty() {
        let shared = number(&mut rest, "a key")?;
        let own = number(&mut rest, "a key")?;
        let length = number(&mut rest, "a value")?;
        let own_end = usize::try_from(own).ok();
        let end = own_end.and_then(|own| own.checked_add(usize::try_from(length).ok()?));
        let (Some(own), Some(end)) = (own_end, end.filter(|end| *end <= rest.len())) else {
            return Err(malformed!(
                "an entry of the table has a key of {own} and a value of {length} bytes, but its block ends after {} more",
                rest.len()
            ));
        };
        if shared > key.len() as u64 {
            return Err(malformed!(
                "a key of the table shares {shared} bytes with the one before, which has {}",
                key.len()
            ));
        }
        key.truncate(shared as usize);
        key.extend(&rest[..own]);
        if !each(&key, &rest[own..end])? {
            return Ok(false);
        }
        rest = &rest[end..];
    }
    Ok(true)
}
