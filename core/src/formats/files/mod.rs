//! The files of one model: which belong to it, and how they are opened.

mod confined_dir;
mod file_set;
mod names;
mod pool;
mod shard_index;
mod siblings;

pub(crate) use confined_dir::{ConfinedDir, Hidden, list_folder};
pub use file_set::{FileRole, FileSet};
pub(crate) use names::is_shard_index;
pub(crate) use pool::{Pool, PooledFile};
pub(crate) use shard_index::{check_group_index, check_shard_index, is_index, open_shard_index};
pub use siblings::{FirstFile, Siblings};
