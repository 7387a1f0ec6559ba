//! Telling files of graphs apart by their content. Protobuf has no magic: what a file is shows in
//! the numbers and types of its fields. An ONNX model begins with its version, a number in field 1,
//! and has a graph in field 7; a SavedModel has a number in field 1 and graphs in field 2; a
//! `GraphDef` has its nodes in field 1. The index of a checkpoint is no protobuf, but ends with a magic.

use super::ParseError;
use super::protobuf::{Field, Payload, Span, Wire};
use super::tensorflow::{self, Kind};
use crate::model::Format;
use crate::source::Source;

/// Fields of a `ModelProto` that hold bytes; 1 and 5 are numbers.
const ONNX_BYTES: &[u32] = &[2, 3, 4, 6, 7, 8, 14, 20, 25, 26];
const ONNX_GRAPH: u32 = 7;

/// A file with a graph, or the index of what a graph needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFile {
    /// An ONNX model.
    Onnx,
    /// A file of TensorFlow.
    TensorFlow(Kind),
}

impl GraphFile {
    /// The format the file is of.
    pub fn format(self) -> Format {
        match self {
            Self::Onnx => Format::Onnx,
            Self::TensorFlow(_) => Format::TensorFlow,
        }
    }
}

/// What a file is, if it is any of these. A file that was cut short is still what it begins as.
///
/// # Errors
/// [`ParseError::Source`] when the bytes cannot be had.
pub fn recognise(source: &dyn Source) -> Result<Option<GraphFile>, ParseError> {
    match recognise_message(source) {
        Ok(Some(found)) => return Ok(Some(found)),
        // Bytes that are no protobuf at all are another format's.
        Ok(None) | Err(ParseError::Malformed(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(tensorflow::is_table(source)?.then_some(GraphFile::TensorFlow(Kind::Checkpoint)))
}

fn recognise_message(source: &dyn Source) -> Result<Option<GraphFile>, ParseError> {
    let mut wire = Wire::new(source);
    let mut rest = Span::all(source);
    let mut first = true;
    while let Some((number, is_bytes, field)) = head(&mut wire, &mut rest)? {
        if first && number == 1 && is_bytes {
            let node = field.map_or(Ok(false), |field| begins_with_texts(&mut wire, field.span, &[1, 2]))?;
            return Ok(node.then_some(GraphFile::TensorFlow(Kind::Graph)));
        }
        // A number in field 1 is left out when it is 0.
        if first && number != 1 && number != 2 {
            return Ok(None);
        }
        first = false;
        match (number, is_bytes) {
            (ONNX_GRAPH, true) => return Ok(Some(GraphFile::Onnx)),
            (2, true) => {
                // An ONNX model has the name of its producer here.
                let Some(field) = field else { return Ok(None) };
                if is_meta_graph(&mut wire, field.span)? {
                    return Ok(Some(GraphFile::TensorFlow(Kind::SavedModel)));
                }
            }
            (1 | 5, false) => {}
            (number, true) if ONNX_BYTES.contains(&number) => {}
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The next field: its number, whether it holds bytes, and the field itself if it ends within the file.
type Head = (u32, bool, Option<Field>);

fn head(wire: &mut Wire, rest: &mut Span) -> Result<Option<Head>, ParseError> {
    let at = rest.at;
    match wire.next(rest) {
        Ok(None) => Ok(None),
        Ok(Some(field)) => Ok(Some((field.number, field.payload == Payload::Bytes, Some(field)))),
        Err(ParseError::Malformed(error)) => {
            // A graph whose end is missing is told by its key alone.
            let (key, _) = wire.number(Span { at, end: rest.end })?;
            match (u32::try_from(key >> 3), key & 7) {
                (Ok(ONNX_GRAPH), 2) => Ok(Some((ONNX_GRAPH, true, None))),
                _ => Err(ParseError::Malformed(error)),
            }
        }
        Err(error) => Err(error),
    }
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
            Ok(Some(_)) | Err(ParseError::Malformed(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
