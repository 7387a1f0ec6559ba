//! How well a curve keeps together what is near in space, for comparing curves.

use super::order::Curve;
use super::precision::{CurveError, Precision};
use super::ranges::{CellBox, Cube, Overlap};

/// Most cells that a measure visits: about a second's work.
const MAX_CELLS: u64 = 1 << 24;

/// The mean distance along the curve of two cells that share a face, over all such pairs of a grid.
///
/// A long-known surprise: by this measure Morton order is the better one, for the Hilbert curve pays
/// for its few far jumps across the cube's middle. What a range scan feels is [`clusters`].
///
/// # Errors
/// [`CurveError::TooLarge`] for a grid of more than 2^24 cells (precision 8).
pub fn mean_neighbour_distance(curve: Curve, precision: Precision) -> Result<f64, CurveError> {
    let what = "the mean distance of neighbours";
    let count = precision.max_index() + 1;
    if count > MAX_CELLS {
        return Err(CurveError::TooLarge { what, count, max: MAX_CELLS });
    }
    let (mut sum, mut pairs) = (0u64, 0u64);
    for index in 0..count {
        let cell = curve.decode(index, precision);
        for axis in 0..3 {
            let mut beside = cell;
            beside[axis] += 1;
            if beside[axis] <= precision.max_coordinate() {
                sum += curve.encode(beside, precision).abs_diff(index);
                pairs += 1;
            }
        }
    }
    Ok(sum as f64 / pairs as f64)
}

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
