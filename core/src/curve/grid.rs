//! From points to cells and back.

use super::hilbert;
use super::order::Curve;
use super::precision::{CurveError, Precision};
use super::ranges::CellBox;

/// A box that a grid fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    low: [f64; 3],
    high: [f64; 3],
}

impl Bounds {
    /// The box between two corners.
    ///
    /// # Errors
    /// [`CurveError::Bounds`] unless it has a finite extent above zero on every axis.
    pub fn new(low: [f64; 3], high: [f64; 3]) -> Result<Self, CurveError> {
        for axis in 0..3 {
            let extent = high[axis] - low[axis];
            if !(extent.is_normal() && extent > 0.0) {
                return Err(CurveError::Bounds { axis, low: low[axis], high: high[axis] });
            }
        }
        Ok(Self { low, high })
    }

    /// The corners.
    pub fn corners(&self) -> ([f64; 3], [f64; 3]) {
        (self.low, self.high)
    }
}

impl Default for Bounds {
    /// −100 to 100 on every axis.
    fn default() -> Self {
        Self { low: [-100.0; 3], high: [100.0; 3] }
    }
}

/// Bounds cut into 2^precision cells on each axis.
///
/// On one axis, the cell of v is ⌊(v − low) · (2^precision / (high − low))⌋, from 0 to
/// 2^precision − 1: a point outside the bounds, an infinite one too, has the cell nearest to it.
/// The cell grows with v, so all points of a box lie in the cells between those of its corners,
/// and a query through cells must compare the points themselves afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    bounds: Bounds,
    precision: Precision,
    /// Cells for each unit of length.
    scale: [f64; 3],
}

impl Grid {
    /// A grid over bounds.
    ///
    /// # Errors
    /// [`CurveError::Narrow`] when a cell is so small beside its coordinates that f64 can't tell
    /// neighbours apart.
    pub fn new(bounds: Bounds, precision: Precision) -> Result<Self, CurveError> {
        let cells = f64::from(precision.max_coordinate()) + 1.0;
        let mut scale = [0.0; 3];
        for (axis, scale) in scale.iter_mut().enumerate() {
            let (low, high) = (bounds.low[axis], bounds.high[axis]);
            *scale = cells / (high - low);
            // Eight steps of the greatest coordinate leave room for the roundings of both ways.
            if !scale.is_finite() || 1.0 / *scale < 8.0 * f64::EPSILON * low.abs().max(high.abs()) {
                return Err(CurveError::Narrow { low, high, precision });
            }
        }
        Ok(Self { bounds, precision, scale })
    }

    /// Bits for each axis.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The cell of a point, or the nearest one to a point outside of the bounds.
    ///
    /// # Errors
    /// [`CurveError::NotANumber`].
    pub fn cell(&self, point: [f64; 3]) -> Result<[u32; 3], CurveError> {
        match point.iter().position(|c| c.is_nan()) {
            Some(axis) => Err(CurveError::NotANumber(axis)),
            None => Ok(self.quantize(point)),
        }
    }

    fn quantize(&self, point: [f64; 3]) -> [u32; 3] {
        let last = f64::from(self.precision.max_coordinate());
        std::array::from_fn(|axis| {
            let along = (point[axis] - self.bounds.low[axis]) * self.scale[axis];
            // Within 21 bits i32 is enough, and quicker to convert to than u32.
            along.max(0.0).min(last) as i32 as u32
        })
    }

    /// The point in the middle of a cell.
    ///
    /// # Errors
    /// [`CurveError::Cell`] for a cell that the grid doesn't have.
    pub fn centre(&self, cell: [u32; 3]) -> Result<[f64; 3], CurveError> {
        self.precision.check_cell(cell)?;
        Ok(std::array::from_fn(|axis| {
            self.bounds.low[axis] + (f64::from(cell[axis]) + 0.5) / self.scale[axis]
        }))
    }

    /// The index of a point's cell.
    ///
    /// # Errors
    /// [`CurveError::NotANumber`].
    pub fn index(&self, curve: Curve, point: [f64; 3]) -> Result<u64, CurveError> {
        Ok(curve.encode(self.cell(point)?, self.precision))
    }

    /// The centre of the cell of an index.
    ///
    /// # Errors
    /// [`CurveError::Index`] for an index beyond the last cell.
    pub fn point(&self, curve: Curve, index: u64) -> Result<[f64; 3], CurveError> {
        self.precision.check_index(index)?;
        self.centre(curve.decode(index, self.precision))
    }

    /// The Hilbert indices of many points. `cells` is room to work in; both vectors keep their memory.
    ///
    /// # Errors
    /// [`CurveError::NotANumber`] when any point has such a coordinate.
    pub fn hilbert_all(
        &self,
        points: &[[f64; 3]],
        cells: &mut Vec<[u32; 3]>,
        out: &mut Vec<u64>,
    ) -> Result<(), CurveError> {
        if let Some(point) = points.iter().find(|point| point.iter().any(|c| c.is_nan())) {
            self.cell(*point)?;
        }
        cells.clear();
        cells.extend(points.iter().map(|point| self.quantize(*point)));
        hilbert::encode_all(cells, self.precision, out);
        Ok(())
    }

    /// The cells of all points between two corners, borders included.
    ///
    /// # Errors
    /// [`CurveError::NotANumber`], and [`CurveError::Box`] when the low corner is beyond the high one.
    pub fn cells(&self, low: [f64; 3], high: [f64; 3]) -> Result<CellBox, CurveError> {
        let cells = (self.cell(low)?, self.cell(high)?);
        if (0..3).any(|axis| low[axis] > high[axis]) {
            return Err(CurveError::Box { low, high });
        }
        CellBox::new(cells.0, cells.1)
    }
}
