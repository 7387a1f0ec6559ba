//! A matrix as its rows: one neuron or one token each.

use crate::projection::MAX_DIMENSION;

/// Puts rows together from a matrix's weights as they come, in pieces of any length.
#[derive(Debug)]
pub struct Rows {
    dimension: usize,
    /// The row that goes on in the next piece.
    pending: Vec<f32>,
    /// Rows given out.
    given: u64,
}

impl Rows {
    /// For a tensor of a shape; none unless it is a matrix whose rows can be projected, that is, of
    /// two axes, the second 3 to [`MAX_DIMENSION`] long.
    pub fn for_shape(shape: &[u64]) -> Option<Self> {
        let &[_, width] = shape else { return None };
        let dimension = usize::try_from(width).ok().filter(|width| (3..=MAX_DIMENSION).contains(width))?;
        Some(Self { dimension, pending: Vec::new(), given: 0 })
    }

    /// Weights of each row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Adds the next weights, and gives the rows that are complete now: the number of the first, from
    /// 0, and all of their weights one after the other.
    pub fn add(&mut self, mut weights: &[f32], mut each: impl FnMut(u64, &[f32])) {
        let mut give = |rows: &[f32], given: &mut u64| {
            if !rows.is_empty() {
                each(*given, rows);
                *given += (rows.len() / self.dimension) as u64;
            }
        };
        if !self.pending.is_empty() {
            let missing = (self.dimension - self.pending.len()).min(weights.len());
            let (fitting, rest) = weights.split_at(missing);
            self.pending.extend_from_slice(fitting);
            weights = rest;
            if self.pending.len() == self.dimension {
                give(&self.pending, &mut self.given);
                self.pending.clear();
            }
        }
        let whole = weights.len() / self.dimension * self.dimension;
        give(&weights[..whole], &mut self.given);
        self.pending.extend_from_slice(&weights[whole..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_matrices_have_rows() {
        assert_eq!(Rows::for_shape(&[49152, 576]).unwrap().dimension(), 576);
        for shape in [&[][..], &[5], &[4, 2], &[4, 1 << 21], &[4, u64::MAX], &[2, 3, 4]] {
            assert!(Rows::for_shape(shape).is_none(), "{shape:?}");
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_whole(
            dimension in 3u64..20, rows in 0u64..20, cuts in prop::collection::vec(0usize..400, 0..8),
        ) {
            let all: Vec<f32> = (0..rows * dimension).map(|i| i as f32).collect();
            let mut reader = Rows::for_shape(&[rows, dimension]).unwrap();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
            cuts.extend([0, all.len()]);
            cuts.sort_unstable();
            let mut seen = Vec::new();
            for cut in cuts.windows(2) {
                reader.add(&all[cut[0]..cut[1]], |first, rows| {
                    assert_eq!(first * dimension, seen.len() as u64);
                    assert_eq!(rows.len() as u64 % dimension, 0);
                    seen.extend_from_slice(rows);
                });
            }
            prop_assert_eq!(seen, all);
        }
    }
}
