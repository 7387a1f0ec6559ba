//! The nearest of stored tensors and of their rows, by exact distances: what an index has found is read.

use super::similarity::{DimensionError, Metric, Nearest, Query, dot, sums};
use crate::byte_range::ByteRange;
use crate::coefficient::pieces_of;
use crate::dtype::Dtype;
use crate::hash::Hash;
use crate::rows::{RowReader, StoredRow};
use crate::weights::DecodeError;

/// Weights of a tensor compared at a time: one batch of 4 MiB of both.
const PIECE_WEIGHTS: u64 = 1 << 20;

/// Why stored rows could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They are of different lengths.
    #[error(transparent)]
    Dimension(#[from] DimensionError),
    /// A row could not be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The `k` rows nearest to a query of `width` weights, nearest first: their distances and their places
/// among `rows`. Rows of equal distance come in the order of their keys. `read` gives a range of a
/// content's bytes; it is called for the contents in turn, each from front to back.
///
/// # Errors
/// [`CompareError`].
pub fn nearest_rows<K: Ord>(
    query: &Query,
    width: u64,
    k: usize,
    rows: &[(K, StoredRow)],
    mut read: impl FnMut(&Hash, ByteRange) -> Vec<u8>,
) -> Result<Vec<(f64, usize)>, CompareError> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|index| (rows[*index].1.hash, rows[*index].1.row_no));
    let (mut nearest, mut reader) = (Nearest::new(k), RowReader::default());
    for index in order {
        let (key, row) = &rows[index];
        let distance = query.distance(&reader.read(row, width, &mut read)?)?;
        nearest.offer(distance, (key, index));
    }
    Ok(in_order(nearest))
}

/// The `k` tensors nearest to one of `weight_count` weights, as [`nearest_rows`] gives rows. `own` gives
/// weights of the tensor itself, from one on and so many; `read` those of another, of as many weights.
/// Contents that several tensors share are compared once.
///
/// # Errors
/// [`DimensionError`] where `read` gives another number of weights.
pub fn nearest_tensors<K: Ord>(
    metric: Metric,
    weight_count: u64,
    k: usize,
    tensors: &[(K, Hash, Dtype)],
    mut own: impl FnMut(u64, u64) -> Vec<f32>,
    mut read: impl FnMut(&Hash, Dtype, u64, u64) -> Vec<f32>,
) -> Result<Vec<(f64, usize)>, DimensionError> {
    let mut contents: Vec<(Hash, Dtype)> = tensors.iter().map(|(_, hash, dtype)| (*hash, *dtype)).collect();
    contents.sort_unstable();
    contents.dedup();
    let mut all = vec![Sums::default(); contents.len()];
    for (from, count) in pieces_of(weight_count, PIECE_WEIGHTS) {
        let piece = own(from, count);
        let squares = dot(&piece, &piece);
        for (sums, (hash, dtype)) in all.iter_mut().zip(&contents) {
            sums.add(&piece, squares, &read(hash, *dtype, from, count))?;
        }
    }
    let mut nearest = Nearest::new(k);
    for (index, (key, hash, dtype)) in tensors.iter().enumerate() {
        let place = contents.binary_search(&(*hash, *dtype)).expect("every tensor's content was compared");
        nearest.offer(all[place].distance(metric), (key, index));
    }
    Ok(in_order(nearest))
}

fn in_order<K: Ord>(nearest: Nearest<(K, usize)>) -> Vec<(f64, usize)> {
    nearest.into_sorted().into_iter().map(|(distance, (_, index))| (distance, index)).collect()
}

/// Sums over two tensors that a distance is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    products: f64,
    squares: f64,
    other_squares: f64,
    apart: f64,
}

impl Sums {
    /// Adds a piece of both; `squares` is the sum of the piece's.
    fn add(&mut self, piece: &[f32], squares: f64, other: &[f32]) -> Result<(), DimensionError> {
        if piece.len() != other.len() {
            return Err(DimensionError(piece.len(), other.len()));
        }
        let [products, other_squares, apart] = sums(piece, other, |a, b| [a * b, b * b, (a - b) * (a - b)]);
        self.squares += squares;
        self.products += products;
        self.other_squares += other_squares;
        self.apart += apart;
        Ok(())
    }

