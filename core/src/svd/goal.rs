//! What a search for singular values is for, and when it has come close enough.

/// Products before the first look at the error, of blocks with as many vectors as the rank, and of smaller ones.
const FIRST_LOOK: usize = 6;
const FIRST_LOOK_OF_HALF: usize = 9;
/// Size of a block above which looking costs more than the products that it may save.
const MAX_WATCHED: usize = 192;
/// Estimated excess of the error at which to stop, so that it ends below 0.01.
pub(super) const CLOSE_ENOUGH: f64 = 0.009;
/// Share of the matrix' square up to which it is not known what is left: singular values are right to seven
/// digits.
pub(super) const UNKNOWN: f64 = 1e-6;

/// What a search is for.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    /// Number of singular values.
    pub rank: usize,
    /// Vectors of a block.
    pub width: usize,
    /// What to multiply the matrix by, so that products of it neither overflow nor lose digits.
    pub by: f32,
    /// Sum of the squares of the matrix times that.
    pub squares: f64,
}

impl Goal {
    /// After how many products to look at the error first, and how many are made at most.
    pub(super) fn products(&self) -> (usize, usize) {
        let first_look = if self.width < self.rank { FIRST_LOOK_OF_HALF } else { FIRST_LOOK };
        (first_look, if self.is_watched() { 2 * first_look + 2 } else { first_look + 2 })
    }

    /// False if blocks are so large that looking at the error isn't worth it.
    pub(super) fn is_watched(&self) -> bool {
        self.width <= MAX_WATCHED
    }

    /// The error of a decomposition, from the squares of its singular values, largest first.
    pub(super) fn error(&self, squares: impl IntoIterator<Item = f64>) -> f64 {
        left(self.squares, squares.into_iter().take(self.rank)).sqrt()
    }

    /// True if the last of three errors two products apart is close enough to the best possible.
    pub(super) fn is_met(&self, errors: [f64; 3]) -> bool {
        errors[2] * errors[2] > self.squares * UNKNOWN && excess(errors) <= CLOSE_ENOUGH
    }
}

/// Square of what the largest singular values leave out, from their squares.
pub(super) fn left(squares: f64, largest: impl Iterator<Item = f64>) -> f64 {
    (squares - largest.sum::<f64>()).max(squares * f64::EPSILON)
}

/// The share by which the error would still fall, from three errors two products apart: as a
/// geometric series, and a third more. (Chosen on 300 pairs of a matrix and a rank from 24 to
/// 106: noise of light and heavy tails, singular values that fall as powers and exponentially, discrete derivatives,
/// kernels, and plateaus. A half more would keep the derivatives below 1.01 as well, and costs noise two more
/// products.)
fn excess([first, second, third]: [f64; 3]) -> f64 {
    let (before, last) = (first - second, (second - third).max(0.0));
    let ratio = if before > last { last / before } else { 0.95 };
    1.3 * last / third * ratio / (1.0 - ratio)
}
