//! Exact distances of vectors, and the nearest of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Partial sums of each kernel, in f64: component i goes to sum i mod 8, whatever the machine.
const LANES: usize = 8;

/// How far two vectors are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// 1 − cosine of the angle, 0 to 2; NaN where a vector is zero.
    Cosine,
    /// Length of the difference.
    Euclidean,
}

impl Metric {
    /// The metric of a name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("cosine") => Some(Self::Cosine),
            _ if name.eq_ignore_ascii_case("euclidean") => Some(Self::Euclidean),
            _ => None,
        }
    }
}

/// Vectors of different dimensions have no distance.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("vectors of dimension {0} and {1} can't be compared")]
pub struct DimensionError(pub usize, pub usize);

/// A vector that others are compared with.
#[derive(Debug, Clone)]
pub struct Query {
    metric: Metric,
    vector: Vec<f32>,
    length: f64,
}

impl Query {
    /// A query for what is near to a vector.
    pub fn new(metric: Metric, vector: Vec<f32>) -> Self {
        let length = dot(&vector, &vector).sqrt();
        Self { metric, vector, length }
    }

    /// The other vector's distance. NaN when it has none: for components that are NaN or infinite,
    /// and for the cosine of a zero vector.
    ///
    /// # Errors
    /// [`DimensionError`].
    pub fn distance(&self, other: &[f32]) -> Result<f64, DimensionError> {
        if other.len() != self.vector.len() {
            return Err(DimensionError(self.vector.len(), other.len()));
        }
        Ok(match self.metric {
            Metric::Cosine => {
                let [dot, squares] = sums(&self.vector, other, |a, b| [a * b, b * b]);
                1.0 - (dot / (self.length * squares.sqrt())).clamp(-1.0, 1.0)
            }
            Metric::Euclidean => {
                let [squares] = sums(&self.vector, other, |a, b| [(a - b) * (a - b)]);
                // The difference with an infinity is one; that is not a distance to rank by.
                if squares.is_finite() { squares.sqrt() } else { f64::NAN }
            }
        })
    }
}

/// The dot product of two vectors of the same dimension; of longer ones the rest is left out.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let [sum] = sums(a, b, |a, b| [a * b]);
    sum
}

/// Sums of terms over the components of two vectors.
#[inline(always)]
pub(super) fn sums<const N: usize>(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> [f64; N]) -> [f64; N] {
    let mut sums = [[0.0; LANES]; N];
    let mut add = |a: &[f32; LANES], b: &[f32; LANES]| {
        for lane in 0..LANES {
            let terms = term(a[lane].into(), b[lane].into());
            for n in 0..N {
                sums[n][lane] += terms[n];
            }
        }
    };
    let length = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..length].as_chunks(), b[..length].as_chunks());
    for (a, b) in a.iter().zip(b) {
        add(a, b);
    }
    if !a_rest.is_empty() {
        let padded = |rest: &[f32]| std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or(0.0));
        add(&padded(a_rest), &padded(b_rest));
    }
    sums.map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])))
}

/// The nearest few of a stream, in memory for these few alone.
#[derive(Debug)]
pub struct Nearest<T> {
    max: usize,
    heap: BinaryHeap<Found<T>>,
}

#[derive(Debug)]
struct Found<T> {
    distance: f64,
    key: T,
}

impl<T: Ord> Ord for Found<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.key.cmp(&other.key))
    }
}

impl<T: Ord> PartialOrd for Found<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Eq for Found<T> {}

impl<T: Ord> PartialEq for Found<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Nearest<T> {
    /// For at most so many.
    pub fn new(max: usize) -> Self {
        Self { max, heap: BinaryHeap::new() }
    }

    /// Offers one. A NaN distance is never among the nearest.
    pub fn offer(&mut self, distance: f64, key: T) {
        let found = Found { distance, key };
        if distance.is_nan() || self.max == 0 {
            return;
        }
        if self.heap.len() < self.max {
            self.heap.push(found);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && found < *farthest
        {
            *farthest = found;
        }
    }

    /// The nearest, nearest first; those of equal distance in the order of their keys.
    pub fn into_sorted(self) -> Vec<(f64, T)> {
        self.heap.into_sorted_vec().into_iter().map(|found| (found.distance, found.key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        Query::new(Metric::Cosine, a.to_vec()).distance(b).unwrap()
    }

    fn euclidean(a: &[f32], b: &[f32]) -> f64 {
        Query::new(Metric::Euclidean, a.to_vec()).distance(b).unwrap()
    }

    #[test]
    fn known_distances() {
        assert_eq!(euclidean(&[3.0, 0.0], &[0.0, 4.0]), 5.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
        assert_eq!(cosine(&[1.0, 1.0], &[-3.0, -3.0]), 2.0);
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 0.0);
        assert_eq!(euclidean(&[], &[]), 0.0);
        assert_eq!(dot(&[f32::MAX; 20], &[f32::MAX; 20]), 20.0 * f64::from(f32::MAX).powi(2));
    }

    #[test]
    fn where_there_is_no_distance() {
        assert!(cosine(&[0.0, 0.0], &[1.0, 0.0]).is_nan());
        assert!(cosine(&[1.0, 0.0], &[0.0, 0.0]).is_nan());
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(cosine(&[1.0, 0.0], &[special, 0.0]).is_nan());
            assert!(euclidean(&[1.0, 0.0], &[special, 0.0]).is_nan());
        }
        let error = Query::new(Metric::Cosine, vec![1.0; 3]).distance(&[1.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "vectors of dimension 3 and 4 can't be compared");
    }

    proptest! {
        #[test]
        fn distances_are_those_of_plain_sums(pairs in prop::collection::vec((-9.0..9.0f32, -9.0..9.0f32), 1..100)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let sum = |term: fn(f64, f64) -> f64| -> f64 {
                a.iter().zip(&b).map(|(a, b)| term((*a).into(), (*b).into())).sum()
            };
            let apart = sum(|a, b| (a - b).powi(2)).sqrt();
            prop_assert!((euclidean(&a, &b) - apart).abs() <= 1e-12 * apart);
            let angle = 1.0 - sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt();
            prop_assert!((cosine(&a, &b) - angle).abs() < 1e-12);
        }

        #[test]
        fn the_nearest_are_the_first_of_all(distances in prop::collection::vec(0u8..20, 0..100), max in 0usize..30) {
            let mut nearest = Nearest::new(max);
            for (key, distance) in distances.iter().enumerate() {
                nearest.offer(f64::NAN, key);
                nearest.offer((*distance).into(), key);
            }
            let mut all: Vec<(f64, usize)> =
                distances.iter().enumerate().map(|(key, distance)| ((*distance).into(), key)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            all.truncate(max);
            prop_assert_eq!(nearest.into_sorted(), all);
        }
    }
}
