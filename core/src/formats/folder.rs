//! A folder as a model: its weights, which are told by their content, and the files beside them, which a model needs
//! to be served: configuration, tokenizer, README. Those are small, and are kept as they are.

use super::containers::zip;
use super::error::{ParseError, ParseErrorKind, too_large, unsupported};
use super::files::{
    ConfinedDir, FileRole, FileSet, Hidden, Pool, PooledFile, is_index, is_shard_index, list_folder,
};
use super::limits::MAX_FILES;
use super::reader::Content;
use super::readers::{open_file, parse, reader_of};
use super::torch::legacy;
use crate::metadata::Detail;
use crate::model::Format;
use crate::source::Source;
use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

/// Largest file beside the weights: the largest tokenizers have about 35 MB. What is larger holds weights, which
/// are to be stored as such.
const MAX_COMPANION_BYTES: u64 = 64 << 20;
/// Most bytes of all files beside the weights: four of the largest.
const MAX_COMPANIONS_BYTES: u64 = 256 << 20;

/// Most names in a hint.
const MAX_NAMES: usize = 8;

/// What to do about a file that must not be there.
const LEAVE_OUT: &str =
    "Move it out of the folder, or give the path of the weights: they are then ingested alone.";

/// Opens the model at `path`. Of a folder these are its weights, found by their content, and the files beside
/// them. Of a file it is the file with all that belong to it: the shards that an index names
/// (`….safetensors.index.json`, `pytorch_model.bin.index.json`), or what the reader of its format says:
/// the other parts of a split GGUF, the external data of an ONNX model, a SavedModel's folder, the shards of a
/// TensorFlow checkpoint.
///
/// # Errors
/// [`ParseError`] when a file cannot be read, or must not be; when a folder has no model, or several.
pub fn open_path(path: &Path) -> Result<FileSet<'static>, ParseError> {
    if path.is_dir() { open(path) } else { open_file(path) }
}

/// Opens the model of a folder. Hidden files are left out; a link is refused, as it may lead out of the folder.
fn open(path: &Path) -> Result<FileSet<'static>, ParseError> {
    let listed = list_folder(path, Hidden::Skip);
    let mut paths = listed.map_err(|error| match error.kind() {
        ParseErrorKind::TooLarge(_) => {
            error.with_hint("Give the path of the model's own folder, or of its weights.")
        }
        _ => error,
    })?;
    paths.sort();
    let dir = ConfinedDir::open(path.to_owned())?.allow_links(path.canonicalize().ok());
    let folder = Folder { path, dir: Pool::new(dir), paths };
    let weights = folder.weights()?;
    let mut files: Vec<(String, FileRole, Box<dyn Source>)> = Vec::new();
    let mut bytes = 0u64;
    for name in &weights {
        files.push((name.clone(), FileRole::Weights, Box::new(folder.file(name)?)));
    }
    let held: HashSet<&String> = weights.iter().collect();
    for name in folder.paths.iter().filter(|name| !held.contains(name)) {
        if files.len() - weights.len() >= MAX_FILES {
            let count = folder.paths.len();
            return Err(too_large!("the folder has {count} files (at most {MAX_FILES} beside the weights)")
                .with_hint(LEAVE_OUT));
        }
        let source = folder.file(name)?;
        bytes = bytes.saturating_add(source.len());
        if source.len() > MAX_COMPANION_BYTES {
            return Err(too_large!(
                "file \"{name}\" beside the weights has {} bytes (at most {MAX_COMPANION_BYTES})",
                source.len()
            )
            .with_hint(LEAVE_OUT));
        }
        if bytes > MAX_COMPANIONS_BYTES {
            return Err(too_large!(
                "the files beside the weights, up to \"{name}\", have {bytes} bytes (at most {MAX_COMPANIONS_BYTES})"
            )
            .with_hint(LEAVE_OUT));
        }
        files.push((name.clone(), FileRole::Companion, Box::new(source)));
    }
    Ok(FileSet::from_roles(files))
}

struct Folder<'p> {
    path: &'p Path,
    dir: Rc<Pool>,
    /// Of all files that are not hidden, sorted.
    paths: Vec<String>,
}

