//! How a tensor is read as a matrix.

use crate::dtype::{Class, Dtype};

/// Why a tensor is not read as a matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAMatrix {
    /// Its weights have no decoder.
    #[error("weights of type {} cannot be decoded", .0.name())]
    Undecodable(Dtype),
    /// It holds integers, which are not a layer's weights.
    #[error("weights of type {} are not floating-point numbers", .0.name())]
    Integers(Dtype),
    /// It is a scalar, or has no weights; for a layer's weights also a vector.
    #[error("a tensor of shape {0:?} is not a matrix")]
    Shape(Vec<u64>),
}

/// How a tensor is read as a matrix: its first axis by all others. A convolution's weights (out, in,
/// height, width) become out × (in · height · width), the product that the convolution is; a vector
/// is one row. None for scalars, tensors without weights, and sizes beyond the machine's.
pub fn matrix_shape(shape: &[u64]) -> Option<(usize, usize)> {
    let (rows, columns) = match shape {
        [] => return None,
        [columns] => (1, *columns),
        [rows, rest @ ..] => (*rows, rest.iter().try_fold(1u64, |a, b| a.checked_mul(*b))?),
    };
    let size = rows.checked_mul(columns)?;
    (size > 0).then_some(())?;
    Some((rows.try_into().ok()?, columns.try_into().ok()?))
}

/// Rows and columns of a tensor as a matrix, as [`matrix_shape`].
///
/// # Errors
/// [`NotAMatrix`].
pub fn matrix_sides(dtype: Dtype, shape: &[u64]) -> Result<(usize, usize), NotAMatrix> {
    if !dtype.is_decodable() {
        return Err(NotAMatrix::Undecodable(dtype));
    }
    matrix_shape(shape).ok_or_else(|| NotAMatrix::Shape(shape.to_vec()))
}

/// As [`matrix_sides`], for those that hold a layer's weights: two axes or more, and no integers.
///
/// # Errors
/// [`NotAMatrix`].
pub fn layer_sides(dtype: Dtype, shape: &[u64]) -> Result<(usize, usize), NotAMatrix> {
    let sides = matrix_sides(dtype, shape)?;
    if dtype.info().class == Class::Integer {
        return Err(NotAMatrix::Integers(dtype));
    }
    if shape.len() < 2 {
        return Err(NotAMatrix::Shape(shape.to_vec()));
    }
    Ok(sides)
}

/// Number of values that a decomposition of this rank has: U, s and Vᵗ.
pub fn components(rows: usize, columns: usize, rank: usize) -> u64 {
    (rows as u64 + columns as u64 + 1).saturating_mul(rank as u64)
}

/// Whether a decomposition of this rank, in `f32`, takes fewer bytes than the tensor does, and each of its matrices at
/// most `max_bytes`.
pub fn pays(rows: usize, columns: usize, rank: usize, tensor_bytes: u64, max_bytes: u64) -> bool {
    let bytes = |values: u64| values.saturating_mul(size_of::<f32>() as u64);
    let longest = (rows.max(columns) as u64).saturating_mul(rank as u64);
    bytes(components(rows, columns, rank)) < tensor_bytes && bytes(longest) <= max_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_matrices_or_say_why_not() {
        assert_eq!(matrix_sides(Dtype::F16, &[4, 2, 3]), Ok((4, 6)));
        assert_eq!(matrix_sides(Dtype::I8, &[5]), Ok((1, 5)));
        assert_eq!(layer_sides(Dtype::Q8_0, &[4, 32]), Ok((4, 32)));
        let why = |found: Result<(usize, usize), NotAMatrix>| found.unwrap_err().to_string();
        assert_eq!(why(matrix_sides(Dtype::F4, &[4, 4])), "weights of type F4 cannot be decoded");
        assert_eq!(why(layer_sides(Dtype::I8, &[4, 4])), "weights of type I8 are not floating-point numbers");
        for shape in [&[][..], &[0, 4], &[1 << 40, 1 << 40]] {
            assert!(matches!(matrix_sides(Dtype::F32, shape), Err(NotAMatrix::Shape(_))), "{shape:?}");
        }
        assert_eq!(why(layer_sides(Dtype::F32, &[5])), "a tensor of shape [5] is not a matrix");
    }

    #[test]
    fn a_decomposition_has_u_s_and_vt() {
        assert_eq!(components(4, 6, 2), 4 * 2 + 2 + 2 * 6);
        assert_eq!(components(usize::MAX / 4, 1, usize::MAX), u64::MAX);
    }

    #[test]
    fn a_decomposition_pays_when_it_is_smaller_and_fits() {
        // 4 · 2 + 2 + 2 · 6 values take 88 bytes, the longer of both matrices 48.
        assert!(pays(4, 6, 2, 89, 48));
        assert!(!pays(4, 6, 2, 88, 48));
        assert!(!pays(4, 6, 2, 89, 47));
        assert!(pays(6, 4, 2, 89, 48) && !pays(6, 4, 2, 89, 47));
        // All of a matrix of f32 never does.
        assert!(!pays(100, 100, 100, 4 * 100 * 100, u64::MAX));
        assert!(!pays(usize::MAX, usize::MAX, usize::MAX, u64::MAX, u64::MAX));
    }
}
