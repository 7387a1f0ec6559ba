//! The decoders and quantizers of every data type that becomes f32, one file for each family.

pub(crate) mod blocks;
pub mod half_float;
pub(crate) mod iq;
pub mod iq_grids;
pub(crate) mod k;
pub(crate) mod layout;
pub(crate) mod legacy;
pub(crate) mod mx;
mod quantize;
pub mod small_float;
pub(crate) mod ternary;

pub use quantize::{Int8Rows, QuantizeError, quantize, quantize_watched};
