//! Space-filling curves: a cell of a cubic grid as one number, so that a btree can index space.
//!
//! Every index has 3 bits for each bit of precision, 63 at most: as a bigint it is never negative.
//! Both curves are hierarchical: an index at a precision, shifted right by 3 bits, is the index of
//! the enclosing cell at one bit less.

mod automaton;
pub mod grid;
pub mod hilbert;
pub mod locality;
pub mod morton;
mod order;
mod precision;
mod ranges;
pub mod skilling;

pub use grid::{Bounds, Grid};
pub use order::Curve;
pub use precision::{CurveError, Precision};
pub use ranges::{CellBox, MAX_RANGES};

#[cfg(test)]
mod tests;
