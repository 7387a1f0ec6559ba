//! Files beneath a folder. Their paths come from a file that may be hostile, so they are opened name by
//! name beneath the model's folder, and no link is followed by opening it: checking a path first and opening it
//! then would leave the time in between to an attacker. Where a link stands, what it leads to is opened in the same
//! way beneath one of the folders that are allowed: a cache of downloads has links into its folder of blobs.

use crate::formats::error::{ParseError, malformed, too_large};
use crate::source::{FileSource, SourceError};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Folders within each other, more than any model has.
const MAX_FOLDERS: usize = 16;
/// Most files and folders that are listed: external data may be a file for each tensor, and what does not belong to the
/// model is listed too.
const MAX_LISTED: usize = 1 << 15;

/// The folders of a hub's cache: `…/models--a--b/snapshots/REVISION/…` has links to `…/models--a--b/blobs/`.
const SNAPSHOTS: &str = "snapshots";
const BLOBS: &str = "blobs";
/// What to do about a link that leads elsewhere.
const COPY: &str = "Copy the folder with cp -rL, which puts files in the place of links.";

/// A folder, and files that are beneath it, or to which links beneath it lead in folders that are allowed.
pub(crate) struct ConfinedDir {
    path: PathBuf,
    folder: OwnedFd,
    /// Without links in their own paths.
    allowed: Vec<PathBuf>,
}

impl ConfinedDir {
    /// Opens the folder itself, which may be reached by links.
    pub(crate) fn open(path: PathBuf) -> Result<Self, ParseError> {
        match open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => Ok(Self { path, folder, allowed: Vec::new() }),
            Err(error) => Err(io_error(path, error.into())),
        }
    }

    /// Allows links into the folder that the model's file is really in, and into the blobs of the cache that this
    /// folder is of.
    pub(crate) fn allow_links(mut self, real: Option<PathBuf>) -> Self {
        self.allowed.extend(real);
        let folder = fs::canonicalize(&self.path).unwrap_or_default();
        let snapshots =
            folder.ancestors().find(|above| above.file_name().is_some_and(|name| name == SNAPSHOTS));
        let blobs = snapshots.and_then(Path::parent).map(|cache| cache.join(BLOBS));
        self.allowed.extend(blobs.and_then(|blobs| fs::canonicalize(blobs).ok()));
        self
    }

    /// Opens a file by its path from the folder on: names between slashes, none of them `..`.
    pub(crate) fn file(&self, path: &str) -> Result<FileSource, ParseError> {
        match self.file_by_no_link(path) {
            // A folder that is a link is no folder.
            Err(Errno::LOOP | Errno::NOTDIR) => self.linked_file(path),
            Err(error) => Err(io_error(self.path.join(path), error.into())),
            Ok(file) => Ok(FileSource::from_file(file, &self.path.join(path))?),
        }
    }

    fn linked_file(&self, path: &str) -> Result<FileSource, ParseError> {
        let whole = self.path.join(path);
        let refused = || {
            malformed!(
                "\"{path}\" is a link out of the model's folder, which the files of a model must not be"
            )
            .with_hint(COPY)
        };
        let target = match fs::canonicalize(&whole) {
            Ok(target) => target,
            Err(error) => return Err(io_error(whole, error)),
        };
        let within = |allowed: &PathBuf| {
            Some((allowed.clone(), target.strip_prefix(allowed).ok()?.to_str()?.to_owned()))
        };
        let (allowed, rest) = self.allowed.iter().find_map(within).ok_or_else(refused)?;
        let file = Self::open(allowed)?.file_by_no_link(&rest).map_err(|error| match error {
            Errno::LOOP => refused(),
            error => io_error(whole.clone(), error.into()),
        })?;
        Ok(FileSource::from_file(file, &whole)?)
    }

    fn file_by_no_link(&self, path: &str) -> Result<File, Errno> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut below: Option<OwnedFd> = None;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let within = below.as_ref().unwrap_or(&self.folder);
            below = Some(openat(within, folder, flags, Mode::empty())?);
        }
        // NONBLOCK: opening a pipe nobody writes to must not hang before it can be refused.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let within = below.as_ref().unwrap_or(&self.folder);
        Ok(File::from(openat(within, name, flags, Mode::empty())?))
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
            if self.paths.len() + self.folders > MAX_LISTED {
                return Err(too_large!("the model's folder has more than {MAX_LISTED} files and folders"));
            }
        }
        Ok(())
    }
}

fn io_error(path: PathBuf, error: io::Error) -> ParseError {
    SourceError::Io { action: "open", path, error }.into()
}
