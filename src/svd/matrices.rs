//! Functions on matrices that callers give, and a stored tensor's spectrum and reconstruction.

use super::compress::row_count;
use super::{
    components, decomposed, from_bytes, matrix_from_bytes, matrix_of, rank_of, sides, to_bytes, words,
};
use crate::access::{self, field};
use crate::errors::{OrRaise, check_memory, raise, require_arg};
use crate::quantization::slice_of;
use crate::reading::MAX_BYTEA;
use crate::sql_types::SqlArray;
use crate::tensors::MAX_ARRAY_WEIGHTS;
use crate::{owner, threads};
use atomizer_core::svd::{self, SvdError};
use pgrx::prelude::*;

/// Most values of a bytea.
const MAX_BYTEA_VALUES: u64 = MAX_BYTEA / 4;

/// A number of rows or columns.
fn side(count: i32, what: &str) -> usize {
    usize::try_from(count).unwrap_or_else(|_| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("a matrix cannot have {count} {what}"),
            "",
        )
    })
}

/// Refuses a result that would not fit in one value, before it is computed.
fn check_fits(rows: usize, columns: usize, max: u64) {
    if (rows as u64).saturating_mul(columns as u64) > max {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("a matrix of {rows} by {columns} does not fit in one value of at most {max} numbers"),
            "",
        );
    }
}

/// Refuses a matrix that isn't of its shape, and a decomposition that would not fit in its columns.
fn check_decomposition_fits(length: usize, rows: usize, columns: usize, rank: i32, max: u64) {
    if rows.checked_mul(columns) != Some(length) {
        Err(SvdError::Shape { rows, columns, length }).or_raise()
    }
    let rank = rank_of(rank).min(rows).min(columns);
    check_fits(rows, rank, max);
    check_fits(rank, columns, max);
}

#[allow(clippy::type_complexity)]
#[pg_extern(name = "svd_decompose", immutable, strict, parallel_safe, cost = 1000000)]
fn svd_decompose_array(
    matrix: Array<f32>,
    rows: i32,
    columns: i32,
    rank: i32,
) -> TableIterator<
    'static,
    (
        name!(u, SqlArray<f32>),
        name!(s, SqlArray<f32>),
        name!(vt, SqlArray<f32>),
        name!(explained_variance, f64),
        name!(relative_error, f64),
    ),
> {
    let (rows, columns) = (side(rows, "rows"), side(columns, "columns"));
    let values = slice_of(&matrix);
    check_decomposition_fits(values.len(), rows, columns, rank, MAX_ARRAY_WEIGHTS as u64);
    let svd = decomposed(values, rows, columns, rank);
    let [u, s, vt] = [svd.u, svd.s, svd.vt].map(SqlArray);
    TableIterator::once((u, s, vt, svd.explained_variance, svd.relative_error))
}

#[allow(clippy::type_complexity)]
#[pg_extern(name = "svd_decompose", immutable, strict, parallel_safe, cost = 1000000)]
fn svd_decompose_bytes(
    matrix: &[u8],
    rows: i32,
    columns: i32,
    rank: i32,
) -> TableIterator<
    'static,
    (
        name!(u, Vec<u8>),
        name!(s, Vec<u8>),
        name!(vt, Vec<u8>),
        name!(explained_variance, f64),
        name!(relative_error, f64),
    ),
> {
    let (rows, columns) = (side(rows, "rows"), side(columns, "columns"));
    check_decomposition_fits(words(matrix, "the matrix").len(), rows, columns, rank, MAX_BYTEA_VALUES);
    let svd = decomposed(&matrix_from_bytes(matrix, "the matrix"), rows, columns, rank);
    TableIterator::once((
        to_bytes(&svd.u),
        to_bytes(&svd.s),
        to_bytes(&svd.vt),
        svd.explained_variance,
        svd.relative_error,
    ))
}

/// U·diag(s)·Vᵀ, of a size that fits.
fn reconstruct(u: &[f32], s: &[f32], vt: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    check_memory(8 * rows as u64 * columns as u64);
    threads::cancellable(|cancel| svd::reconstruct(u, s, vt, rows, columns, cancel)).or_raise()
}

