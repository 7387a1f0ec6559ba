//! From a path to what is examined. Where the files of a model cannot be opened as such, they are examined one by one:
//! a model that is refused is no model that is safe.

use crate::formats::error::ParseError;
use crate::formats::files::{ConfinedDir, FileRole, FileSet, Hidden, list_folder};
use crate::formats::limits::MAX_FILES;
use crate::formats::open_path as open_model;
use crate::source::{FileSource, Source};
use std::path::Path;

/// Configurations that loaders read from the folder of a model's file.
const BESIDE: &[&str] = &[
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "adapter_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "modules.json",
    "model_index.json",
    "keras_metadata.pb",
];

/// What a path leads to.
pub struct Opened {
    /// The files.
    pub files: FileSet<'static>,
    /// What could not be opened: the place, and why.
    pub unopened: Vec<(String, String)>,
}

/// Opens the model at a path, or the files that are there, with the configurations beside a file.
///
/// # Errors
/// [`ParseError`] when there is nothing to be opened at the path at all.
pub fn open_path(path: &Path) -> Result<Opened, ParseError> {
    let mut unopened = Vec::new();
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let model = open_model(path);
    let files = match model {
        Ok(files) if path.is_dir() => return Ok(Opened { files, unopened }),
        Ok(files) => files,
        Err(error) if path.is_dir() => {
            let mut opened = open_folder(path)?;
            // A folder of files is no model, and may have nothing to report.
            let is_no_model = matches!(error.kind(), crate::formats::ParseErrorKind::Unsupported(_));
            if !is_no_model || opened.files.is_empty() {
                opened.unopened.push((name, error.to_string()));
            }
            return Ok(opened);
        }
        Err(error) => {
            let source: Box<dyn Source> = Box::new(FileSource::open(path)?);
            unopened.push((name.clone(), error.to_string()));
            FileSet::from_files(vec![(name, source)])
        }
    };
    Ok(Opened { files: with_beside(files, path), unopened })
}

/// Every file of a folder.
fn open_folder(path: &Path) -> Result<Opened, ParseError> {
    let mut paths = list_folder(path, Hidden::List)?;
    paths.sort();
    let folder = ConfinedDir::open(path.to_owned())?;
    let mut files: Vec<(String, FileRole, Box<dyn Source>)> = Vec::new();
    let mut unopened = Vec::new();
    for name in paths {
        if files.len() >= MAX_FILES {
            unopened.push((
                name,
                format!("more than {MAX_FILES} files: this and the following were not examined"),
            ));
            break;
        }
        match folder.file(&name) {
            Ok(source) => files.push((name, FileRole::Companion, Box::new(source))),
            Err(error) => unopened.push((name, error.to_string())),
        }
    }
    Ok(Opened { files: FileSet::from_roles(files), unopened })
}

/// A model's files and the configurations in the folder of its first one.
fn with_beside(mut files: FileSet<'static>, path: &Path) -> FileSet<'static> {
    for name in BESIDE {
        let known = (0..files.len()).any(|file_no| files.name(file_no) == *name);
        let beside = path.with_file_name(name);
        if !known
            && beside.is_file()
            && let Ok(source) = FileSource::open(&beside)
        {
            files.add_companion((*name).to_owned(), Box::new(source));
        }
    }
    files
}
