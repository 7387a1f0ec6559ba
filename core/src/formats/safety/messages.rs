//! Messages of protobuf within messages, of graphs of ONNX and TensorFlow: read one after the other, in bounded memory
//! whatever a file says, and with looks for interrupts.

use super::limits::{MAX_GRAPH_NAMES, MAX_OPEN_MESSAGES};
use crate::formats::containers::protobuf::{Field, Payload, Span, Wire};
use crate::formats::error::{ParseError, too_large};
use crate::source::Source;

/// Fields between two looks for interrupts.
const FIELDS_PER_TICK: u64 = 1 << 12;
/// Longest name that is kept: of operators, functions, files.
const MAX_NAME_BYTES: u64 = 4 << 10;

/// The messages of a file that are still to be read, each of a kind.
pub(super) struct Messages<'a, 't, M> {
    wire: Wire<'a>,
    /// Every message is shorter than the one that it stands in, and each is read once.
    open: Vec<(M, Span)>,
    fields: u64,
    tick: &'t mut dyn FnMut(),
}

impl<'a, 't, M> Messages<'a, 't, M> {
    /// All of a file, as one message.
    pub(super) fn new(source: &'a dyn Source, root: M, tick: &'t mut dyn FnMut()) -> Self {
        Self { wire: Wire::new(source), open: vec![(root, Span::all(source))], fields: 0, tick }
    }

    /// The message that is read next.
    pub(super) fn pop(&mut self) -> Option<(M, Span)> {
        self.open.pop()
    }

    /// A message to be read later.
    pub(super) fn push(&mut self, kind: M, span: Span) -> Result<(), ParseError> {
        if self.open.len() >= MAX_OPEN_MESSAGES {
            return Err(too_large!("a graph has more than {MAX_OPEN_MESSAGES} nodes and tensors"));
        }
        self.open.push((kind, span));
        Ok(())
    }

    /// The next field of a message, of which the rest stays in `message`; none at its end.
    pub(super) fn next(&mut self, message: &mut Span) -> Result<Option<Field>, ParseError> {
        if self.fields.is_multiple_of(FIELDS_PER_TICK) {
            (self.tick)();
        }
        self.fields += 1;
        self.wire.next(message)
    }

    /// A name, as far as it is text.
    pub(super) fn name(&mut self, span: Span) -> Result<String, ParseError> {
        if span.len() > MAX_NAME_BYTES {
            return Err(too_large!("a name has {} bytes (at most {MAX_NAME_BYTES})", span.len()));
        }
        self.text(span)
    }

    /// A text, as far as it is one.
    pub(super) fn text(&mut self, span: Span) -> Result<String, ParseError> {
        Ok(String::from_utf8_lossy(&self.wire.bytes(span, "a text")?).into_owned())
    }

    /// The value of an entry, field 1 its key and field 2 its value, if it has this key.
    pub(super) fn value_of(&mut self, mut entry: Span, key: &str) -> Result<Option<Span>, ParseError> {
        let (mut is_key, mut value) = (false, None);
        while let Some(field) = self.next(&mut entry)? {
            match (field.number, field.payload) {
                (1, Payload::Bytes) => is_key = self.wire.is(field.span, key)?,
                (2, Payload::Bytes) => value = Some(field.span),
                _ => {}
            }
        }
        Ok(value.filter(|_| is_key))
    }
}

/// Refuses more different names than [`MAX_GRAPH_NAMES`].
pub(super) fn check_names(count: usize) -> Result<(), ParseError> {
    if count > MAX_GRAPH_NAMES {
        return Err(too_large!("a graph has more than {MAX_GRAPH_NAMES} different names"));
    }
    Ok(())
}
