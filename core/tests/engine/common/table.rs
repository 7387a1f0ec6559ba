//! Builds the index of a TensorFlow checkpoint: a table of LevelDB, right or wrong.

use super::protobuf::{bytes, int, message, varint};

/// CRC-32C bit by bit, turned and shifted as LevelDB stores it.
pub fn masked_crc(bytes: &[u8]) -> u32 {
    let crc = !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A block of entries without shared beginnings of keys.
pub fn block(entries: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (key, value) in entries {
        block.extend([varint(0), varint(key.len() as u64), varint(value.len() as u64)].concat());
        block.extend_from_slice(key);
        block.extend_from_slice(value);
    }
    // One point of restart, at the first entry.
    block.extend([0u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
    block
}

/// A table of these blocks with their compression: 0 for none, 1 for Snappy.
pub fn table(blocks: &[(Vec<u8>, u8)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut add = |block: &[u8], compression: u8| {
        let place = [varint(file.len() as u64), varint(block.len() as u64)].concat();
        file.extend_from_slice(block);
        file.push(compression);
        let checked = file.len() - block.len() - 1;
        file.extend(masked_crc(&file[checked..]).to_le_bytes());
        place
    };
    let mut index = Vec::new();
    for (number, (block, compression)) in blocks.iter().enumerate() {
        index.push((vec![number as u8 + 1], add(block, *compression)));
    }
    let statistics = add(&block(&[]), 0);
    let index: Vec<(&[u8], Vec<u8>)> = index.iter().map(|(key, place)| (&key[..], place.clone())).collect();
    let index = add(&block(&index), 0);
    let mut footer = [statistics, index].concat();
    footer.resize(40, 0);
    file.extend(footer);
    file.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
    file
}

/// The header of a checkpoint.
pub fn header(shards: u64, big_endian: bool) -> Vec<u8> {
    message(&[int(1, shards), int(2, big_endian.into()), bytes(3, int(1, 1))])
}

/// A shape.
pub fn shape(extents: &[u64]) -> Vec<u8> {
    extents.iter().flat_map(|extent| bytes(2, int(1, *extent))).collect()
}

/// An entry of a tensor: data type, shape, shard, first byte and number of bytes.
pub fn entry(dtype: u64, extents: &[u64], shard: u64, offset: u64, size: u64) -> Vec<u8> {
    message(&[int(1, dtype), bytes(2, shape(extents)), int(3, shard), int(4, offset), int(5, size)])
}

/// The index of one block with a header of `shards` and these entries.
pub fn index(shards: u64, entries: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    table(&[(block(&[&[(&b""[..], header(shards, false))], entries].concat()), 0)])
}
