//! What readers of several formats share, and what knows none of them.

pub mod cast;
pub(crate) mod damage;
pub(crate) mod header_reader;
pub mod inflate;
pub mod latin1;
pub mod lazy;
pub(crate) mod metadata_builder;
pub(crate) mod numpy_types;
pub(crate) mod overlaps;
pub(crate) mod tensor_names;
pub(crate) mod unique_map;
