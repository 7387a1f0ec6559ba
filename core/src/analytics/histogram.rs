//! Histograms with bins of equal width.

/// Counts of weights in bins of equal width. The last bin includes its upper bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    low: f64,
    high: f64,
    counts: Vec<u64>,
}

impl Histogram {
    /// Empty bins from `low` to `high`, both finite and in order.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, counts: vec![0; bins] }
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
        let mut histogram = Histogram::new(0.0, 4.0, 4);
        histogram.add([0.0, 0.5, 1.0, 3.9, 4.0, 4.1, -0.1, f64::NAN].into_iter());
        let bins: Vec<_> = histogram.bins().collect();
        assert_eq!(bins, [(0.0, 1.0, 2), (1.0, 2.0, 1), (2.0, 3.0, 0), (3.0, 4.0, 2)]);
    }

    #[test]
    fn equal_bounds_and_enormous_ones() {
        let mut one = Histogram::new(2.0, 2.0, 3);
        one.add([2.0, 2.0].into_iter());
        assert_eq!(one.bins().map(|bin| bin.2).sum::<u64>(), 2);
        let mut all = Histogram::new(f64::MIN, f64::MAX, 2);
        all.add([f64::MIN, 0.0, f64::MAX].into_iter());
        assert_eq!(all.bins().map(|bin| bin.2).collect::<Vec<_>>(), [1, 2]);
    }
}
