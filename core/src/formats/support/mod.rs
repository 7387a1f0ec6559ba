//! What readers of several formats share, and what knows none of them.

pub(crate) mod damage;
pub(crate) mod header_reader;
pub mod inflate;
pub mod lazy;
pub(crate) mod metadata_builder;
pub(crate) mod overlaps;
pub(crate) mod tensor_names;
pub(crate) mod unique_map;
