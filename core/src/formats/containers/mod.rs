//! Containers of bytes, which know of no model: what is in them is for the formats to say.

pub(crate) mod hdf5;
pub mod pickle;
pub(crate) mod protobuf;
pub mod zip;
