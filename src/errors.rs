//! The one place where errors of the engine become SQLSTATE, message and hint.

use atomizer_core::export_paths::PathError;
use atomizer_core::formats::error::tidy_to;
use atomizer_core::formats::{ParseError, ParseErrorKind};
use atomizer_core::quant::QuantizeError;
use atomizer_core::source::SourceError;
use atomizer_core::svd::SvdError;
use atomizer_core::svd::lora::LoraError;
use atomizer_core::weights::DecodeError;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Longest message: what the engine's may have, and some more. Paths and arguments stand in others.
const MAX_MESSAGE_BYTES: usize = 2000;

/// Raises an error with a hint of what to do next; an empty hint is left out.
pub fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: &str) -> ! {
    let message = tidy_to(message.into(), MAX_MESSAGE_BYTES);
    let report = ErrorReport::new(code, message, "atomizer");
    let report = if hint.is_empty() { report } else { report.set_hint(hint) };
    report.report(PgLogLevel::ERROR);
    unreachable!("an error does not return")
}

/// Keeps backtraces, which name files and functions, out of what clients are told: pgrx adds them to an error's detail
/// when the server's environment asks for them. The first capture decides for the process.
pub fn hide_backtraces() {
    const NAME: &str = "RUST_LIB_BACKTRACE";
    let before = std::env::var_os(NAME);
    // SAFETY: a session loads the library on its only thread.
    unsafe {
        std::env::set_var(NAME, "0");
        drop(std::backtrace::Backtrace::capture());
        match before {
            Some(value) => std::env::set_var(NAME, value),
            None => std::env::remove_var(NAME),
        }
    }
}

/// The value of an argument that must not be null, of a function that takes nulls for others.
pub fn require_arg<T>(name: &str, value: Option<T>) -> T {
    value.unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{name} must not be null"), "")
    })
}

/// Raises an error when so many bytes cannot be allocated: where Postgres reports that, Rust would abort
/// the process, and with it the server. For sizes that follow from a caller's file or arguments.
pub fn check_memory(bytes: u64) {
    let enough = usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    if !enough {
        let message = format!("out of memory: cannot allocate {bytes} bytes");
        raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, message, "");
    }
}

/// Turns an engine's error into a Postgres error.
pub trait OrRaise<T> {
    /// The value, or the error raised.
    fn or_raise(self) -> T;
}

impl<T, E: Raise> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> T {
        self.unwrap_or_else(|error| error.raise())
    }
}

/// An error that knows its SQLSTATE.
pub trait Raise {
    /// Raises it.
    fn raise(self) -> !;
}

impl Raise for SourceError {
    fn raise(self) -> ! {
        let (code, hint) = code_and_hint(&self);
        raise(code, self.to_string(), hint)
    }
}

fn code_and_hint(error: &SourceError) -> (PgSqlErrorCode, &'static str) {
    use std::io::ErrorKind;
    let cause = error.cause();
    // As Postgres' own errcode_for_file_access().
    let code = match cause {
        SourceError::Io { error, .. } => match error.kind() {
            ErrorKind::NotFound => PgSqlErrorCode::ERRCODE_UNDEFINED_FILE,
            ErrorKind::PermissionDenied => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            ErrorKind::AlreadyExists => PgSqlErrorCode::ERRCODE_DUPLICATE_FILE,
            ErrorKind::StorageFull => PgSqlErrorCode::ERRCODE_DISK_FULL,
            ErrorKind::NotADirectory | ErrorKind::IsADirectory => PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            ErrorKind::ReadOnlyFilesystem => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            ErrorKind::InvalidFilename => PgSqlErrorCode::ERRCODE_INVALID_NAME,
            ErrorKind::OutOfMemory => PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
            _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES
            }
            _ => PgSqlErrorCode::ERRCODE_IO_ERROR,
        },
        SourceError::NotAFile(_) => PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        SourceError::Truncated { .. } => PgSqlErrorCode::ERRCODE_IO_ERROR,
        SourceError::OutOfRange { .. } => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        SourceError::Malformed(_) => PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
        SourceError::Absent(_) => PgSqlErrorCode::ERRCODE_UNDEFINED_FILE,
        SourceError::OutOfMemory(_) => PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        SourceError::Other(_) | SourceError::InTensor { .. } => PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
    };
    let hint = match cause {
        SourceError::Io { error, .. } if error.kind() == ErrorKind::NotFound => {
            "The path is one of the database server's own file system."
        }
        SourceError::Io { error, .. } if error.kind() == ErrorKind::PermissionDenied => {
            "The operating system user that runs the database server needs this right."
        }
        SourceError::Absent(_) => {
            "A model of several files is given by its path on the server: bytes and large objects hold one file."
        }
        SourceError::Truncated { .. } => {
            "Restore the file, then call atomize_model_governed again to resume."
        }
        _ => "",
    };
    (code, hint)
}

impl Raise for ParseError {
    fn raise(self) -> ! {
        let code = match self.kind() {
            ParseErrorKind::Source(error) => {
                let (code, hint) = code_and_hint(error);
                raise(code, self.to_string(), self.hint().unwrap_or(hint))
            }
            ParseErrorKind::Malformed(_) => PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
            ParseErrorKind::Unsupported(_) => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            ParseErrorKind::TooLarge(_) => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        };
        raise(code, self.to_string(), self.hint().unwrap_or_default())
    }
}

impl Raise for PathError {
    fn raise(self) -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_NAME,
            format!("the files of the model cannot be written to one folder: {self}"),
            "Export them one by one with export_model_file(), by file_no and with paths of your own.",
        )
    }
}

impl Raise for DecodeError {
    fn raise(self) -> ! {
        match self {
            Self::Unsupported(_) => raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                self.to_string(),
                "Such tensors are stored and given back exactly; extract_model_weights gives their raw bytes.",
            ),
            Self::PartialBlock { .. } | Self::WrongLength { .. } => {
                raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), "")
            }
        }
    }
}

impl Raise for QuantizeError {
    fn raise(self) -> ! {
        let hint =
            "SELECT * FROM atomizer.quantization_types() WHERE quantize lists the types and their blocks.";
        match self {
            Self::Unsupported(_) => {
                raise(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, self.to_string(), hint)
            }
            Self::PartialBlock { .. } => {
                raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), hint)
            }
            Self::PartialRow { .. } | Self::NotFinite { .. } => {
                raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), "")
            }
        }
    }
}

impl Raise for SvdError {
    fn raise(self) -> ! {
        let (code, hint) = match &self {
            Self::Shape { .. } => (
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                "A matrix is given row by row; of its decomposition, u is rows x rank, s rank and vt rank x cols.",
            ),
            Self::Empty { .. } | Self::Rank | Self::NotFinite { .. } => {
                (PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "")
            }
            Self::TooLarge(_) | Self::Overflow => (PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, ""),
            Self::OutOfMemory => (PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, ""),
            Self::Cancelled => (PgSqlErrorCode::ERRCODE_QUERY_CANCELED, ""),
            Self::NotConverged => (PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, ""),
        };
        raise(code, self.to_string(), hint)
    }
}

impl Raise for LoraError {
    fn raise(self) -> ! {
        let code = match self {
            Self::Svd(error) => error.raise(),
            Self::Lengths { .. } | Self::Shape { .. } | Self::Twice(_) | Self::Empty => {
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE
            }
            Self::File(_) => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        };
        raise(code, self.to_string(), "")
    }
}
