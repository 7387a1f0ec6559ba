//! What the names of files tell.

use std::path::Path;

/// True for the name of an index of shards, such as `model.safetensors.index.json`.
pub(crate) fn is_shard_index(name: &str) -> bool {
    name.ends_with(".index.json")
}

/// The last part of a path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
