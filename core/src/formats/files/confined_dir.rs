//! Files beneath a folder. Their paths come from a file that may be hostile, so they are opened name by
//! name beneath the model's folder, and a link is refused wherever it stands: checking a path first
//! and opening it then would leave the time in between to an attacker.

use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::MAX_FILES;
use crate::source::{FileSource, SourceError};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Folders within each other, more than any model has.
const MAX_FOLDERS: usize = 16;

/// A folder, and files that are beneath it by way of no link.
pub(crate) struct ConfinedDir {
    path: PathBuf,
    folder: OwnedFd,
}

impl ConfinedDir {
    /// Opens the folder itself, which may be reached by links.
    pub(crate) fn open(path: PathBuf) -> Result<Self, ParseError> {
        match open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => Ok(Self { path, folder }),
            Err(error) => Err(io_error(path, error.into())),
        }
    }

    /// Opens a file by its path from the folder on: names between slashes, none of them `..`.
    pub(crate) fn file(&self, path: &str) -> Result<FileSource, ParseError> {
        let whole = self.path.join(path);
        let failed = |error: Errno| match error {
            Errno::LOOP => malformed!("\"{path}\" is a link, which the files of a model must not be"),
            error => io_error(whole.clone(), error.into()),
        };
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut below: Option<OwnedFd> = None;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let within = below.as_ref().unwrap_or(&self.folder);
            below = Some(openat(within, folder, flags, Mode::empty()).map_err(failed)?);
        }
        // NONBLOCK: opening a pipe nobody writes to must not hang before it can be refused.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let within = below.as_ref().unwrap_or(&self.folder);
        let file = openat(within, name, flags, Mode::empty()).map_err(failed)?;
        Ok(FileSource::from_file(File::from(file), &whole)?)
    }
}

/// The paths of all files in a folder and below, from the folder on. No link is followed: opening one
/// refuses it.
///
/// # Errors
/// [`ParseError`] when a folder cannot be read, or there are many more files than a model has.
pub(crate) fn list_folder(folder: &Path, hidden: Hidden) -> Result<Vec<String>, ParseError> {
    let mut listing = Listing { hidden, paths: Vec::new(), folders: 0 };
    listing.list(folder, "", 0)?;
    Ok(listing.paths)
}

/// What is listed of files and folders whose names begin with a dot.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Hidden {
    List,
    Skip,
}

struct Listing {
    hidden: Hidden,
    paths: Vec<String>,
    folders: usize,
}

impl Listing {
    fn list(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), ParseError> {
        let failed = |error| io_error(folder.to_owned(), error);
        if depth > MAX_FOLDERS {
            return Err(too_large!("folder \"{prefix}\" is more than {MAX_FOLDERS} deep"));
        }
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if self.hidden == Hidden::Skip && name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let name =
                name.to_str().ok_or_else(|| malformed!("the name of a file is not UTF-8: {name:?}"))?;
            let path = format!("{prefix}{name}");
            if entry.file_type().map_err(failed)?.is_dir() {
                self.folders += 1;
                self.list(&entry.path(), &format!("{path}/"), depth + 1)?;
            } else {
                self.paths.push(path);
            }
            // Those that do not belong to the model are listed too, so there may be some more.
            if self.paths.len() + self.folders > 16 * MAX_FILES {
                return Err(too_large!(
                    "the model's folder has more than {} files and folders",
                    16 * MAX_FILES
                ));
            }
        }
        Ok(())
    }
}

fn io_error(path: PathBuf, error: io::Error) -> ParseError {
    SourceError::Io { action: "open", path, error }.into()
}
