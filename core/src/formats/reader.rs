//! What a format has to say about itself.

use super::checksum::Checksum;
use super::error::ParseError;
use super::files::{FileSet, FirstFile, Siblings};
use crate::metadata::Detail;
use crate::model::{Format, Model};
use crate::source::{Source, SourceError};
use std::path::{Path, PathBuf};

/// Bytes of a file's start that every reader is shown.
const HEAD_BYTES: u64 = 16;

/// The reader of one format. All of them stand in one table, in the order in which they are asked.
pub trait FormatReader: Sync {
    /// The format whose files it reads. Two readers may have the same one.
    fn format(&self) -> Format;

    /// True for a file of this format, by what it starts with or how it is built. Only its header may be
    /// read. Not asked for ZIP archives.
    ///
    /// # Errors
    /// [`ParseError`] when the file cannot be read.
    fn sniff(&self, content: &Content) -> Result<bool, ParseError>;

    /// True for a ZIP archive of this format, by the names of its entries.
    fn sniff_archive(&self, _entries: &[String]) -> bool {
        false
    }

    /// True for a file of this format that no reader's [`FormatReader::sniff`] knows: one without a sign
    /// that tells it from others for sure.
    ///
    /// # Errors
    /// As [`FormatReader::sniff`]; also [`ParseError`] for a file that is known and never read.
    fn sniff_last(&self, _content: &Content) -> Result<bool, ParseError> {
        Ok(false)
    }

    /// The file that a path stands for which is only what the names of files begin with.
    fn locate(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// The files beside the one at a path that belong to its model.
    ///
    /// # Errors
    /// [`ParseError`] when the file does not say it, or leads where it must not.
    fn siblings(&self, _file: &FirstFile) -> Result<Siblings, ParseError> {
        Ok(Siblings::None)
    }

    /// The numbers of the files that are of this format themselves: all but an index, unless the first
    /// one leads to the others.
    fn shards(&self, files: &FileSet) -> Vec<usize> {
        files.data_files()
    }

    /// True where an index of shards, a file of its own, may say which tensor is in which file. Others take
    /// their first file for a model's.
    fn has_shard_index(&self) -> bool {
        false
    }

    /// Parses the headers of a model's files, never their weights.
    ///
    /// # Errors
    /// [`ParseError`] for anything the format forbids, and for files that do not fit together.
    fn parse(&self, files: &FileSet, detail: Detail) -> Result<Model, ParseError>;

    /// The checksums of weights that the files hold beside them.
    ///
    /// # Errors
    /// As [`FormatReader::parse`].
    fn checksums(&self, _files: &FileSet) -> Result<Vec<Checksum>, ParseError> {
        Ok(Vec::new())
    }
}

/// The content of a file, as far as it tells its format.
pub struct Content<'a> {
    /// The file.
    pub source: &'a dyn Source,
    /// Its first 16 bytes; fewer where it is shorter.
    pub head: Vec<u8>,
}

impl<'a> Content<'a> {
    /// Reads the start of a file.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be read.
    pub fn read(source: &'a dyn Source) -> Result<Self, SourceError> {
        let mut head = vec![0; source.len().min(HEAD_BYTES) as usize];
        source.read_at(0, &mut head)?;
        Ok(Self { source, head })
    }
}
