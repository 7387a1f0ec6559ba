//! What can be said about a tensor's weights without turning them into rows.

mod histogram;
mod stats;

pub use histogram::Histogram;
pub use stats::Stats;
