//! A box of cells as few ranges of indices, for a btree.

use super::automaton::Automaton;
use super::order::Curve;
use super::precision::{CurveError, Precision};

/// Most ranges of a cover. A btree scan starts over for each; with more of them it is slower than a
/// scan of everything.
pub const MAX_RANGES: usize = 1 << 16;

/// Cells between two corners, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellBox {
    pub(super) low: [u32; 3],
    pub(super) high: [u32; 3],
}

impl CellBox {
    /// The cells between two corners.
    ///
    /// # Errors
    /// [`CurveError::Box`] when the low corner is beyond the high one.
    pub fn new(low: [u32; 3], high: [u32; 3]) -> Result<Self, CurveError> {
        if (0..3).any(|axis| low[axis] > high[axis]) {
            return Err(CurveError::Box { low: low.map(f64::from), high: high.map(f64::from) });
        }
        Ok(Self { low, high })
    }

    /// True for a cell of the box.
    pub fn contains(&self, cell: [u32; 3]) -> bool {
        (0..3).all(|axis| (self.low[axis]..=self.high[axis]).contains(&cell[axis]))
    }

    /// Number of cells.
    pub fn cells(&self) -> u128 {
        self.extents().iter().map(|&n| u128::from(n)).product()
    }

    pub(super) fn extents(&self) -> [u64; 3] {
        std::array::from_fn(|axis| u64::from(self.high[axis] - self.low[axis]) + 1)
    }
}

/// How a cube lies to a box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    None,
    Part,
    All,
}

/// A cube of 2^level cells on each side, which the curve runs through in one piece.
#[derive(Clone, Copy)]
pub(super) struct Cube {
    /// Its index among cubes of its size.
    pub(super) index: u64,
    /// Its lowest cell, in cubes of its size.
    corner: [u32; 3],
    state: u8,
    pub(super) level: u32,
}

impl Cube {
    /// The cube that is the whole grid.
    pub(super) fn all(precision: Precision) -> Self {
        Self { index: 0, corner: [0; 3], state: 0, level: precision.bits() }
    }

    /// Its eight parts in the curve's order; the cube must be more than a cell.
    pub(super) fn parts(self, automaton: &Automaton) -> impl DoubleEndedIterator<Item = Self> {
        let state = usize::from(self.state);
        (0..8).map(move |n| {
            let octant = u32::from(automaton.octant[state][n]);
            let [x, y, z] = self.corner;
            Self {
                index: self.index << 3 | n as u64,
                corner: [x << 1 | octant >> 2, y << 1 | octant >> 1 & 1, z << 1 | octant & 1],
                state: automaton.next[state][n],
                level: self.level - 1,
            }
        })
    }

    pub(super) fn overlap(&self, cells: &CellBox) -> Overlap {
        let mut overlap = Overlap::All;
        for axis in 0..3 {
            let low = self.corner[axis] << self.level;
            let high = low | ((1 << self.level) - 1);
            if low > cells.high[axis] || high < cells.low[axis] {
                return Overlap::None;
            }
            if low < cells.low[axis] || high > cells.high[axis] {
                overlap = Overlap::Part;
            }
        }
        overlap
    }

    /// Its first and last index.
    pub(super) fn range(&self) -> (u64, u64) {
        let first = self.index << (3 * self.level);
        (first, first | ((1 << (3 * self.level)) - 1))
    }

    /// The first, or last, index that is in the box; the cube must overlap it.
    fn end(mut self, cells: &CellBox, automaton: &Automaton, last: bool) -> u64 {
        let inside = |part: &Self| part.overlap(cells) != Overlap::None;
        while self.overlap(cells) == Overlap::Part {
            let mut parts = self.parts(automaton);
            let part = if last { parts.rfind(inside) } else { parts.find(inside) };
            self = part.expect("a cube that overlaps has a part that does");
        }
        if last { self.range().1 } else { self.range().0 }
    }
}

/// A stretch of the curve that covers cells of the box.
struct Stretch {
    first: u64,
    last: u64,
    /// The cube that it runs through, where cells of it may lie outside of the box.
    partial: Option<Cube>,
}

