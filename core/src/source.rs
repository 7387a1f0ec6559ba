//! Where bytes come from: a slice in memory or a file on disk. The extension adds large objects
//! and files rebuilt from the store.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The range asked for ends behind the source's last byte.
    #[error("cannot read {wanted} bytes at byte {offset}: the source has {length}")]
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Number of bytes asked for.
        wanted: u64,
        /// Length of the source.
        length: u64,
    },
    /// The operating system refused.
    #[error("cannot {action} \"{path}\": {error}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        error: std::io::Error,
    },
    /// A directory, a pipe, a device: nothing with a fixed length.
    #[error("\"{0}\" is not a regular file")]
    NotAFile(PathBuf),
    /// The file became shorter after it was opened.
    #[error("file \"{path}\" was truncated while it was read: {wanted} bytes at byte {offset} are gone")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// First byte asked for.
        offset: u64,
        /// Number of bytes asked for.
        wanted: u64,
    },
    /// The bytes contradict their format, which shows only when they are read: a compressed stream
    /// that does not expand to its recorded length, say.
    #[error("{0}")]
    Malformed(String),
    /// A file that belongs to the model is not among those given.
    #[error("{0}")]
    Absent(String),
    /// There is no memory for the work.
    #[error("{0}")]
    OutOfMemory(String),
    /// One of the others, while a tensor was read.
    #[error("{}tensor \"{tensor}\": {error}", .file.as_ref().map(|file| format!("file \"{file}\", ")).unwrap_or_default())]
    InTensor {
        /// The file that holds the tensor's bytes, by its name within the model.
        file: Option<String>,
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        error: Box<SourceError>,
    },
    /// A source of the caller's own failed.
    #[error("{0}")]
    Other(String),
}

impl SourceError {
    /// Says which tensor could not be read, and in which file it is, if that has not been done.
    #[must_use]
    pub fn in_tensor(self, file: Option<&str>, tensor: &str) -> Self {
        match self {
            Self::InTensor { .. } => self,
            error => Self::InTensor {
                file: file.map(str::to_owned),
                tensor: tensor.to_owned(),
                error: Box::new(error),
            },
        }
    }

    /// What is wrong, without where.
    pub fn cause(&self) -> &Self {
        match self {
            Self::InTensor { error, .. } => error.cause(),
            error => error,
        }
    }

    /// True where the message names the file by its path.
    pub(crate) fn names_its_file(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::NotAFile(_) | Self::Truncated { .. })
    }
}

/// Random access to the bytes of one file of a model.
pub trait Source {
    /// Length in bytes, fixed when the source was opened.
    fn len(&self) -> u64;

    /// True when there is no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`SourceError`] when not all of them can be read; `buf` is then undefined.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError>;
}

/// Refuses a range that does not lie within `length` bytes.
///
/// # Errors
/// [`SourceError::OutOfRange`].
pub fn check_range(offset: u64, wanted: usize, length: u64) -> Result<(), SourceError> {
    let wanted = wanted as u64;
    match offset.checked_add(wanted) {
        Some(end) if end <= length => Ok(()),
        _ => Err(SourceError::OutOfRange { offset, wanted, length }),
    }
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), Source::len(self))?;
        let start = offset as usize;
        buf.copy_from_slice(&self[start..start + buf.len()]);
        Ok(())
    }
}

/// What tells a file from the one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    number: u64,
}

/// A file read with `pread`. It is never mapped: a mapped file that is truncated under a Postgres
/// backend raises SIGBUS and takes the whole server down.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: PathBuf,
    length: u64,
}

impl FileSource {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`SourceError::Io`] when it cannot be opened, [`SourceError::NotAFile`] for anything else
    /// than a regular file (a pipe would block for ever, a device never ends).
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let io = |error| SourceError::Io { action: "open", path: path.to_owned(), error };
        // O_NONBLOCK: opening a pipe nobody writes to must not hang before it can be refused.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(io)?;
        Self::from_file(file, path)
    }

    /// A file that is open already, and was opened so that a pipe does not block.
    ///
    /// # Errors
    /// As [`FileSource::open`].
    pub fn from_file(file: File, path: &Path) -> Result<Self, SourceError> {
        let io = |error| SourceError::Io { action: "open", path: path.to_owned(), error };
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile(path.to_owned()));
        }
        Ok(Self { length: metadata.len(), path: path.to_owned(), file })
    }

    /// Which file it is.
    ///
    /// # Errors
    /// [`SourceError::Io`] when the system does not say it.
    pub fn identity(&self) -> Result<Identity, SourceError> {
        let io = |error| SourceError::Io { action: "look at", path: self.path.clone(), error };
        let metadata = self.file.metadata().map_err(io)?;
        Ok(Identity { device: metadata.dev(), number: metadata.ino() })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        self.file.read_exact_at(buf, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                SourceError::Truncated { path: self.path.clone(), offset, wanted: buf.len() as u64 }
            }
            _ => SourceError::Io { action: "read", path: self.path.clone(), error },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_refuses_ranges_beyond_its_end() {
        let source: &[u8] = b"0123456789";
        let mut buf = [0; 4];
        source.read_at(6, &mut buf).unwrap();
        assert_eq!(&buf, b"6789");
        for offset in [7, 10, u64::MAX, u64::MAX - 3] {
            assert!(matches!(source.read_at(offset, &mut buf), Err(SourceError::OutOfRange { .. })));
        }
    }

    #[test]
    fn directories_and_devices_are_refused() {
        for path in ["/", "/dev/zero", "/dev/null"] {
            assert!(matches!(FileSource::open(Path::new(path)), Err(SourceError::NotAFile(_))));
        }
    }

    #[test]
    fn a_file_truncated_after_opening_is_an_error() {
        let path = std::env::temp_dir().join(format!("atomizer-truncated-{}", std::process::id()));
        std::fs::write(&path, [7; 1000]).unwrap();
        let source = FileSource::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(500).unwrap();
        let mut buf = [0; 100];
        source.read_at(400, &mut buf).unwrap();
        assert!(matches!(source.read_at(450, &mut buf), Err(SourceError::Truncated { .. })));
        std::fs::remove_file(&path).unwrap();
    }
}
