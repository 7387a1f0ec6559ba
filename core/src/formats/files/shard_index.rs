//! Indexes of shards, as Hugging Face's libraries write them: `model.safetensors.index.json`,
//! `pytorch_model.bin.index.json`. They say which tensor is in which file.

use super::file_set::FileSet;
use super::names::{file_name, is_shard_index};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::MAX_FILES;
use crate::formats::support::unique_map::UniqueMap;
use crate::model::Tensor;
use crate::source::{FileSource, Source};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Largest index of shards, as the cap on a safetensors header.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// Tensor names, and the files that should hold them.
type ShardIndex = Vec<(String, String)>;

/// Opens the index at a path, with the files that it names; none where it is no index by its name.
///
/// # Errors
/// [`ParseError`] for a bad index, and for files that cannot be read.
pub(crate) fn open_shard_index(path: &Path) -> Result<Option<FileSet<'static>>, ParseError> {
    let name = file_name(path);
    if !is_shard_index(&name) {
        return Ok(None);
    }
    let source = FileSource::open(path)?;
    let index = read(&source).map_err(|error| error.in_file(Some(&name)))?;
    let shards: BTreeSet<String> = index.into_iter().map(|(_, file)| file).collect();
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
        for (tensor, file) in read(files.source(index_no))? {
            let holder = held.get(tensor.as_str()).map(|file_no| files.name(*file_no));
            if holder != Some(file.as_str()) {
                return Err(malformed!(
                    "the index says that tensor \"{tensor}\" is in \"{file}\", but it is {}",
                    holder.map_or("in no file".into(), |holder| format!("in \"{holder}\""))
                ));
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
        weight_map: UniqueMap<String>,
    }
    if source.len() > MAX_INDEX_BYTES {
        return Err(too_large!("the index has {} bytes (at most {MAX_INDEX_BYTES})", source.len()));
    }
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| malformed!("the index of shards is not valid: {error}"))?;
    let pairs = index.weight_map.0;
    for (tensor, file) in &pairs {
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
    let shards = pairs.iter().map(|(_, file)| file).collect::<BTreeSet<_>>().len();
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
