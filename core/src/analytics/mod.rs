//! What can be said about a tensor's weights without turning them into rows.

mod histogram;
mod similarity;
mod stats;

pub use histogram::Histogram;
pub use similarity::{DimensionError, Metric, Nearest, Query, dot};
pub use stats::Stats;
