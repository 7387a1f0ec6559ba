//! Weights at their places in a tensor.

use crate::dtype::Dtype;
use crate::weights::{AtomicValue, Weights};

/// Bytes of blocks decoded at a time when a whole tensor is gone through: one batch of segments.
const PIECE_BYTES: u64 = 16 << 20;

/// Extents of the row-major coordinates x, y and z: the last axis, the one before it, and all earlier
/// axes together.
pub fn extents(shape: &[u64]) -> [u64; 3] {
    let (earlier, last) = shape.split_at(shape.len().saturating_sub(2));
    let (height, width) = match last {
        [height, width] => (*height, *width),
        [width] => (1, *width),
        _ => (1, 1),
    };
    [width, height, earlier.iter().fold(1, |product, extent| product.saturating_mul(*extent))]
}

/// Row-major coordinates of a weight: x runs along the last axis, y along the one before it, z
/// over all earlier axes together.
pub fn position(shape: &[u64], index: u64) -> (u64, u64, u64) {
    let [width, height, _] = extents(shape).map(|extent| extent.max(1));
    let row = index / width;
    (index % width, row % height, row / height)
}

/// Which weight stands at row-major coordinates; none where they are outside of the tensor.
pub fn index_at(shape: &[u64], position: [i64; 3]) -> Option<u64> {
    let extents = extents(shape);
    let mut index = 0u64;
    for axis in [2, 1, 0] {
        let coordinate = u64::try_from(position[axis]).ok().filter(|i| *i < extents[axis])?;
        index = index.checked_mul(extents[axis])?.checked_add(coordinate)?;
    }
    Some(index)
}

/// Cuts a tensor of so many weights into pieces to go through one after the other: the first weight and
/// the number of weights of each, a multiple of `unit` weights but for the last.
pub fn pieces(dtype: Dtype, weight_count: u64, unit: u64) -> impl Iterator<Item = (u64, u64)> {
    let row = dtype.info();
    let weights = PIECE_BYTES / u64::from(row.block_bytes) * u64::from(row.block_weights);
    pieces_of(weight_count, (weights / unit).max(1).saturating_mul(unit))
}

/// [`pieces`] of `step` weights.
pub fn pieces_of(weight_count: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..weight_count.div_ceil(step)).map(move |piece| {
        let from = piece * step;
        (from, step.min(weight_count - from))
    })
}

/// One weight of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// Which weight of the tensor it is, from 0.
    pub index: u64,
    /// Its row-major coordinates, as [`position`].
    pub position: (u64, u64, u64),
    /// Its value as `real`; rounded where the type is wider.
    pub value: f32,
    /// The content of its atom.
    pub atomic_value: AtomicValue,
}

/// The coefficients of a piece of a tensor, whose first weight is number `first`.
pub fn coefficients(
    shape: &[u64],
    first: u64,
    weights: Weights,
) -> impl Iterator<Item = Coefficient> + use<> {
    let shape = shape.to_vec();
    (0..weights.len()).map(move |i| {
        let index = first + i as u64;
        Coefficient {
            index,
            position: position(&shape, index),
            value: weights.f32(i),
            atomic_value: weights.atomic_value(i),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_are_row_major() {
        assert_eq!(position(&[], 0), (0, 0, 0));
        assert_eq!(position(&[5], 4), (4, 0, 0));
        assert_eq!(position(&[3, 5], 7), (2, 1, 0));
        assert_eq!(position(&[2, 3, 4], 23), (3, 2, 1));
        assert_eq!(position(&[2, 2, 3, 4], 47), (3, 2, 3));
    }

    #[test]
    fn what_is_outside_has_no_index() {
        let shape = [2, 3, 4];
        assert_eq!(index_at(&shape, [3, 2, 1]), Some(23));
        for outside in [[4, 0, 0], [0, 3, 0], [0, 0, 2], [-1, 0, 0], [0, i64::MIN, 0], [0, 0, i64::MAX]] {
            assert_eq!(index_at(&shape, outside), None, "{outside:?}");
        }
        assert_eq!(index_at(&[], [0, 0, 0]), Some(0), "a scalar has one weight");
        assert_eq!(index_at(&[3, 0], [0, 0, 0]), None, "an axis of no length has none");
        let last = u64::MAX - 1;
        assert_eq!(index_at(&[u64::MAX, 3, 1], [0, 0, last as i64]), None);
        assert_eq!(
            index_at(&[1 << 40, 1 << 30, 4], [3, (1 << 30) - 1, (1 << 40) - 1]),
            None,
            "beyond 64 bits"
        );
    }

    #[test]
    fn coefficients_are_numbered_over_the_whole_tensor() {
        let found: Vec<Coefficient> = coefficients(&[3, 5], 6, Weights::F64(vec![0.1, 2.0])).collect();
        assert_eq!((found[0].index, found[0].position, found[0].value), (6, (1, 1, 0), 0.1));
        assert_eq!(found[0].atomic_value.as_bytes(), 0.1f64.to_be_bytes());
        assert_eq!((found[1].index, found[1].position, found[1].value), (7, (2, 1, 0), 2.0));
        assert_eq!(found.len(), 2);
    }

    proptest! {
        #[test]
        fn an_index_has_its_position(shape in prop::collection::vec(1u64..6, 0..5), pick in any::<prop::sample::Index>()) {
            let index = pick.index(shape.iter().product::<u64>() as usize) as u64;
            let (x, y, z) = position(&shape, index);
            prop_assert_eq!(index_at(&shape, [x, y, z].map(|i| i as i64)), Some(index));
        }

        #[test]
        fn pieces_cover_a_tensor_once(count in 0u64..1 << 25, unit in 1u64..1 << 23, dtype in 0usize..3) {
            let dtype = [Dtype::F32, Dtype::Q4_K, Dtype::C128][dtype];
            let mut end = 0;
            for (from, weights) in pieces(dtype, count, unit) {
                prop_assert_eq!(from, end);
                prop_assert!(weights > 0);
                end = from + weights;
                prop_assert!(weights.is_multiple_of(unit) || end == count, "only the last one is cut");
                let row = dtype.info();
                let bytes = weights / u64::from(row.block_weights) * u64::from(row.block_bytes);
                prop_assert!(bytes <= PIECE_BYTES || weights <= unit, "{bytes} bytes");
            }
            prop_assert_eq!(end, count);
        }
    }
}
