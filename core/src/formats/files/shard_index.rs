//! Indexes of shards, which say which tensor is in which file: `model.safetensors.index.json` and
//! `pytorch_model.bin.index.json` of Hugging Face's libraries, those of a variant (`….index.fp16.json`), and Keras'
//! `….weights.json`, where a group of variables may be in several files. They are told by their content.

use super::file_set::FileSet;
use super::index_content::{may_be_index, read};
use super::names::{file_name, is_shard_index};
use crate::formats::error::{ParseError, malformed};
use crate::model::Tensor;
use crate::source::{FileSource, Source};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

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
    let shards: BTreeSet<String> = index
        .iter()
        .flat_map(|(_, shards)| shards.names())
        .filter(|shard| **shard != name)
        .cloned()
        .collect();
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
