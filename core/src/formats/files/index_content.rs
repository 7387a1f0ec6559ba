//! What an index of shards says, and what tells it from other JSON.

use super::names::is_shard_index;
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::MAX_FILES;
use crate::formats::support::unique_map::UniqueMap;
use crate::source::{Source, SourceError};
use memchr::memmem;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Largest index of shards, as the cap on a safetensors header.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// How far from its start a file of any name may have the key of an index. What stands before it are metadata.
const HEAD_BYTES: u64 = 64 << 10;
/// The key that makes a JSON text an index.
const WEIGHT_MAP: &str = "weight_map";

/// Names of tensors, or of groups of them, and the files that should hold them.
pub(super) type ShardIndex = Vec<(String, Shards)>;

/// The files of a tensor or a group.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Shards {
    One(String),
    Several(Vec<String>),
}

impl Shards {
    pub(super) fn names(&self) -> &[String] {
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
pub(super) fn may_be_index(source: &dyn Source) -> Result<bool, SourceError> {
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

/// Reads `weight_map` of an index. The names of shards must be plain file names: an
/// index may not lead out of its own folder.
pub(super) fn read(source: &dyn Source) -> Result<ShardIndex, ParseError> {
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
