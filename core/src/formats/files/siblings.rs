//! From a path to the files of a model.

use super::confined_dir::ConfinedDir;
use super::file_set::FileSet;
use super::names::file_name;
use super::pool::Pool;
use crate::formats::error::{ParseError, too_large};
use crate::formats::limits::{MAX_FILES, MAX_FILES_BENEATH};
use crate::source::{FileSource, Source};
use std::fs;
use std::path::{Path, PathBuf};

/// The file that a path leads to, open.
pub struct FirstFile {
    path: PathBuf,
    name: String,
    source: FileSource,
}

/// The files that belong to a first one, in their order, by their paths from its folder on. The first
/// one stands before them, unless it is among them.
pub enum Siblings {
    /// No other file.
    None,
    /// Plain names of files beside it. Links are followed, as with the first one: caches of
    /// downloads have nothing else.
    Beside(Vec<String>),
    /// Paths that come from the model's content: files beneath the folder. Links are followed into the folder of the
    /// real first file, and into the blobs of a cache; any other is refused.
    Beneath(Vec<String>),
}

impl FirstFile {
    /// Opens a file: the one at the path, or the one that the path stands for.
    ///
    /// # Errors
    /// [`ParseError`] when it cannot be read.
    pub fn open(given: &Path, located: Option<PathBuf>) -> Result<Self, ParseError> {
        let path = located.unwrap_or_else(|| given.to_owned());
        let source = FileSource::open(&path)?;
        Ok(Self { name: file_name(&path), path, source })
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when there is a file of this name beside it.
    pub fn has_beside(&self, name: &str) -> bool {
        self.path.with_file_name(name).is_file()
    }

    /// The folder that the file is in.
    pub fn folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The bytes of the file.
    pub fn source(&self) -> &dyn Source {
        &self.source
    }

    /// A model of this file alone.
    pub fn alone(self) -> FileSet<'static> {
        FileSet::single(self.name, Box::new(self.source))
    }

    /// Opens the files that belong to this one.
    ///
    /// # Errors
    /// [`ParseError`] when one of them cannot be read, or must not be, or there are too many.
    pub fn with(self, siblings: Siblings) -> Result<FileSet<'static>, ParseError> {
        let (names, folder) = match siblings {
            Siblings::None => return Ok(self.alone()),
            Siblings::Beside(names) => (names, None),
            Siblings::Beneath(names) if names.is_empty() => return Ok(self.alone()),
            Siblings::Beneath(names) => {
                let real = fs::canonicalize(&self.path).ok();
                let real = real.and_then(|real| real.parent().map(Path::to_owned));
                let folder = ConfinedDir::open(self.folder())?.allow_links(real);
                (names, Some(Pool::new(folder)))
            }
        };
        let stands_first = !names.contains(&self.name);
        let count = names.len() + usize::from(stands_first);
        let max = if folder.is_some() { MAX_FILES_BENEATH } else { MAX_FILES };
        if count > max {
            let error = too_large!("the model has {count} files (at most {max})");
            return Err(error.with_hint("Save the model with its weights in fewer files."));
        }
        let mut files: Vec<(String, Box<dyn Source>)> = Vec::with_capacity(count);
        if stands_first {
            files.push((self.name, Box::new(self.source)));
        }
        for name in names {
            let source: Box<dyn Source> = match &folder {
                None => Box::new(FileSource::open(&self.path.with_file_name(&name))?),
                Some(folder) => Box::new(folder.file(&name)?),
            };
            files.push((name, source));
        }
        Ok(FileSet::from_files(files))
    }
}
