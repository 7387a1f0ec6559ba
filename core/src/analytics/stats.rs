//! Summary statistics, gathered piece by piece.

use crate::weights::{Weights, with_f64s};

/// Summary of a tensor's weights. NaN and infinities are counted, and left out of all else.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Number of weights, NaN and infinities included.
    pub count: u64,
    /// Weights that are NaN.
    pub nan_count: u64,
    /// Weights that are infinite.
    pub inf_count: u64,
    /// Weights equal to zero, of either sign.
    pub zero_count: u64,
    /// Least finite weight; +∞ when there is none.
    min: f64,
    /// Greatest finite weight; −∞ when there is none.
    max: f64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            count: 0,
            nan_count: 0,
            inf_count: 0,
            zero_count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
        }
    }
}

impl Stats {
    /// Adds the decoded weights of a piece of a tensor.
    pub fn add_weights(&mut self, weights: &Weights) {
        with_f64s!(weights, values => self.add(values))
    }

    /// Adds a piece of a tensor. Sums of a piece are taken about its own first finite weight, so
    /// nothing cancels; pieces are joined by Chan's formula.
    pub fn add(&mut self, values: impl Iterator<Item = f64> + Clone) {
        let Some(shift) = values.clone().find(|value| value.is_finite()) else {
            for value in values {
                self.count_special(value);
            }
            return;
        };
        let mut piece = Self::default();
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values {
            if value.is_finite() {
                let distance = value - shift;
                sum += distance;
                squares += distance * distance;
                piece.min = piece.min.min(value);
                piece.max = piece.max.max(value);
                piece.zero_count += u64::from(value == 0.0);
                piece.count += 1;
            } else {
                piece.count_special(value);
            }
        }
        let finite = piece.finite_count() as f64;
        piece.mean = shift + sum / finite;
        piece.squares = (squares - sum * sum / finite).max(0.0);
        self.merge(&piece);
    }

    fn count_special(&mut self, value: f64) {
        self.count += 1;
        if value.is_nan() {
            self.nan_count += 1;
        } else {
            self.inf_count += 1;
        }
    }

    /// Joins the summary of other weights. Chan, Golub & LeVeque, "Updating formulae and a pairwise
    /// algorithm for computing sample variances" (1979).
    pub fn merge(&mut self, other: &Self) {
        let (here, there) = (self.finite_count() as f64, other.finite_count() as f64);
        if there > 0.0 {
            let delta = other.mean - self.mean;
            let both = here + there;
            self.mean += delta * there / both;
            self.squares += other.squares + delta * delta * here * there / both;
        }
        self.count += other.count;
        self.nan_count += other.nan_count;
        self.inf_count += other.inf_count;
        self.zero_count += other.zero_count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Least and greatest finite weight.
    pub fn range(&self) -> Option<(f64, f64)> {
        (self.finite_count() > 0).then_some((self.min, self.max))
    }

    /// Number of finite weights.
    pub fn finite_count(&self) -> u64 {
        self.count - self.nan_count - self.inf_count
    }

    /// Mean of the finite weights.
    pub fn mean(&self) -> Option<f64> {
        (self.finite_count() > 0).then_some(self.mean)
    }

    /// Population standard deviation of the finite weights.
    pub fn stddev(&self) -> Option<f64> {
        (self.finite_count() > 0).then(|| (self.squares / self.finite_count() as f64).sqrt())
    }

    /// Share of weights that are zero, from 0 to 1.
    pub fn sparsity(&self) -> Option<f64> {
        (self.count > 0).then(|| self.zero_count as f64 / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definitions() {
        let values: Vec<f64> = (0..1000).map(|i| 1e6 + (f64::from(i) * 0.37).sin()).collect();
        let mut stats = Stats::default();
        for piece in values.chunks(77) {
            stats.add(piece.iter().copied());
        }
        let mean = values.iter().sum::<f64>() / 1000.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1000.0;
        assert!((stats.mean().unwrap() - mean).abs() < 1e-6);
        assert!((stats.stddev().unwrap() - variance.sqrt()).abs() < 1e-6);
        assert_eq!(stats.count, 1000);
    }

    #[test]
    fn special_values_are_counted_and_left_out() {
        let mut stats = Stats::default();
        stats.add([f64::NAN, f64::INFINITY].into_iter());
        assert_eq!((stats.mean(), stats.sparsity(), stats.range()), (None, Some(0.0), None));
        stats.add([2.0, f64::NEG_INFINITY, -0.0, f64::NAN, 4.0].into_iter());
        assert_eq!((stats.count, stats.nan_count, stats.inf_count, stats.zero_count), (7, 2, 2, 1));
        assert_eq!((stats.range(), stats.mean()), (Some((0.0, 4.0)), Some(2.0)));
    }

    #[test]
    fn weights_of_every_kind_are_summed_up() {
        let mut stats = Stats::default();
        stats.add_weights(&Weights::F32(vec![-1.5, 0.0]));
        stats.add_weights(&Weights::F64(vec![1e300]));
        stats.add_weights(&Weights::I64(vec![i64::MIN]));
        stats.add_weights(&Weights::U64(vec![u64::MAX]));
        assert_eq!((stats.count, stats.zero_count), (5, 1));
        assert_eq!(stats.range(), Some((-(2f64.powi(63)), 1e300)));
    }
}
