//! Bits for each axis of a grid, and why there is no value along a curve.

/// Why there is no value along a curve.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CurveError {
    /// No such precision.
    #[error("precision {0} is not between 1 and {max}", max = Precision::MAX.bits())]
    Precision(i64),
    /// An index beyond the last cell.
    #[error("index {index} is not below 2^{}, the number of cells at precision {}", 3 * .precision.bits(), .precision.bits())]
    Index {
        /// The index given.
        index: u64,
        /// The grid's precision.
        precision: Precision,
    },
    /// A cell beyond the grid.
    #[error("cell {cell:?} is not within a grid of 2^{} cells on each axis", .precision.bits())]
    Cell {
        /// The cell given.
        cell: [u32; 3],
        /// The grid's precision.
        precision: Precision,
    },
    /// A box whose low corner is beyond its high one.
    #[error("a box from {low:?} to {high:?} has its corners the wrong way round")]
    Box {
        /// The low corner.
        low: [f64; 3],
        /// The high corner.
        high: [f64; 3],
    },
    /// A coordinate that is not a number.
    #[error("coordinate {} of the point is NaN", char::from(b"xyz"[*.0]))]
    NotANumber(usize),
    /// Bounds that enclose nothing, or nothing finite.
    #[error("bounds from {low:?} to {high:?} on axis {} are not a finite interval", char::from(b"xyz"[*.axis]))]
    Bounds {
        /// 0 for x, 1 for y, 2 for z.
        axis: usize,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Bounds so narrow for where they lie that neighbouring cells have no distinct centres.
    #[error("bounds from {low:?} to {high:?} are too narrow for cells of 1/2^{} of their width", .precision.bits())]
    Narrow {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
        /// The grid's precision.
        precision: Precision,
    },
    /// A cover by no range at all.
    #[error("a box can't be covered by less than one range")]
    NoRanges,
    /// A measure that would take too long.
    #[error("{what} would visit {count} cells (at most {max})")]
    TooLarge {
        /// The measure.
        what: &'static str,
        /// Cells to visit.
        count: u64,
        /// The cap.
        max: u64,
    },
}

/// Bits for each axis, 1 to 21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precision(u8);

impl Precision {
    /// 21 bits: three times that fits a bigint.
    pub const MAX: Self = Self(21);

    /// A precision of so many bits.
    ///
    /// # Errors
    /// [`CurveError::Precision`] unless it is 1 to 21.
    pub fn new(bits: impl Into<i64>) -> Result<Self, CurveError> {
        let bits = bits.into();
        match u8::try_from(bits) {
            Ok(bits @ 1..=21) => Ok(Self(bits)),
            _ => Err(CurveError::Precision(bits)),
        }
    }

    /// Bits for each axis.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// The greatest coordinate of a cell.
    pub const fn max_coordinate(self) -> u32 {
        (1 << self.0) - 1
    }

    /// The greatest index.
    pub const fn max_index(self) -> u64 {
        (1 << (3 * self.0)) - 1
    }

    /// Checks that a cell is within the grid.
    ///
    /// # Errors
    /// [`CurveError::Cell`].
    pub fn check_cell(self, cell: [u32; 3]) -> Result<(), CurveError> {
        match cell.iter().any(|&c| c > self.max_coordinate()) {
            true => Err(CurveError::Cell { cell, precision: self }),
            false => Ok(()),
        }
    }

    /// Checks that an index is one of a cell of the grid.
    ///
    /// # Errors
    /// [`CurveError::Index`].
    pub fn check_index(self, index: u64) -> Result<(), CurveError> {
        match index > self.max_index() {
            true => Err(CurveError::Index { index, precision: self }),
            false => Ok(()),
        }
    }
}
