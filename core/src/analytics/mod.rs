//! What can be said about a tensor's weights without turning them into rows.

mod histogram;
mod nearest_stored;
mod quantization_error;
mod similarity;
mod stats;

pub use histogram::{Histogram, HistogramError, MAX_BINS};
pub use nearest_stored::{CompareError, nearest_rows, nearest_tensors};
pub use quantization_error::QuantizationError;
pub use similarity::{DimensionError, Metric, Nearest, Query};
pub use stats::Stats;
