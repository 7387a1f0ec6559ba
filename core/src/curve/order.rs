//! An order of the cells of a grid: the curve as an index for each cell.

use super::automaton::{self, Automaton};
use super::precision::Precision;
use super::{hilbert, morton};

/// An order of the cells of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// Consecutive cells always touch.
    Hilbert,
    /// Interleaved bits (Z order): simpler, with jumps.
    Morton,
}

impl Curve {
    /// The index of a cell. Of each coordinate only the bits of the precision count.
    pub fn encode(self, cell: [u32; 3], precision: Precision) -> u64 {
        match self {
            Self::Hilbert => hilbert::encode(cell, precision),
            Self::Morton => morton::encode_3d(cell.map(|c| c & precision.max_coordinate())),
        }
    }

    /// The cell of an index, of which only the bits of the precision count.
    pub fn decode(self, index: u64, precision: Precision) -> [u32; 3] {
        match self {
            Self::Hilbert => hilbert::decode(index, precision),
            Self::Morton => morton::decode_3d(index & precision.max_index()),
        }
    }

    /// The states and octants that generate the curve.
    pub(super) fn automaton(self) -> &'static Automaton {
        match self {
            Self::Hilbert => &automaton::HILBERT,
            Self::Morton => &automaton::MORTON,
        }
    }
}
