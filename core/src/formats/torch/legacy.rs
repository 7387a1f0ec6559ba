//! torch's files from before version 1.6: five pickles (magic number, protocol, the writer's sizes,
//! the object, the storages' names), then each storage behind its number of elements.

use super::parsed::{Base, Parsed, Place, Places, show_values};
use super::rebuild::{is_class, storage_of};
use super::walk::Found;
use crate::formats::containers::pickle::{self, Object, Pickle, Value};
use crate::formats::error::{ParseError, malformed, unsupported};
use crate::formats::support::header_reader::HeaderReader;
use crate::metadata::Value as Meta;
use crate::source::{Source, SourceError};
use std::collections::HashMap;

/// Number of pickles of such a file.
pub(in crate::formats) const LEGACY_PICKLES: usize = 5;
/// 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The magic number's pickle is shorter in every protocol.
const MAGIC_BYTES: u64 = 64;
/// The only version there has been.
const PROTOCOL: i64 = 1001;

/// True for torch's files from before version 1.6.
///
/// # Errors
/// [`SourceError`] when the file cannot be read.
pub(in crate::formats) fn is_legacy(source: &dyn Source) -> Result<bool, SourceError> {
    let mut head = vec![0; source.len().min(MAGIC_BYTES) as usize];
    source.read_at(0, &mut head)?;
    // With its protocol first, or as decimal digits in the protocols before.
    if !matches!(head.first(), Some(0x80 | b'L')) {
        return Ok(false);
    }
    Ok(pickle::read_next(&mut HeaderReader::new(&&head[..])).is_ok_and(|pickle| is_magic(&pickle)))
}

fn is_magic(pickle: &Pickle) -> bool {
    match pickle.object(pickle.root()) {
        // In digits it was as wide as numbers are.
        Some(Object::Long(bytes)) => {
            bytes.starts_with(&MAGIC) && bytes[MAGIC.len()..].iter().all(|byte| *byte == 0)
        }
        _ => false,
    }
}

pub(super) fn parse(source: &dyn Source) -> Result<Parsed, ParseError> {
    let mut reader = HeaderReader::new(source);
    let magic = pickle::read_next(&mut reader)?;
    if !is_magic(&magic) {
        return Err(unsupported!(
            "the file is a pickle, but none that torch.save wrote: load it where it is trusted and save it with torch.save"
        ));
    }
    let protocol = pickle::read_next(&mut reader)?.root();
    if protocol != Value::Int(PROTOCOL) {
        return Err(malformed!("the file's protocol is {protocol:?} instead of {PROTOCOL}"));
    }
    // Sizes of C's types and the byte order of the writer's machine: storages are little-endian anyway.
    pickle::read_next(&mut reader)?;
    let object = pickle::read_next(&mut reader)?;
    let pickled = reader.position();
    let keys = pickle::read_next(&mut reader)?;

    let mut widths = HashMap::new();
    for id in object.objects() {
        if let Object::Persistent(id) = id
            && !is_class(&object, *id)
        {
            let storage = storage_of(&object, *id).map_err(|reason| malformed!("{reason}"))?;
            widths.insert(storage.key, storage.width);
        }
    }
    let keys_root = keys.sequence(keys.root()).ok_or_else(|| malformed!("the list of storages is none"))?;
    let (mut by_key, mut position) = (HashMap::new(), reader.position());
    for key in keys_root {
        let key = match key {
            Value::Int(key) => key.to_string(),
            key => keys.text(*key).ok_or_else(|| malformed!("a storage's name is not text"))?.to_owned(),
        };
        let width = widths.get(&key).ok_or_else(|| malformed!("nothing refers to storage \"{key}\""))?;
        let mut count = [0; 8];
        source.read_at(position, &mut count)?;
        let (offset, count) = (position + 8, u64::from_le_bytes(count));
        let end = count.checked_mul(*width).and_then(|length| length.checked_add(offset));
        position = end.filter(|end| *end <= source.len()).ok_or_else(|| {
            malformed!(
                "storage \"{key}\" at byte {offset} has {count} elements of {width} bytes, but the file has {} bytes",
                source.len()
            )
        })?;
        let place = Place { offset, length: position - offset, inflated: None, big_endian: false };
        if by_key.insert(key.clone(), place).is_some() {
            return Err(malformed!("storage \"{key}\" is there twice"));
        }
    }
    let mut metadata = vec![("pytorch.container".to_owned(), Meta::Text("legacy".into()))];
    show_values(&mut metadata, &object);
    let mut found = Found::default();
    found.add(&object, "")?;
    let places = Places::new(by_key, vec![Base::of_file(pickled)]);
    Ok(Parsed { found, places, metadata, pickles: vec![object], warnings: Vec::new() })
}
