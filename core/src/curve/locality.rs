//! How well a curve keeps together what is near in space, for comparing curves.

use super::order::Curve;
use super::precision::{CurveError, Precision};
use super::ranges::{CellBox, Cube, Overlap};

/// Most cells that a measure visits: about a second's work.
const MAX_CELLS: u64 = 1 << 24;

/// The cluster count of a box: the number of runs of consecutive indices that its cells are.
///
/// # Errors
/// [`CurveError::Cell`] for a box beyond the grid, [`CurveError::TooLarge`] when its surface has more
/// than 2^24 cells.
pub fn clusters(curve: Curve, cells: &CellBox, precision: Precision) -> Result<u64, CurveError> {
    precision.check_cell(cells.high)?;
    let [x, y, z] = cells.extents();
    let count = 2 * (x * y + y * z + z * x);
    if count > MAX_CELLS {
        return Err(CurveError::TooLarge { what: "the cluster count", count, max: MAX_CELLS });
    }
    let mut runs = 0;
    let mut after = None;
    let mut todo = vec![Cube::all(precision)];
    while let Some(cube) = todo.pop() {
        match cube.overlap(cells) {
            Overlap::None => {}
            Overlap::Part => todo.extend(cube.parts(curve.automaton()).rev()),
            Overlap::All => {
                let (first, last) = cube.range();
                runs += u64::from(after != Some(first));
                after = Some(last + 1);
            }
        }
    }
    Ok(runs)
}