    /// As [`Query::distance`]: NaN where there is none.
    fn distance(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Cosine => {
                let cosine = self.products / (self.squares.sqrt() * self.other_squares.sqrt());
                1.0 - cosine.clamp(-1.0, 1.0)
            }
            Metric::Euclidean if self.apart.is_finite() => self.apart.sqrt(),
            Metric::Euclidean => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use proptest::prelude::*;

    fn bytes_of(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Everything by its distance, as plain code finds it.
    fn naive(metric: Metric, query: &[f32], vectors: &[&[f32]], k: usize) -> Vec<usize> {
        let query = Query::new(metric, query.to_vec());
        let mut all: Vec<(f64, usize)> =
            vectors.iter().enumerate().map(|(i, vector)| (query.distance(vector).unwrap(), i)).collect();
        all.retain(|(distance, _)| !distance.is_nan());
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.into_iter().take(k).map(|(_, index)| index).collect()
    }

    fn places(found: Vec<(f64, usize)>) -> Vec<usize> {
        found.into_iter().map(|(_, index)| index).collect()
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_of_plain_code(
            values in prop::collection::vec(-3i8..3, 12 * 4), k in 0usize..14, is_cosine: bool,
        ) {
            let metric = if is_cosine { Metric::Cosine } else { Metric::Euclidean };
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let vectors: Vec<&[f32]> = values.chunks(4).collect();
            let query = [1.0, 0.5, -2.0, 0.25];
            let expected = naive(metric, &query, &vectors, k);

            // Two contents of six rows each, offered back to front.
            let (one, other) = (bytes_of(&values[..24]), bytes_of(&values[24..]));
            let contents = [(sha256(&one), one), (sha256(&other), other)];
            let rows: Vec<(usize, StoredRow)> = (0..12).rev().map(|i| {
                let (hash, bytes) = &contents[i / 6];
                let row = StoredRow { hash: *hash, byte_length: bytes.len() as u64, dtype: Dtype::F32, row_no: i as u64 % 6 };
                (i, row)
            }).collect();
            let found = nearest_rows(&Query::new(metric, query.to_vec()), 4, k, &rows, |hash, range| {
                let (_, bytes) = contents.iter().find(|(known, _)| known == hash).unwrap();
                bytes[range.offset as usize..range.end() as usize].to_vec()
            });
            let found: Vec<usize> = places(found.unwrap()).into_iter().map(|i| 11 - i).collect();
            prop_assert_eq!(found, expected.clone());

            let tensors: Vec<(usize, Hash, Dtype)> =
                vectors.iter().enumerate().map(|(i, vector)| (i, sha256(&bytes_of(vector)), Dtype::F32)).collect();
            let mut reads = Vec::new();
            let found = nearest_tensors(metric, 4, k, &tensors, |_, _| query.to_vec(), |hash, _, _, _| {
                reads.push(*hash);
                let (i, ..) = tensors.iter().find(|(_, known, _)| known == hash).unwrap();
                vectors[*i].to_vec()
            });
            // Sums of products and squares round otherwise than a query's, so equal distances may differ.
            let distance = |i: usize| Query::new(metric, query.to_vec()).distance(vectors[i]).unwrap();
            let found = places(found.unwrap());
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((distance(*found) - distance(*expected)).abs() < 1e-12);
            }
            let count = reads.len();
            reads.sort_unstable();
            reads.dedup();
            prop_assert_eq!(reads.len(), count, "each content once");
        }
    }

    #[test]
    fn tensors_of_several_pieces_are_summed_up() {
        let count = PIECE_WEIGHTS + 2;
        let tensors = [(0, [1; 32], Dtype::F32)];
        let ones = |from: u64, count: u64| {
            assert!(from.is_multiple_of(PIECE_WEIGHTS) && count <= PIECE_WEIGHTS);
            vec![1.0; count as usize]
        };
        let of = |metric, value: f32| {
            nearest_tensors(metric, count, 1, &tensors, ones, |_, _, _, count| vec![value; count as usize])
                .unwrap()
        };
        assert_eq!(of(Metric::Euclidean, 3.0), [(2.0 * (count as f64).sqrt(), 0)]);
        assert_eq!(of(Metric::Cosine, -2.0), [(2.0, 0)]);
        for (metric, value) in [
            (Metric::Euclidean, f32::INFINITY),
            (Metric::Euclidean, f32::NAN),
            (Metric::Cosine, f32::INFINITY),
            (Metric::Cosine, 0.0),
        ] {
            assert_eq!(of(metric, value), [], "{metric:?}, {value}: there is no distance");
        }
        let error =
            nearest_tensors(Metric::Cosine, 3, 1, &tensors, ones, |_, _, _, _| vec![1.0; 2]).unwrap_err();
        assert_eq!(error.to_string(), "vectors of dimension 3 and 2 can't be compared");
    }
}
