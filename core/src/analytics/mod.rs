//! What can be said about a tensor's weights without turning them into rows.

mod histogram;
mod quantization_error;
mod similarity;
mod stats;

pub use histogram::Histogram;
pub use quantization_error::QuantizationError;
pub use similarity::{DimensionError, Metric, Nearest, Query, dot};
pub use stats::Stats;
