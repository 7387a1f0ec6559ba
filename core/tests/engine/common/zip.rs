//! A writer of ZIP archives, which can be made to lie.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// One entry; what its local header says is kept apart from what the directory says.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub stored: Vec<u8>,
    pub method: u16,
    pub crc: u32,
    pub length: u64,
    pub compressed: u64,
    pub flags: u16,
    pub zip64: bool,
    /// Another position for the directory to name.
    pub offset: Option<u64>,
    pub local: Local,
}

/// What a local header says otherwise than the directory.
#[derive(Clone, Default)]
pub struct Local {
    pub name: Option<Vec<u8>>,
    pub method: Option<u16>,
    pub crc: Option<u32>,
    pub length: Option<u32>,
    pub flags: Option<u16>,
}

/// A stored entry.
pub fn stored(name: &str, bytes: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(bytes);
    Entry {
        name: name.into(),
        stored: bytes.to_vec(),
        method: 0,
        crc: crc.sum(),
        length: bytes.len() as u64,
        compressed: bytes.len() as u64,
        flags: 0,
        zip64: false,
        offset: None,
        local: Local::default(),
    }
}

/// A deflated entry.
pub fn deflated(name: &str, bytes: &[u8]) -> Entry {
    let stream = deflate(bytes);
    Entry { method: 8, compressed: stream.len() as u64, stored: stream, ..stored(name, bytes) }
}

/// A raw deflate stream.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 100);
    let mut encoder = Compress::new(Compression::best(), false);
    encoder.compress_vec(bytes, &mut stream, FlushCompress::Finish).unwrap();
    assert_eq!(encoder.total_in(), bytes.len() as u64);
    stream
}

/// The archive of these entries.
pub fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let mut zip64 = false;
    for entry in entries {
        let position = file.len() as u64;
        let Entry { local, .. } = entry;
        zip64 |= entry.zip64;
        let narrow = |n: u64| if entry.zip64 { u32::MAX } else { n as u32 };
        let described = local.flags.unwrap_or(entry.flags) & 8 != 0;
        let name = local.name.as_ref().unwrap_or(&entry.name);
        file.extend(b"PK\x03\x04\x14\0");
        file.extend(local.flags.unwrap_or(entry.flags).to_le_bytes());
        file.extend(local.method.unwrap_or(entry.method).to_le_bytes());
        file.extend([0; 4]);
        file.extend(local.crc.unwrap_or(if described { 0 } else { entry.crc }).to_le_bytes());
        file.extend(if described { 0 } else { narrow(entry.compressed) }.to_le_bytes());
        file.extend(local.length.unwrap_or(if described { 0 } else { narrow(entry.length) }).to_le_bytes());
        file.extend((name.len() as u16).to_le_bytes());
        let extra = wide(entry.zip64 && !described, &[entry.length, entry.compressed]);
        // Padding, as torch aligns its data.
        let padding = [&b"FB\x03\0ZZZ"[..], &extra].concat();
        file.extend((padding.len() as u16).to_le_bytes());
        file.extend(name);
        file.extend(padding);
        file.extend(&entry.stored);
        if described {
            file.extend(b"PK\x07\x08");
            file.extend(entry.crc.to_le_bytes());
            file.extend((entry.compressed as u32).to_le_bytes());
            file.extend((entry.length as u32).to_le_bytes());
        }
        let offset = entry.offset.unwrap_or(position);
        let extra = wide(entry.zip64, &[entry.length, entry.compressed, offset]);
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend(entry.flags.to_le_bytes());
        directory.extend(entry.method.to_le_bytes());
        directory.extend([0; 4]);
        directory.extend(entry.crc.to_le_bytes());
        directory.extend(narrow(entry.compressed).to_le_bytes());
        directory.extend(narrow(entry.length).to_le_bytes());
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend((extra.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(narrow(offset).to_le_bytes());
        directory.extend(&entry.name);
        directory.extend(extra);
    }
    let (start, count) = (file.len() as u64, entries.len() as u64);
    file.extend(&directory);
    if zip64 {
        let position = file.len() as u64;
        file.extend(b"PK\x06\x06");
        file.extend(44u64.to_le_bytes());
        file.extend([45, 0, 45, 0]);
        file.extend([0; 8]);
        for number in [count, count, directory.len() as u64, start] {
            file.extend(number.to_le_bytes());
        }
        file.extend(b"PK\x06\x07\0\0\0\0");
        file.extend(position.to_le_bytes());
        file.extend(1u32.to_le_bytes());
    }
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([(count as u16).to_le_bytes(), (count as u16).to_le_bytes()].concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(if zip64 { u32::MAX } else { start as u32 }.to_le_bytes());
    file.extend([0; 2]);
    file
}

fn wide(there: bool, numbers: &[u64]) -> Vec<u8> {
    if !there {
        return Vec::new();
    }
    let mut field = vec![1, 0, numbers.len() as u8 * 8, 0];
    numbers.iter().for_each(|number| field.extend(number.to_le_bytes()));
    field
}
