//! What weights lose when they are stored in a smaller type.

/// Compares weights with what a smaller type makes of them, piece by piece. Pairs with a NaN or an
/// infinity on either side are counted, and left out of all else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuantizationError {
    /// Number of pairs, those with NaN and infinities included.
    pub count: u64,
    /// Pairs with a NaN.
    pub nan_count: u64,
    /// Pairs with an infinity and no NaN.
    pub inf_count: u64,
    /// Greatest distance between the two weights of a pair.
    pub max_error: f64,
    /// Sum of the squares of the original weights.
    signal: f64,
    /// Sum of the squares of the distances.
    noise: f64,
}

impl QuantizationError {
    /// Adds pairs of an original weight and the one that it became. Weights beyond 10¹⁵⁴, which f32
    /// cannot hold, have squares that f64 cannot, and figures that are infinite.
    pub fn add(&mut self, pairs: impl Iterator<Item = (f64, f64)>) {
        // Sums of a piece first: its squares are not lost in those of all pieces before it.
        let mut piece = Self::default();
        for (original, decoded) in pairs {
            piece.count += 1;
            if original.is_nan() || decoded.is_nan() {
                piece.nan_count += 1;
            } else if original.is_infinite() || decoded.is_infinite() {
                piece.inf_count += 1;
            } else {
                let distance = original - decoded;
                piece.signal += original * original;
                piece.noise += distance * distance;
                piece.max_error = piece.max_error.max(distance.abs());
            }
        }
        self.merge(&piece);
    }

    /// Joins the comparison of other weights.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.nan_count += other.nan_count;
        self.inf_count += other.inf_count;
        self.max_error = self.max_error.max(other.max_error);
        self.signal += other.signal;
        self.noise += other.noise;
    }

    /// Number of pairs that are compared.
    pub fn finite_count(&self) -> u64 {
        self.count - self.nan_count - self.inf_count
    }

    /// Root of the mean square of the distances.
    pub fn rmse(&self) -> Option<f64> {
        (self.finite_count() > 0).then(|| (self.noise / self.finite_count() as f64).sqrt())
    }

    /// Signal-to-noise ratio in decibels, `10 · log₁₀(Σ original² / Σ distance²)`: infinite when
    /// nothing is lost, −∞ when zeros became something else.
    pub fn snr_db(&self) -> Option<f64> {
        let ratio = if self.noise == 0.0 { f64::INFINITY } else { self.signal / self.noise };
        (self.finite_count() > 0).then(|| 10.0 * ratio.log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(pairs: &[(f64, f64)]) -> QuantizationError {
        let mut error = QuantizationError::default();
        pairs.chunks(2).for_each(|piece| error.add(piece.iter().copied()));
        error
    }

    #[test]
    fn agrees_with_the_definitions() {
        let error = error_of(&[(3.0, 3.0), (-4.0, -4.5), (0.0, 0.5), (12.0, 12.0)]);
        assert_eq!(error.rmse(), Some((0.5f64 / 4.0).sqrt()));
        assert_eq!(error.max_error, 0.5);
        assert_eq!(error.snr_db(), Some(10.0 * (169.0f64 / 0.5).log10()));
    }

    #[test]
    fn nothing_lost_and_nothing_there() {
        assert_eq!(error_of(&[(1.0, 1.0), (0.0, -0.0)]).snr_db(), Some(f64::INFINITY));
        assert_eq!(error_of(&[(0.0, 0.0)]).rmse(), Some(0.0));
        assert_eq!(error_of(&[(0.0, 0.0)]).snr_db(), Some(f64::INFINITY));
        assert_eq!(error_of(&[(0.0, 1.0)]).snr_db(), Some(f64::NEG_INFINITY));
        assert_eq!((error_of(&[]).rmse(), error_of(&[]).snr_db()), (None, None));
    }

    #[test]
    fn special_weights_are_counted_and_left_out() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let error = error_of(&[(nan, nan), (inf, inf), (1e6, inf), (nan, inf), (2.0, 1.0)]);
        assert_eq!((error.count, error.nan_count, error.inf_count), (5, 2, 2));
        assert_eq!((error.rmse(), error.max_error), (Some(1.0), 1.0));
        assert_eq!(error_of(&[(nan, 0.0)]).rmse(), None);
    }
}
