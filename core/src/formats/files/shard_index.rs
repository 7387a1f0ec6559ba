//! Indexes of shards, which say which tensor is in which file: `model.safetensors.index.json` and
//! `pytorch_model.bin.index.json` of Hugging Face's libraries, those of a variant (`….index.fp16.json`), and Keras'
//! `….weights.json`, where a group of variables may be in several files. They are told by their content.

use super::file_set::FileSet;
use super::names::{file_name, is_shard_index};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::MAX_FILES;
use crate::formats::support::unique_map::UniqueMap;
use crate::model::Tensor;
use crate::source::{FileSource, Source, SourceError};
use memchr::memmem;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

/// Largest index of shards, as the cap on a safetensors header.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// How far from its start a file of any name may have the key of an index. What stands before it are metadata.
const HEAD_BYTES: u64 = 64 << 10;
/// The key that makes a JSON text an index.
const WEIGHT_MAP: &str = "weight_map";

/// Names of tensors, or of groups of them, and the files that should hold them.
type ShardIndex = Vec<(String, Shards)>;

/// The files of a tensor or a group.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Shards {
    One(String),
    Several(Vec<String>),
}

impl Shards {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// True for what may be an index, whatever it is called: a JSON object that has a map of weights.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
pub(crate) fn may_be_index(source: &dyn Source) -> Result<bool, SourceError> {
    let mut head = vec![0; source.len().min(16) as usize];
    source.read_at(0, &mut head)?;
    if head.trim_ascii_start().first() != Some(&b'{') || source.len() > MAX_INDEX_BYTES {
        return Ok(false);
    }
    head.resize(source.len().min(HEAD_BYTES) as usize, 0);
    source.read_at(0, &mut head)?;
    Ok(memmem::find(&head, format!("\"{WEIGHT_MAP}\"").as_bytes()).is_some())
}

/// True for the content of an index.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
pub(crate) fn is_index(source: &dyn Source) -> Result<bool, SourceError> {
    Ok(may_be_index(source)? && read(source).is_ok())
}

/// Opens the index at a path, with the files that it names; none where it is no index.
///
/// # Errors
/// [`ParseError`] for a bad index, and for files that cannot be read.
pub(crate) fn open_shard_index(path: &Path) -> Result<Option<FileSet<'static>>, ParseError> {
    let name = file_name(path);
    if path.is_dir() || !path.exists() {
        return Ok(None);
    }
    let source = FileSource::open(path)?;
    let named = is_shard_index(&name);
    if !named && !may_be_index(&source)? {
        return Ok(None);
    }
    let index = match read(&source) {
        Err(_) if !named => return Ok(None),
        index => index.map_err(|error| error.in_file(Some(&name)))?,
    };
    let shards: BTreeSet<String> =
        index.iter().flat_map(|(_, shards)| shards.names()).cloned().filter(|shard| *shard != name).collect();
    let mut files: Vec<(String, Box<dyn Source>)> = vec![(name, Box::new(source))];
    for shard in shards {
        let source = FileSource::open(&path.with_file_name(&shard))?;
        files.push((shard, Box::new(source)));
    }
    Ok(Some(FileSet::from_files(files)))
}

/// Every tensor of a set's index, if it has one, must be in the shard the index names.
///
/// # Errors
/// [`ParseError`] for one that is not, and for a bad index.
pub(crate) fn check_shard_index(files: &FileSet, tensors: &[Tensor]) -> Result<(), ParseError> {
    let Some(index_no) = files.shard_index() else { return Ok(()) };
    let check = || {
        let held: HashMap<&str, usize> =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.file_no)).collect();
        for (tensor, shards) in read(files.source(index_no))? {
            let holder = held.get(tensor.as_str()).map(|file_no| files.name(*file_no));
            if !holder.is_some_and(|holder| shards.names().iter().any(|name| name == holder)) {
                return Err(malformed!(
                    "the index says that tensor \"{tensor}\" is in \"{}\", but it is {}",
                    shards.names().join("\" or \""),
                    holder.map_or("in no file".into(), |holder| format!("in \"{holder}\""))
                ));
            }
        }
        Ok(())
    };
    check().map_err(|error: ParseError| error.in_file(files.given_name(index_no)))
}

/// Every group of variables of a set's index, if it has one, must be in each file that the index names for it:
/// Keras' `/layers/dense/vars`, beneath which its tensors are.
///
/// # Errors
/// [`ParseError`] for one that is not, and for a bad index.
pub(crate) fn check_group_index(files: &FileSet, tensors: &[Tensor]) -> Result<(), ParseError> {
    let Some(index_no) = files.shard_index() else { return Ok(()) };
    let check = || {
        let group = |name: &str| name.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let held: HashSet<(String, &str)> =
            tensors.iter().map(|tensor| (group(&tensor.name), files.name(tensor.file_no))).collect();
        for (name, shards) in read(files.source(index_no))? {
            let name = name.trim_matches('/');
            for shard in shards.names() {
                if !held.contains(&(name.to_owned(), shard.as_str())) {
                    return Err(malformed!(
                        "the index says that variables of \"{name}\" are in \"{shard}\", which has none"
                    ));
                }
            }
        }
        Ok(())
    };
    check().map_err(|error: ParseError| error.in_file(files.given_name(index_no)))
}

/// Reads `weight_map` of an index. The names of shards must be plain file names: an
/// index may not lead out of its own folder.
fn read(source: &dyn Source) -> Result<ShardIndex, ParseError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: UniqueMap<Shards>,
    }
    if source.len() > MAX_INDEX_BYTES {
        return Err(too_large!("the index has {} bytes (at most {MAX_INDEX_BYTES})", source.len()));
    }
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| malformed!("the index of shards is not valid: {error}"))?;
    let pairs = index.weight_map.0;
    let names =
        || pairs.iter().flat_map(|(tensor, shards)| shards.names().iter().map(move |file| (tensor, file)));
    for (tensor, file) in names() {
        let plain = !file.is_empty()
            && file != "."
            && file != ".."
            && !file.contains(['/', '\\', '\0'])
            && !is_shard_index(file);
        if !plain {
            return Err(malformed!(
                "the index says that tensor \"{tensor}\" is in \"{file}\", which is not a plain file name"
            ));
        }
    }
    let shards = names().map(|(_, file)| file).collect::<BTreeSet<_>>().len();
    if shards == 0 || shards > MAX_FILES {
        return Err(malformed!("the index names {shards} files (1 to {MAX_FILES} are possible)"));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_may_not_leave_its_folder() {
        for file in ["../x.safetensors", "/etc/passwd", "a/b", "", "..", "a\\b", "x.index.json"] {
            let json = serde_json::json!({"weight_map": {"t": file}}).to_string();
            assert!(read(&json.as_bytes()).unwrap_err().is_malformed(), "{file}");
        }
        let twice = r#"{"weight_map": {"t": "a", "t": "b"}}"#;
        assert!(read(&twice.as_bytes()).unwrap_err().to_string().contains("listed twice"));
    }
}
