//! The object graph of a checkpoint, which knows the variables' own names: a tensor
//! `layer-0/kernel/.ATTRIBUTES/VARIABLE_VALUE` is the variable `dense/kernel`. Each such name is a
//! pair of metadata, `full_name.KEY`.
//! Source: tensorflow/core/protobuf/trackable_object_graph.proto; for tensors of texts
//! `WriteStringTensor` in tensor_bundle.cc.

use super::sstable::masked_crc;
use crate::formats::containers::protobuf::{Span, Wire};
use crate::formats::error::{ParseError, malformed};
use crate::formats::support::damage::is_damaged;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::source::Source;

/// Adds the names that the object graph has, which is a tensor of one text in a shard.
pub fn note(source: &dyn Source, tensor: Span, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
    let mut wire = Wire::new(source);
    // The text's length, a checksum of all lengths, and the text.
    let (length, after) = wire.number(tensor)?;
    let text = Span { offset: after.saturating_add(4), end: tensor.end };
    if text.offset > text.end || text.len() != length {
        return Err(malformed!(
            "the object graph has {length} bytes, but its tensor has {} with its length",
            tensor.len()
        ));
    }
    let mut stored = [0; 4];
    source.read_at(after, &mut stored)?;
    // The checksum is over the length as 32 bits, or 64 where it needs them.
    let computed = match u32::try_from(length) {
        Ok(length) => masked_crc(&length.to_le_bytes()),
        Err(_) => masked_crc(&length.to_le_bytes()),
    };
    if is_damaged(u32::from_le_bytes(stored), computed) {
        return Err(malformed!(
            "the object graph's length has the checksum {computed:08x}, but {:08x} is stored",
            u32::from_le_bytes(stored)
        ));
    }
    let mut rest = text;
    while let Some(field) = wire.next(&mut rest)? {
        if field.number == 1 {
            object(&mut wire, field.bytes()?, metadata)?;
        }
    }
    Ok(())
}

/// A `TrackableObject`.
fn object(wire: &mut Wire, message: Span, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
    let mut rest = message;
    while let Some(field) = wire.next(&mut rest)? {
        if field.number != 2 {
            continue;
        }
        // A `SerializedTensor`.
        let (mut full_name, mut key, mut attribute) = (None, None, field.bytes()?);
        while let Some(field) = wire.next(&mut attribute)? {
            match field.number {
                2 => full_name = Some(field.bytes()?),
                3 => key = Some(field.bytes()?),
                _ => {}
            }
        }
        if let (Some(full_name), Some(key)) = (full_name.filter(|name| name.len() > 0), key) {
            let key = wire.text(key, "a key of the object graph")?;
            let full_name = wire.text(full_name, "a name of the object graph")?;
            metadata.text(format!("full_name.{key}"), full_name)?;
        }
    }
    Ok(())
}
