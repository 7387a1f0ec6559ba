//! One pass over a matrix before it is decomposed: its norms, and whether it can be.

use super::error::SvdError;
use super::exact::Matrix;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// What a pass over the matrix finds.
pub(super) struct Norms {
    /// Sum of the squares.
    pub squares: f64,
    /// Largest magnitude.
    pub largest: f32,
}

/// The sum of squares, in f64, the largest magnitude, and whether all values are finite.
struct Survey<'a>(&'a [f32]);

impl WithSimd for Survey<'_> {
    type Output = (f64, f32, bool);

    /// Plain code; what is inlined here is compiled for the processor's own vectors.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let (mut sums, mut max) = ([0.0f64; 16], [0u32; 16]);
        let (whole, rest) = self.0.as_chunks::<16>();
        let mut last = [0.0; 16];
        last[..rest.len()].copy_from_slice(rest);
        for values in whole.iter().chain([&last]) {
            for i in 0..16 {
                sums[i] += f64::from(values[i]) * f64::from(values[i]);
                // Magnitudes sort as their bits do, NaN above infinity above all others.
                max[i] = max[i].max(values[i].to_bits() & 0x7fff_ffff);
            }
        }
        let largest = f32::from_bits(max.iter().fold(0, |a, b| a.max(*b)));
        (sums.iter().sum(), largest, largest.is_finite())
    }
}

/// Checks the matrix, and takes its norms.
pub(super) fn check(values: &[f32], rows: usize, columns: usize) -> Result<(Matrix<'_>, Norms), SvdError> {
    if rows.checked_mul(columns) != Some(values.len()) {
        return Err(SvdError::Shape { rows, columns, length: values.len() });
    }
    if values.is_empty() {
        return Err(SvdError::Empty { rows, columns });
    }
    let arch = Arch::new();
    let pieces = values.par_chunks(1 << 16);
    let parts: Vec<(f64, f32, bool)> = pieces.map(|values| arch.dispatch(Survey(values))).collect();
    if parts.iter().any(|(_, _, is_finite)| !is_finite) {
        let position = values.iter().position(|value| !value.is_finite()).unwrap_or(0);
        return Err(SvdError::NotFinite {
            value: values[position],
            row: position / columns,
            column: position % columns,
        });
    }
    let squares = parts.iter().map(|(sum, _, _)| sum).sum();
    let largest = parts.iter().fold(0.0, |a: f32, (_, b, _)| a.max(*b));
    Ok((Matrix { values, rows, columns }, Norms { squares, largest }))
}

/// The power of two by which a matrix' largest magnitude comes near 1, so that products of it
/// neither overflow nor lose digits.
pub(super) fn unit(largest: f32) -> f32 {
    if largest == 0.0 {
        return 1.0;
    }
    let exponent = (largest.to_bits() >> 23).cast_signed() - 127;
    f32::from_bits(((127 - exponent).clamp(1, 254) as u32) << 23)
}
