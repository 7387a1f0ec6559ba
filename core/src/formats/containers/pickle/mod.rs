//! A reader of Python's pickles that builds a description of what they hold and never calls, imports
//! or looks up anything: a global stays a name, and a call stays a record of a callee and its
//! arguments. Protocols 0 to 5.
//! Source: CPython's `Lib/pickletools.py`, which documents every opcode.

mod machine;
mod text;
mod value;

pub use machine::EXTENSION;
pub(crate) use text::{quoted, raw_unicode};
pub use value::{Bytes, DeferredCall, Global, Object, Pickle, TextRef, Value};

use crate::formats::error::{ParseError, malformed};
use crate::formats::support::header_reader::HeaderReader;

/// Reads the pickle at which `reader` stands, and leaves it behind the pickle's last byte.
///
/// # Errors
/// [`ParseError`] for what is not a pickle, and for one that is too large.
pub(crate) fn read_next(reader: &mut HeaderReader) -> Result<Pickle, ParseError> {
    let (pickle, result) = read_partial(reader);
    result.map(|()| pickle)
}

/// As [`read_next`], but gives what was built before an error too: Python would have called all of
/// that already.
pub(crate) fn read_partial(reader: &mut HeaderReader) -> (Pickle, Result<(), ParseError>) {
    machine::run(reader)
}

/// Reads a pickle that fills its source from the first byte on.
///
/// # Errors
/// [`ParseError`] for what is not a pickle, and for one that is too large.
pub fn read(source: &dyn crate::source::Source) -> Result<Pickle, ParseError> {
    let mut reader = HeaderReader::new(source);
    if source.is_empty() {
        return Err(malformed!("the pickle is empty"));
    }
    read_next(&mut reader)
}
