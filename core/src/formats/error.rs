//! Why a model's files could not be opened, in which file of which format.

use crate::model::Format;
use crate::source::SourceError;
use std::fmt;

/// Why a model file could not be opened.
#[derive(Debug)]
pub struct ParseError {
    kind: ParseErrorKind,
    context: Option<Box<Context>>,
}

/// What is wrong; it becomes the SQLSTATE.
#[derive(Debug, thiserror::Error)]
pub enum ParseErrorKind {
    /// The bytes contradict the format, or each other.
    #[error("{0}")]
    Malformed(String),
    /// The bytes are well formed, and this is something we do not read.
    #[error("{0}")]
    Unsupported(String),
    /// A length or a count is over its named cap.
    #[error("{0}")]
    TooLarge(String),
    /// The bytes could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Where an error is.
#[derive(Debug, Default)]
struct Context {
    file: Option<String>,
    format: Option<Format>,
    hint: Option<String>,
}

impl ParseError {
    /// What is wrong.
    pub fn kind(&self) -> &ParseErrorKind {
        &self.kind
    }

    /// What is wrong, without where.
    pub fn into_kind(self) -> ParseErrorKind {
        self.kind
    }

    /// The name of the file within its model, where it is known.
    pub fn file(&self) -> Option<&str> {
        self.context.as_ref()?.file.as_deref()
    }

    /// The format that the file was read as, where it is known.
    pub fn format(&self) -> Option<Format> {
        self.context.as_ref()?.format
    }

    /// What the user can do next, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.context.as_ref()?.hint.as_deref()
    }

    /// Says what the user can do next.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.context.get_or_insert_default().hint = Some(tidy(hint.into()));
        self
    }

    /// True where the bytes contradict the format.
    pub(crate) fn is_malformed(&self) -> bool {
        matches!(self.kind, ParseErrorKind::Malformed(_))
    }

    /// True where a limit was met.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self.kind, ParseErrorKind::TooLarge(_))
    }

    /// True where the bytes could not be read.
    pub(crate) fn is_source(&self) -> bool {
        matches!(self.kind, ParseErrorKind::Source(_))
    }

    /// Says in what part of the file something is wrong.
    pub(crate) fn within(self, part: impl fmt::Display) -> Self {
        use ParseErrorKind::{Malformed, Source, TooLarge, Unsupported};
        let put = |what: String| tidy(format!("{part}: {what}"));
        let kind = match self.kind {
            Malformed(what) => Malformed(put(what)),
            Unsupported(what) => Unsupported(put(what)),
            TooLarge(what) => TooLarge(put(what)),
            Source(error) => Source(error),
        };
        Self { kind, ..self }
    }

    /// Names the file, if that has not been done where more was known.
    #[must_use]
    pub fn in_file(mut self, name: Option<&str>) -> Self {
        if let Some(name) = name {
            let context = self.context.get_or_insert_default();
            context.file.get_or_insert_with(|| tidy_to(name.to_owned(), MAX_NAME_BYTES));
        }
        self
    }

    /// Names the format, if that has not been done.
    #[must_use]
    pub fn in_format(mut self, format: Format) -> Self {
        self.context.get_or_insert_default().format.get_or_insert(format);
        self
    }
}

impl From<ParseErrorKind> for ParseError {
    fn from(kind: ParseErrorKind) -> Self {
        Self { kind, context: None }
    }
}

impl From<SourceError> for ParseError {
    fn from(error: SourceError) -> Self {
        ParseErrorKind::Source(error).into()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // What the operating system refused names the file by its whole path.
        let names_its_file = matches!(&self.kind, ParseErrorKind::Source(error) if error.names_its_file());
        if !names_its_file {
            match (self.format(), self.file()) {
                (Some(format), Some(file)) => write!(f, "{} file \"{file}\": ", format.name())?,
                (Some(format), None) => write!(f, "{}: ", format.name())?,
                (None, Some(file)) => write!(f, "file \"{file}\": ")?,
                (None, None) => {}
            }
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for ParseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ParseErrorKind::Source(error) => Some(error),
            _ => None,
        }
    }
}

/// Longest message. Names and values of a hostile file stand in it, and it goes into the server's log.
const MAX_MESSAGE_BYTES: usize = 1000;
/// Longest name of a file in a message.
const MAX_NAME_BYTES: usize = 200;

/// Makes a message fit for a log, a terminal and C: short, of one line, and with the pictures of control
/// characters in their place.
pub(crate) fn tidy(message: String) -> String {
    tidy_to(message, MAX_MESSAGE_BYTES)
}

/// As for messages, of another length.
pub fn tidy_to(mut message: String, max: usize) -> String {
    if message.contains(char::is_control) {
        message = message.chars().map(picture).collect();
    }
    if message.len() > max {
        message.truncate(message.floor_char_boundary(max));
        message.push('…');
    }
    message
}

fn picture(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

macro_rules! parse_error {
    ($kind:ident, $($arg:tt)*) => {
        $crate::formats::error::ParseError::from($crate::formats::error::ParseErrorKind::$kind(
            $crate::formats::error::tidy(format!($($arg)*)),
        ))
    };
}
macro_rules! malformed {
    ($($arg:tt)*) => { $crate::formats::error::parse_error!(Malformed, $($arg)*) };
}
macro_rules! unsupported {
    ($($arg:tt)*) => { $crate::formats::error::parse_error!(Unsupported, $($arg)*) };
}
macro_rules! too_large {
    ($($arg:tt)*) => { $crate::formats::error::parse_error!(TooLarge, $($arg)*) };
}
pub(crate) use {malformed, parse_error, too_large, unsupported};

/// The error for a file that a model needs and that was not given with it.
pub(crate) fn missing(what: &str, path: &str) -> ParseError {
    SourceError::Absent(tidy(format!(
        "the bytes of \"{what}\" are in the file \"{path}\", which was not given: give the model by its path"
    )))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_file_and_format_are_named() {
        let error = malformed!("no magic").in_file(Some("b")).in_format(Format::Gguf);
        let error = error.in_file(Some("a")).in_format(Format::Onnx);
        assert_eq!(error.to_string(), "GGUF file \"b\": no magic");
        assert_eq!((error.file(), error.format()), (Some("b"), Some(Format::Gguf)));
        assert_eq!(malformed!("x").in_file(None).in_format(Format::NumPy).to_string(), "NumPy: x");
        assert_eq!(too_large!("x").in_file(Some("a")).to_string(), "file \"a\": x");
        assert_eq!(unsupported!("x").within("entry \"e\"").to_string(), "entry \"e\": x");
    }

    #[test]
    fn a_path_in_the_message_is_enough() {
        let error = SourceError::NotAFile("/models/a".into());
        let error = ParseError::from(error).in_file(Some("a")).in_format(Format::Gguf);
        assert_eq!(error.to_string(), "\"/models/a\" is not a regular file");
    }

    #[test]
    fn messages_are_of_one_line_and_move_no_cursor() {
        let error = malformed!("tensor \"a\nb\x1b[2J\u{9b}é\"").in_file(Some("c\r\x7f"));
        let tidied = "file \"c\u{240d}\u{2421}\": tensor \"a\u{240a}b\u{241b}[2J\u{fffd}é\"";
        assert_eq!(error.to_string(), tidied);
    }

    #[test]
    fn messages_stay_short() {
        let error = malformed!("{}\0", "é".repeat(2000)).in_file(Some(&"n".repeat(5000)));
        assert!(error.to_string().len() < 1300 && !error.to_string().contains('\0'));
    }
}
