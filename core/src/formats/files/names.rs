//! What the names of files tell.

use std::path::Path;

/// True for the usual names of an index of shards: `model.safetensors.index.json`, that of a variant
/// (`diffusion_pytorch_model.safetensors.index.fp16.json`), and Keras' `model.weights.json`.
pub(crate) fn is_shard_index(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".json") else { return false };
    let variant = name.rsplit_once(".index.").is_some_and(|(_, variant)| !variant.contains('.'));
    variant || name.ends_with(".index") || name.ends_with(".weights")
}

/// The last part of a path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
