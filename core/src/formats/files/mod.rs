//! The files of one model: which belong to it, and how they are opened.

mod confined_dir;
mod file_set;
mod index_content;
mod names;
mod pool;
mod shard_index;
mod siblings;

pub(crate) use confined_dir::{ConfinedDir, Hidden, list_folder};
pub use file_set::{FileRole, FileSet};
pub(crate) use index_content::is_index;
pub(crate) use names::is_shard_index;
pub(crate) use pool::{Pool, PooledFile};
pub(crate) use shard_index::{check_group_index, check_shard_index, open_shard_index};
pub use siblings::{FirstFile, Siblings};
