//! The files beside a graph that belong to its model. Paths come from a file that may be hostile, so
//! they are opened name by name beneath the model's folder, and a link is refused wherever it stands:
//! checking a path first and opening it then would leave the time in between to an attacker.

use super::graphs::{self, GraphFile};
use super::shards::MAX_FILES;
use super::tensorflow::{self, Kind};
use super::{ParseError, malformed, onnx, too_large};
use crate::source::{FileSource, Source, SourceError};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The graph of a SavedModel.
const SAVED_MODEL: &str = "saved_model.pb";
/// What stands beside it in its folder.
const SAVED_MODEL_PARTS: &[&str] =
    &[SAVED_MODEL, "keras_metadata.pb", "fingerprint.pb", "variables", "assets", "assets.extra", "debug"];
/// Folders within each other, more than any SavedModel has.
const MAX_FOLDERS: usize = 16;

/// Files with their names, from the folder of the model on.
type Files = Vec<(String, Box<dyn Source>)>;

/// Opens the file at `path`, whose own name is `name`, and the files that belong to it.
///
/// # Errors
/// [`ParseError`] when one of them cannot be read, or must not be.
pub fn gather(path: &Path, name: String) -> Result<Files, ParseError> {
    if path.is_dir() && path.join(SAVED_MODEL).is_file() {
        return folder(path, |_| true);
    }
    // What TensorFlow calls a checkpoint's path is only what the names of its files begin with.
    let index = format!("{name}.index");
    if !path.exists() && path.with_file_name(&index).is_file() {
        return gather(&path.with_file_name(&index), index);
    }
    let file = FileSource::open(path)?;
    match graphs::recognise(&file)? {
        Some(GraphFile::Onnx) => with_external_data(path, name, file),
        Some(GraphFile::TensorFlow(Kind::SavedModel)) if name == SAVED_MODEL => {
            folder(&folder_of(path), |part| SAVED_MODEL_PARTS.contains(&part))
        }
        Some(GraphFile::TensorFlow(Kind::Checkpoint)) => with_shards(path, name, file),
        _ => Ok(vec![(name, Box::new(file))]),
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn with_external_data(path: &Path, name: String, file: FileSource) -> Result<Files, ParseError> {
    let external = onnx::external_files(&file)?;
    if external.len() >= MAX_FILES {
        return Err(too_large!(
            "the model has {} files of external data (less than {MAX_FILES})",
            external.len()
        ));
    }
    let mut files: Files = vec![(name, Box::new(file))];
    if external.is_empty() {
        return Ok(files);
    }
    let folder = Beneath::open(folder_of(path))?;
    for path in external {
        if path == files[0].0 {
            return Err(malformed!(
                "the model has its external data in \"{path}\", which is the model itself"
            ));
        }
        let file = folder.file(&path)?;
        files.push((path, Box::new(file)));
    }
    Ok(files)
}

fn with_shards(path: &Path, name: String, file: FileSource) -> Result<Files, ParseError> {
    let mut shards = tensorflow::shards(&name, &file)?;
    // The graph that was saved with the variables, where it was.
    let graph = format!("{}.meta", name.strip_suffix(".index").unwrap_or(&name));
    if path.with_file_name(&graph).is_file() {
        shards.push(graph);
    }
    let mut files: Files = vec![(name, Box::new(file))];
    for shard in shards {
        let file = FileSource::open(&path.with_file_name(&shard))?;
        files.push((shard, Box::new(file)));
    }
    Ok(files)
}

/// All files of a SavedModel: the graph first, the others by their paths. `belongs` chooses among
/// what stands directly in the folder.
fn folder(path: &Path, belongs: impl Fn(&str) -> bool) -> Result<Files, ParseError> {
    let mut paths = Vec::new();
    list(path, "", 0, &mut paths)?;
    paths.retain(|path| belongs(path.split('/').next().unwrap_or_default()));
    paths.sort_by_key(|path| (path != SAVED_MODEL, path.clone()));
    if paths.len() > MAX_FILES {
        return Err(too_large!("the model has {} files (at most {MAX_FILES})", paths.len()));
    }
    let folder = Beneath::open(path.to_owned())?;
    paths
        .into_iter()
        .map(|path| {
            let file = folder.file(&path)?;
            Ok((path, Box::new(file) as Box<dyn Source>))
        })
        .collect()
}

/// Lists what is in a folder and below, but follows no link: opening one refuses it.
fn list(folder: &Path, prefix: &str, depth: usize, paths: &mut Vec<String>) -> Result<(), ParseError> {
    let failed = |error| io_error(folder.to_owned(), error);
    if depth > MAX_FOLDERS {
        return Err(too_large!("folder \"{prefix}\" is more than {MAX_FOLDERS} deep"));
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| malformed!("the name of a file is not UTF-8: {name:?}"))?;
        let path = format!("{prefix}{name}");
        if entry.file_type().map_err(failed)?.is_dir() {
            list(&entry.path(), &format!("{path}/"), depth + 1, paths)?;
        } else {
            paths.push(path);
        }
        // Those that do not belong to the model are listed too, so there may be some more.
        if paths.len() > 16 * MAX_FILES {
            return Err(too_large!("the model's folder has more than {} files", 16 * MAX_FILES));
        }
    }
    Ok(())
}

fn io_error(path: PathBuf, error: io::Error) -> ParseError {
    SourceError::Io { action: "open", path, error }.into()
}

/// A folder, and files that are beneath it by way of no link.
struct Beneath {
    path: PathBuf,
    folder: OwnedFd,
}

impl Beneath {
    fn open(path: PathBuf) -> Result<Self, ParseError> {
        match open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => Ok(Self { path, folder }),
            Err(error) => Err(io_error(path, error.into())),
        }
    }

    /// Opens a file by its path from the folder on: names between slashes, none of them `..`.
    fn file(&self, path: &str) -> Result<FileSource, ParseError> {
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
        Ok(FileSource::of(File::from(file), &whole)?)
    }
}
