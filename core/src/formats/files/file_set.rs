//! The open files of one model.

use super::index_content::is_index;
use super::names::is_shard_index;
use crate::model::Tensor;
use crate::source::{Source, SourceError};
use std::cell::OnceCell;

/// What a file is called that was given without a name.
const UNNAMED: &str = "model";

struct ModelFile<'a> {
    name: Option<String>,
    source: Box<dyn Source + 'a>,
    role: FileRole,
}

/// What a file is to its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// It holds weights, or says where they are.
    Weights,
    /// It stood beside them in the model's folder: a configuration, a tokenizer, a README. Readers do not see it.
    Companion,
}

impl FileRole {
    const ALL: [Self; 2] = [Self::Weights, Self::Companion];

    /// The name in SQL (`model_file.role`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Companion => "companion",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The open files of one model, in the order of their numbers.
pub struct FileSet<'a> {
    files: Vec<ModelFile<'a>>,
    /// Whether the first one is an index of shards, once that was asked.
    begins_with_index: OnceCell<bool>,
}

impl<'a> FileSet<'a> {
    /// A model of one file.
    pub fn single(name: impl Into<String>, source: Box<dyn Source + 'a>) -> Self {
        Self::of(vec![ModelFile { name: Some(name.into()), source, role: FileRole::Weights }])
    }

    /// A model of one file that has no name: bytes, or a large object.
    pub fn unnamed(source: Box<dyn Source + 'a>) -> Self {
        Self::of(vec![ModelFile { name: None, source, role: FileRole::Weights }])
    }

    /// A model whose files are already known by name, such as one rebuilt from the store.
    pub fn from_files(files: Vec<(String, Box<dyn Source + 'a>)>) -> Self {
        Self::from_roles(files.into_iter().map(|(name, source)| (name, FileRole::Weights, source)))
    }

    /// A model whose files are known by name and role.
    pub fn from_roles(files: impl IntoIterator<Item = (String, FileRole, Box<dyn Source + 'a>)>) -> Self {
        let files = files.into_iter();
        Self::of(files.map(|(name, role, source)| ModelFile { name: Some(name), source, role }).collect())
    }

    fn of(files: Vec<ModelFile<'a>>) -> Self {
        Self { files, begins_with_index: OnceCell::new() }
    }

    /// Adds a file that stands beside the weights.
    pub(crate) fn add_companion(&mut self, name: String, source: Box<dyn Source + 'a>) {
        self.files.push(ModelFile { name: Some(name), source, role: FileRole::Companion });
    }

    /// Number of files, the index and companions included.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True when there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The name of a file, from the folder of the model on.
    pub fn name(&self, file_no: usize) -> &str {
        self.given_name(file_no).unwrap_or(UNNAMED)
    }

    /// The name of a file, where it was given one: for messages.
    pub fn given_name(&self, file_no: usize) -> Option<&str> {
        self.files[file_no].name.as_deref()
    }

    /// What a file is to its model.
    pub fn role(&self, file_no: usize) -> FileRole {
        self.files[file_no].role
    }

    /// The bytes of a file.
    pub fn source(&self, file_no: usize) -> &dyn Source {
        &*self.files[file_no].source
    }

    /// The bytes of a tensor. An error, now or while they are read, names the tensor and its file.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be computed.
    pub fn open_tensor<'s>(&'s self, tensor: &Tensor) -> Result<Box<dyn Source + 's>, SourceError> {
        let place = Place { file: self.given_name(tensor.file_no), tensor: tensor.name.clone() };
        match tensor.open(self.source(tensor.file_no)) {
            Ok(source) => Ok(Box::new(PlacedSource { source, place })),
            Err(error) => Err(place.locate(error)),
        }
    }

    /// Bytes of all files but companions.
    pub(crate) fn total_bytes(&self) -> u64 {
        let weights = self.files.iter().filter(|file| file.role == FileRole::Weights);
        weights.fold(0u64, |sum, file| sum.saturating_add(file.source.len()))
    }

    /// The number of the file of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.with_role(FileRole::Weights).find(|file_no| self.given_name(*file_no) == Some(name))
    }

    /// The numbers of all files with weights: neither an index of shards nor companions.
    pub(crate) fn data_files(&self) -> Vec<usize> {
        self.with_role(FileRole::Weights).filter(|file_no| !self.is_index(*file_no)).collect()
    }

    /// The numbers of all files of a role.
    pub(crate) fn with_role(&self, role: FileRole) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |file_no| self.role(*file_no) == role)
    }

    /// The number of the file that is an index of shards.
    pub(crate) fn shard_index(&self) -> Option<usize> {
        self.with_role(FileRole::Weights).find(|file_no| self.is_index(*file_no))
    }

    fn is_index(&self, file_no: usize) -> bool {
        if self.len() < 2 {
            return false;
        }
        // An index of another name stands first. What cannot be read says so to its reader.
        let begins = || is_index(self.source(0)).unwrap_or(false);
        is_shard_index(self.name(file_no)) || (file_no == 0 && *self.begins_with_index.get_or_init(begins))
    }
}

/// Where bytes come from, for messages.
struct Place<'f> {
    file: Option<&'f str>,
    tensor: String,
}

impl Place<'_> {
    fn locate(&self, error: SourceError) -> SourceError {
        error.in_tensor(self.file, &self.tensor)
    }
}

/// A tensor's bytes, with errors that say whose they are.
struct PlacedSource<'s> {
    source: Box<dyn Source + 's>,
    place: Place<'s>,
}

impl Source for PlacedSource<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.source.read_at(offset, buf).map_err(|error| self.place.locate(error))
    }
}