impl Curve {
    /// At most `max_ranges` ranges of indices, ascending and both ends included, that cover a box.
    ///
    /// When the box is no more runs of consecutive indices than that, the ranges are these runs.
    /// Otherwise the smallest gaps between runs are covered too, so that the cells covered without
    /// need are the fewest there can be. Only where far more cubes than ranges lie across the box's
    /// surface before gaps of a cube's size appear, the surface is covered by such cubes.
    ///
    /// The box is gone into from the coarsest cubes down, all in step. A cube that lies partly in
    /// the box holds a cell of it, so a gap that isn't seen yet is shorter than two cubes: as soon as
    /// enough gaps of that size are known, nothing smaller can matter.
    ///
    /// # Errors
    /// [`CurveError::Cell`] for a box beyond the grid, [`CurveError::NoRanges`] for `max_ranges` 0.
    /// More than [`MAX_RANGES`] are taken as that.
    pub fn ranges(
        self,
        cells: &CellBox,
        precision: Precision,
        max_ranges: usize,
    ) -> Result<Vec<(u64, u64)>, CurveError> {
        precision.check_cell(cells.high)?;
        let max_gaps = max_ranges.min(MAX_RANGES).checked_sub(1).ok_or(CurveError::NoRanges)?;
        let automaton = self.automaton();
        // A cube partly in the box has an end of a run within. Twice as many cubes as ranges tell
        // that there are more runs; the rest of the factor is for the choice of gaps.
        let max_partial = 4096.max(8 * max_gaps);

        let whole = Cube::all(precision);
        let (first, last) = whole.range();
        let partial = (whole.overlap(cells) == Overlap::Part).then_some(whole);
        let mut stretches = vec![Stretch { first, last, partial }];
        for level in (0..precision.bits()).rev() {
            if stretches.iter().all(|stretch| stretch.partial.is_none()) {
                break;
            }
            stretches = refine(&stretches, cells, automaton);
            let unseen = 2u64 << (3 * level);
            let wide = stretches.windows(2).filter(|pair| pair[1].first - pair[0].last > unseen).count();
            let partial = stretches.iter().filter(|stretch| stretch.partial.is_some()).count();
            if wide >= max_gaps || partial > max_partial {
                break;
            }
        }
        trim(&mut stretches, cells, automaton);
        Ok(close_gaps(&stretches, max_gaps))
    }
}

/// Replaces each cube that is partly in the box by those of its parts that overlap it.
fn refine(stretches: &[Stretch], cells: &CellBox, automaton: &Automaton) -> Vec<Stretch> {
    let mut finer: Vec<Stretch> = Vec::with_capacity(4 * stretches.len());
    let mut push = |first: u64, last: u64, partial: Option<Cube>| match finer.last_mut() {
        Some(before) if before.partial.is_none() && partial.is_none() && before.last + 1 == first => {
            before.last = last;
        }
        _ => finer.push(Stretch { first, last, partial }),
    };
    for stretch in stretches {
        let Some(cube) = stretch.partial else {
            push(stretch.first, stretch.last, None);
            continue;
        };
        for part in cube.parts(automaton) {
            let (first, last) = part.range();
            match part.overlap(cells) {
                Overlap::None => {}
                Overlap::Part => push(first, last, Some(part)),
                Overlap::All => push(first, last, None),
            }
        }
    }
    finer
}

/// Cuts off what lies outside of the box at both ends of every gap, and at both ends of all.
fn trim(stretches: &mut [Stretch], cells: &CellBox, automaton: &Automaton) {
    for i in 0..stretches.len() {
        let Some(cube) = stretches[i].partial else { continue };
        if i == 0 || stretches[i - 1].last + 1 < stretches[i].first {
            stretches[i].first = cube.end(cells, automaton, false);
        }
        if stretches.get(i + 1).is_none_or(|after| stretches[i].last + 1 < after.first) {
            stretches[i].last = cube.end(cells, automaton, true);
        }
    }
}

/// Joins stretches to ranges, leaving open the widest gaps only.
fn close_gaps(stretches: &[Stretch], max_gaps: usize) -> Vec<(u64, u64)> {
    let mut gaps: Vec<(u64, usize)> = stretches
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0].last + 1 < pair[1].first)
        .map(|(i, pair)| (pair[1].first - pair[0].last, i + 1))
        .collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    gaps.truncate(max_gaps);
    let mut starts: Vec<usize> = gaps.into_iter().map(|(_, start)| start).collect();
    starts.push(0);
    starts.sort_unstable();
    let ends = starts[1..].iter().copied().chain([stretches.len()]);
    starts.iter().zip(ends).map(|(&start, end)| (stretches[start].first, stretches[end - 1].last)).collect()
}
