//! Telling messages of protobuf apart. There is no magic: what a file is shows in the numbers and types of
//! its fields.

use super::{Field, Payload, Span, Wire};
use crate::formats::error::ParseError;
use crate::source::Source;

/// A field at a message's top, as far as a file that may be cut short has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The field's number.
    pub(crate) number: u32,
    /// Whether it holds bytes.
    pub(crate) is_bytes: bool,
    /// True for the message's first field.
    pub(crate) is_first: bool,
    /// The field, if it ends within the file.
    pub(crate) field: Option<Field>,
}

/// What a field tells.
pub(crate) enum Sniffed<T> {
    /// Nothing yet.
    Unknown,
    /// The file is not of the kind that is looked for.
    Other,
    /// What the file is.
    Found(T),
}

/// Shows `tell` the fields of a source that may be a message of protobuf, until it knows what that is.
/// Bytes that are not protobuf are another format's. A field of bytes whose end is missing is shown by
/// its key alone: a file that was cut short is still what it begins as.
///
/// # Errors
/// [`ParseError`] when the bytes cannot be read.
pub(crate) fn sniff_protobuf<T>(
    source: &dyn Source,
    mut tell: impl FnMut(&mut Wire, Head) -> Result<Sniffed<T>, ParseError>,
) -> Result<Option<T>, ParseError> {
    let mut wire = Wire::new(source);
    let mut rest = Span::all(source);
    let mut is_first = true;
    let mut sniff = || {
        while let Some(head) = head(&mut wire, &mut rest, is_first)? {
            is_first = false;
            match tell(&mut wire, head)? {
                Sniffed::Found(found) => return Ok(Some(found)),
                Sniffed::Unknown if head.field.is_some() => {}
                Sniffed::Unknown | Sniffed::Other => return Ok(None),
            }
        }
        Ok(None)
    };
    match sniff() {
        Err(error) if ParseError::is_malformed(&error) => Ok(None),
        result => result,
    }
}

fn head(wire: &mut Wire, rest: &mut Span, is_first: bool) -> Result<Option<Head>, ParseError> {
    const BYTES: u64 = 2;
    let key_offset = rest.offset;
    match wire.next(rest) {
        Ok(field) => Ok(field.map(|field| Head {
            number: field.number,
            is_bytes: field.payload == Payload::Bytes,
            is_first,
            field: Some(field),
        })),
        Err(error) if error.is_malformed() => {
            let (key, _) = wire.number(Span { offset: key_offset, end: rest.end })?;
            match (u32::try_from(key >> 3), key & 7) {
                (Ok(number), BYTES) => Ok(Some(Head { number, is_bytes: true, is_first, field: None })),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}
