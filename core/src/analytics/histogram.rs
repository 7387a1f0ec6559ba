//! Histograms with bins of equal width.

use super::stats::Stats;
use crate::weights::{Weights, with_f64s};

/// Most bins: far more than anybody looks at; keeps memory small.
pub const MAX_BINS: i64 = 1_000_000;

/// No histogram has these bins.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a histogram of {bins} bins from {low} to {high} is not possible")]
pub struct HistogramError {
    /// Number of bins.
    pub bins: i64,
    /// Lower bound of the first.
    pub low: f64,
    /// Upper bound of the last.
    pub high: f64,
}

/// Counts of weights in bins of equal width. The last bin includes its upper bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    low: f64,
    high: f64,
    counts: Vec<u64>,
}

impl Histogram {
    /// Empty bins from `low` to `high`, 1 to [`MAX_BINS`] of them.
    ///
    /// # Errors
    /// [`HistogramError`] for another number, and unless the bounds are finite and in order.
    pub fn new(low: f64, high: f64, bins: i64) -> Result<Self, HistogramError> {
        let possible = (1..=MAX_BINS).contains(&bins) && low.is_finite() && high.is_finite() && low <= high;
        match possible {
            true => Ok(Self { low, high, counts: vec![0; bins as usize] }),
            false => Err(HistogramError { bins, low, high }),
        }
    }

    /// Bounds that are given, and for those that are not the least and the greatest finite weight, which
    /// `stats` finds: none where there is no finite one.
    pub fn bounds(low: Option<f64>, high: Option<f64>, stats: impl FnOnce() -> Stats) -> Option<(f64, f64)> {
        if let (Some(low), Some(high)) = (low, high) {
            return Some((low, high));
        }
        let (min, max) = stats().range()?;
        Some((low.unwrap_or(min), high.unwrap_or(max)))
    }

    /// Counts the decoded weights of a piece of a tensor, as [`Histogram::add`].
    pub fn add_weights(&mut self, weights: &Weights) {
        with_f64s!(weights, values => self.add(values))
    }

    /// Counts weights; those outside the bounds, and NaN, fall in no bin.
    pub fn add(&mut self, values: impl Iterator<Item = f64>) {
        let last = self.counts.len() - 1;
        // Halves, because the distance between two finite bounds may be infinite.
        let width = self.high / 2.0 - self.low / 2.0;
        let bins = self.counts.len() as f64;
        for value in values {
            if value >= self.low && value <= self.high {
                let share = if width > 0.0 { (value / 2.0 - self.low / 2.0) / width } else { 0.0 };
                self.counts[((share * bins) as usize).min(last)] += 1;
            }
        }
    }

    /// The bins: lower bound, upper bound, number of weights.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        let n = self.counts.len() as f64;
        let bound = move |i: usize| {
            let share = i as f64 / n;
            self.low * (1.0 - share) + self.high * share
        };
        self.counts.iter().enumerate().map(move |(i, &count)| (bound(i), bound(i + 1), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_in_their_bins() {
        let mut histogram = Histogram::new(0.0, 4.0, 4).unwrap();
        histogram.add([0.0, 0.5, 1.0, 3.9, 4.0, 4.1, -0.1, f64::NAN].into_iter());
        let bins: Vec<_> = histogram.bins().collect();
        assert_eq!(bins, [(0.0, 1.0, 2), (1.0, 2.0, 1), (2.0, 3.0, 0), (3.0, 4.0, 2)]);
    }

    #[test]
    fn impossible_bins_are_refused() {
        for (low, high, bins) in [
            (0.0, 1.0, 0),
            (0.0, 1.0, -3),
            (0.0, 1.0, MAX_BINS + 1),
            (1.0, 0.0, 2),
            (f64::NAN, 1.0, 2),
            (0.0, f64::INFINITY, 2),
        ] {
            assert!(Histogram::new(low, high, bins).is_err(), "{low}, {high}, {bins}");
        }
        let error = Histogram::new(1.0, 0.5, -3).unwrap_err();
        assert_eq!(error.to_string(), "a histogram of -3 bins from 1 to 0.5 is not possible");
    }

    #[test]
    fn bounds_not_given_are_those_of_the_weights() {
        let stats = |values: &'static [f32]| {
            move || {
                let mut stats = Stats::default();
                stats.add_weights(&Weights::F32(values.to_vec()));
                stats
            }
        };
        assert_eq!(Histogram::bounds(None, None, stats(&[2.0, -1.0, f32::NAN])), Some((-1.0, 2.0)));
        assert_eq!(Histogram::bounds(Some(-9.0), None, stats(&[2.0])), Some((-9.0, 2.0)));
        assert_eq!(Histogram::bounds(None, Some(9.0), stats(&[f32::NAN])), None);
        let unread = || panic!("the weights are not gone through for bounds that are given");
        assert_eq!(Histogram::bounds(Some(0.0), Some(1.0), unread), Some((0.0, 1.0)));
    }

    #[test]
    fn weights_of_every_kind_are_counted() {
        let mut histogram = Histogram::new(0.0, 2.0, 2).unwrap();
        for weights in [
            Weights::F32(vec![0.5]),
            Weights::F64(vec![1.5]),
            Weights::I64(vec![-1, 2]),
            Weights::U64(vec![1, u64::MAX]),
        ] {
            histogram.add_weights(&weights);
        }
        assert_eq!(histogram.bins().map(|bin| bin.2).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn equal_bounds_and_enormous_ones() {
        let mut one = Histogram::new(2.0, 2.0, 3).unwrap();
        one.add([2.0, 2.0].into_iter());
        assert_eq!(one.bins().map(|bin| bin.2).sum::<u64>(), 2);
        let mut all = Histogram::new(f64::MIN, f64::MAX, 2).unwrap();
        all.add([f64::MIN, 0.0, f64::MAX].into_iter());
        assert_eq!(all.bins().map(|bin| bin.2).collect::<Vec<_>>(), [1, 2]);
    }
}
