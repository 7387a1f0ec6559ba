//! Why a pickle is not followed further.

use crate::formats::error::ParseError;

/// Why the machine stops or, where it is lenient, goes on.
pub(super) enum Fault {
    Error(String),
    Limit(&'static str),
    /// There is no going on: the next opcode is not known.
    End(String),
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        Self::End(error.to_string())
    }
}

/// What one step gives.
pub(super) type Step<T = ()> = Result<T, Fault>;

/// An error that ends what is strict.
pub(super) fn fault<T>(what: impl Into<String>) -> Step<T> {
    Err(Fault::Error(what.into()))
}
