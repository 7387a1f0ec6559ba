//! Functions on space-filling curves: points as numbers, and back.

use super::geometry::{Box3d, Point, PointZ};
use crate::errors::{OrRaise, Raise, raise};
use atomizer_core::curve::{Bounds, Curve, CurveError, Grid, Precision};
use pgrx::prelude::*;
use std::sync::LazyLock;

impl Raise for CurveError {
    fn raise(self) -> ! {
        let code = match self {
            Self::TooLarge { .. } => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        };
        raise(code, self.to_string(), "")
    }
}

/// The grid that stored Hilbert values are of: the default precision over the default bounds. Made once,
/// for it is a seventh of the work on a point.
pub fn default_grid() -> Grid {
    static GRID: LazyLock<Grid> = LazyLock::new(|| {
        Grid::new(Bounds::default(), Precision::MAX).expect("the default bounds are wide enough")
    });
    *GRID
}

/// The grid of a precision over a box, or over the default bounds.
fn grid(precision: i32, bounds: Option<Box3d>) -> Grid {
    if bounds.is_none() && i64::from(precision) == i64::from(Precision::MAX.bits()) {
        return default_grid();
    }
    let bounds = match bounds {
        Some(bounds) => Bounds::new(bounds.low, bounds.high).or_raise(),
        None => Bounds::default(),
    };
    Grid::new(bounds, Precision::new(precision).or_raise()).or_raise()
}

fn value(curve: Curve, point: Option<Point>, precision: Option<i32>, bounds: Option<Box3d>) -> Option<i64> {
    let point = point?.0?;
    Some(grid(precision?, bounds).index(curve, point).or_raise() as i64)
}

#[pg_extern(immutable, parallel_safe)]
fn compute_hilbert_value(
    spatial_key: Option<Point>,
    precision: default!(Option<i32>, "21"),
    bounds: default!(Option<Box3d>, "NULL"),
) -> Option<i64> {
    value(Curve::Hilbert, spatial_key, precision, bounds)
}

#[pg_extern(immutable, parallel_safe)]
fn morton_value(
    spatial_key: Option<Point>,
    precision: default!(Option<i32>, "21"),
    bounds: default!(Option<Box3d>, "NULL"),
) -> Option<i64> {
    value(Curve::Morton, spatial_key, precision, bounds)
}

#[pg_extern(immutable, parallel_safe)]
fn hilbert_to_point(
    hilbert_value: Option<i64>,
    precision: default!(Option<i32>, "21"),
    bounds: default!(Option<Box3d>, "NULL"),
) -> Option<PointZ> {
    let hilbert_value = hilbert_value?;
    let grid = grid(precision?, bounds);
    let Ok(index) = u64::try_from(hilbert_value) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("a Hilbert value is not negative, but this is {hilbert_value}"),
            "",
        );
    };
    Some(PointZ(grid.point(Curve::Hilbert, index).or_raise()))
}

#[pg_extern(immutable, parallel_safe)]
fn hilbert_ranges(
    search_box: Option<Box3d>,
    precision: default!(Option<i32>, "21"),
    max_ranges: default!(Option<i32>, "64"),
    bounds: default!(Option<Box3d>, "NULL"),
) -> TableIterator<'static, (name!(range_start, i64), name!(range_end, i64))> {
    let (Some(search_box), Some(precision), Some(max_ranges)) = (search_box, precision, max_ranges) else {
        return TableIterator::empty();
    };
    let grid = grid(precision, bounds);
    let cells = grid.cells(search_box.low, search_box.high).or_raise();
    // Fewer than none is refused like none.
    let max_ranges = usize::try_from(max_ranges).unwrap_or(0);
    let ranges = Curve::Hilbert.ranges(&cells, grid.precision(), max_ranges).or_raise();
    TableIterator::new(ranges.into_iter().map(|(first, last)| (first as i64, last as i64)))
}
