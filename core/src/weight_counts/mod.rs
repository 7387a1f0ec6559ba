//! Counting the distinct weights of a model: how often each value occurs, data type by data type.

mod code_counts;
mod count_table;
mod counter;
mod dtype_counter;
mod references;

pub use counter::{BlockCarry, DistinctWeightCounter, WeightAtomPolicy, WeightCounts};
pub use dtype_counter::DtypeCounter;
pub use references::{WeightReference, weight_references};