impl Folder<'_> {
    fn file(&self, name: &str) -> Result<PooledFile, ParseError> {
        self.dir.file(name)
    }

    /// The names of the files with weights of the one model that is in the folder itself. Sub-folders have only what
    /// belongs to it.
    fn weights(&self) -> Result<Vec<String>, ParseError> {
        let mut models = self.models()?;
        if models.len() > 1 {
            // A pickle of settings is of torch's format, too.
            let with_tensors: Vec<_> =
                models.iter().filter(|names| self.may_have_tensors(names)).cloned().collect();
            if !with_tensors.is_empty() {
                models = with_tensors;
            }
        }
        match models.len() {
            0 => Err(self.no_model()),
            1 => Ok(models.swap_remove(0)),
            count => {
                let names: Vec<_> = models.iter().map(|names| names[0].clone()).collect();
                Err(unsupported!("folder \"{}\" has {count} models, not one", self.path.display()).with_hint(
                    format!(
                        "Give the path of one of them, or move the others out of the folder: {}.",
                        quoted(&names)
                    ),
                ))
            }
        }
    }

    /// The models in the folder itself: the names of the files of each, the one first that leads to the others.
    fn models(&self) -> Result<Vec<Vec<String>>, ParseError> {
        let (mut models, mut seen) = (Vec::<Vec<String>>::new(), HashSet::new());
        let in_folder = || self.paths.iter().filter(|path| !path.contains('/'));
        // An index comes before the shards that it names.
        let mut indexes = HashSet::new();
        for name in in_folder().filter(|name| name.ends_with(".json")) {
            if is_shard_index(name) || is_index(&self.file(name)?)? {
                indexes.insert(name);
            }
        }
        let first = in_folder().filter(|name| indexes.contains(name));
        for name in first.chain(in_folder().filter(|name| !indexes.contains(name))) {
            if seen.contains(name) {
                continue;
            }
            let source = self.file(name)?;
            if !indexes.contains(name) && !is_weights(&source)? {
                continue;
            }
            let files = open_file(&self.path.join(name))?;
            let names: Vec<String> = (0..files.len()).map(|file_no| files.name(file_no).to_owned()).collect();
            seen.extend(names.iter().cloned());
            models.push(names);
        }
        // External data that look like a model of their own stand before the model that they belong to.
        let all = models.clone();
        models
            .retain(|names| !all.iter().any(|other| other.len() > names.len() && other.contains(&names[0])));
        Ok(models)
    }

    /// False where a file was read, and has none.
    fn may_have_tensors(&self, names: &[String]) -> bool {
        let parsed =
            open_file(&self.path.join(&names[0])).and_then(|files| parse(&files, None, Detail::Summary));
        !parsed.is_ok_and(|model| model.tensors.is_empty())
    }

    fn no_model(&self) -> ParseError {
        let error = unsupported!(
            "folder \"{}\" has no model: none of its files is of a known format",
            self.path.display()
        );
        let below = self.paths.iter().filter(|path| path.contains('/')).take(MAX_FILES);
        let below =
            below.filter(|path| self.file(path).is_ok_and(|source| is_weights(&source).unwrap_or(false)));
        let below: Vec<String> = below.take(MAX_NAMES + 1).cloned().collect();
        if below.is_empty() {
            return error;
        }
        error.with_hint(format!("Its sub-folders have some; give the path of one: {}.", quoted(&below)))
    }
}

/// True for a file of a known format.
fn is_weights(source: &dyn Source) -> Result<bool, ParseError> {
    match reader_of(source) {
        // Eight characters of a JSON text are no length of a header that safetensors allows.
        Ok(reader) if reader.format() == Format::SafeTensors => {
            let head = Content::read(source)?.head;
            Ok(!head.iter().take(8).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()))
        }
        // Any pickle may be torch's, and most beside a model are others.
        Ok(reader) if reader.format() == Format::PyTorch && !zip::is_archive(source)? => {
            Ok(legacy::is_legacy(source)?)
        }
        Ok(_) => Ok(true),
        Err(error) if error.is_source() => Err(error),
        Err(_) => Ok(false),
    }
}

fn quoted(names: &[String]) -> String {
    let mut text =
        names.iter().take(MAX_NAMES).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_NAMES {
        text += ", …";
    }
    text
}