#[pg_extern(name = "reconstruct_from_svd", immutable, strict, parallel_safe, cost = 10000)]
fn reconstruct_from_arrays(
    u: Array<f32>,
    s: Array<f32>,
    vt: Array<f32>,
    rows: i32,
    columns: i32,
) -> SqlArray<f32> {
    let (rows, columns) = (side(rows, "rows"), side(columns, "columns"));
    check_fits(rows, columns, MAX_ARRAY_WEIGHTS as u64);
    SqlArray(reconstruct(slice_of(&u), slice_of(&s), slice_of(&vt), rows, columns))
}

#[pg_extern(name = "reconstruct_from_svd", immutable, strict, parallel_safe, cost = 10000)]
fn reconstruct_from_bytes(u: &[u8], s: &[u8], vt: &[u8], rows: i32, columns: i32) -> Vec<u8> {
    let (rows, columns) = (side(rows, "rows"), side(columns, "columns"));
    check_fits(rows, columns, MAX_BYTEA_VALUES);
    let (u, s, vt) = (from_bytes(u, "u"), from_bytes(s, "s"), from_bytes(vt, "vt"));
    to_bytes(&reconstruct(&u, &s, &vt, rows, columns))
}

#[pg_extern(stable, strict, parallel_safe, cost = 1000000)]
fn svd_spectrum(
    tensor_atom_id: i64,
) -> TableIterator<'static, (name!(i, i32), name!(sigma, f64), name!(cumulative_energy, f64))> {
    threads::start();
    let matrix = matrix_of(&access::tensor(tensor_atom_id));
    let s = threads::cancellable(|cancel| svd::spectrum(&matrix.values, matrix.rows, matrix.columns, cancel))
        .or_raise();
    let energy = svd::cumulative_energy(&s);
    TableIterator::new((1..).zip(s).zip(energy).map(|((i, sigma), energy)| (i, sigma, energy)))
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn reconstruct_tensor(tensor_atom_id: Option<i64>, rank: default!(Option<i32>, "NULL")) -> SqlArray<f32> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    threads::start();
    let tensor = access::tensor(tensor_atom_id);
    let (rows, columns) = sides(&tensor).unwrap_or((1, 1));
    check_fits(rows, columns, MAX_ARRAY_WEIGHTS as u64);
    let wanted = rank.map(|rank| rank_of(rank).min(rows).min(columns));
    // The greatest rank there is, or the least one that has as many singular values as are wanted.
    let statement = "SELECT c.rank, c.u_matrix, c.s_vector, c.vt_matrix FROM atomizer.svd_component c \
         WHERE c.content_hash = $1 AND c.data_type = $3::text::atomizer.tensor_dtype AND c.row_count = $4 \
           AND c.rank >= coalesce($2, 1) \
         ORDER BY CASE WHEN $2 IS NULL THEN -c.rank ELSE c.rank END LIMIT 1";
    let found = owner::read(|reader| {
        let args = [
            tensor.content_hash.as_slice().into(),
            wanted.map(|rank| rank as i32).into(),
            tensor.dtype.name().into(),
            row_count(&tensor).into(),
        ];
        reader
            .rows(statement, &args)
            .map(|row| {
                let rank: i32 = field(&row, 1);
                check_memory(16 * components(rows, columns, rank as usize));
                let part = |ordinal| from_bytes(&field::<Vec<u8>>(&row, ordinal), "a component");
                (rank as usize, part(2), part(3), part(4))
            })
            .next()
    });
    let Some((stored, mut u, mut s, mut vt)) = found else {
        let of = wanted.map_or(String::new(), |rank| format!(" of rank {rank} or more"));
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("tensor \"{}\" has no stored decomposition{of}", tensor.layer_name),
            "CALL atomizer.compress_model(…) stores them; svd_decompose() decomposes any matrix.",
        )
    };
    if let Some(rank) = wanted.filter(|rank| *rank < stored) {
        u = svd::energy::first_columns(&u, stored, rank).or_raise();
        s.truncate(rank);
        vt.truncate(rank * columns);
    }
    SqlArray(reconstruct(&u, &s, &vt, rows, columns))
}
