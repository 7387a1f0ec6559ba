//! Telling TensorFlow's files by their content: a SavedModel has a number in field 1 and graphs in
//! field 2; a `GraphDef` has its nodes in field 1. The index of a checkpoint is not protobuf, but ends with a
//! magic.

use super::sstable;
use crate::formats::containers::protobuf::sniff::{Head, Sniffed, sniff_protobuf};
use crate::formats::containers::protobuf::{Payload, Span, Wire};
use crate::formats::error::ParseError;
use crate::source::Source;

/// What the first file of a TensorFlow model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `saved_model.pb`.
    SavedModel,
    /// A graph alone.
    Graph,
    /// The index of a checkpoint.
    Checkpoint,
}

/// What a file is, if it is any of these. A file that was cut short is still what it begins as.
///
/// # Errors
/// [`ParseError`] when the bytes cannot be read.
pub(super) fn kind_of(source: &dyn Source) -> Result<Option<Kind>, ParseError> {
    if let Some(kind) = sniff_protobuf(source, tell)? {
        return Ok(Some(kind));
    }
    Ok(is_sstable(source)?.then_some(Kind::Checkpoint))
}

fn tell(wire: &mut Wire, head: Head) -> Result<Sniffed<Kind>, ParseError> {
    Ok(match (head.number, head.is_bytes, head.field) {
        (1, true, Some(field)) if head.is_first && begins_with_texts(wire, field.span, &[1, 2])? => {
            Sniffed::Found(Kind::Graph)
        }
        // A number in field 1 is left out when it is 0.
        (1, false, _) => Sniffed::Unknown,
        (2, true, Some(field)) if is_meta_graph(wire, field.span)? => Sniffed::Found(Kind::SavedModel),
        _ => Sniffed::Other,
    })
}

/// True when a message begins with texts in these fields, as a node does with name and operation.
fn begins_with_texts(wire: &mut Wire, mut message: Span, numbers: &[u32]) -> Result<bool, ParseError> {
    for number in numbers {
        match wire.next(&mut message)? {
            Some(field) if field.number == *number && field.payload == Payload::Bytes => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// True for a `MetaGraphDef`: fields 1 to 7, all of them bytes, the graph in field 2 among them.
fn is_meta_graph(wire: &mut Wire, mut message: Span) -> Result<bool, ParseError> {
    let mut has_graph = false;
    loop {
        match wire.next(&mut message) {
            Ok(Some(field)) if field.payload == Payload::Bytes && (1..=7).contains(&field.number) => {
                has_graph |= field.number == 2;
            }
            Ok(None) => return Ok(has_graph),
            Ok(Some(_)) => return Ok(false),
            Err(error) if error.is_malformed() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// True when a file ends as the index of a checkpoint does.
fn is_sstable(source: &dyn Source) -> Result<bool, ParseError> {
    let mut magic = [0; 8];
    let Some(offset) = source.len().checked_sub(8) else { return Ok(false) };
    source.read_at(offset, &mut magic)?;
    Ok(magic == sstable::MAGIC.to_le_bytes())
}
