//! Tensors and rows of matrices that are alike: candidates from an index, then exact distances of the
//! real vectors, of which only the candidates' segments are read.

use super::near::{self, Candidate, Strategy};
use crate::access;
use crate::errors::{OrRaise, Raise, raise, require_arg};
use crate::{store, tensors};
use atomizer_core::analytics::{CompareError, DimensionError, Metric, Query, nearest_rows, nearest_tensors};
use atomizer_core::hash::Hash;
use atomizer_core::rows::{MIN_WIDTH, RowLayout, StoredRow};
use pgrx::prelude::*;

impl Raise for DimensionError {
    fn raise(self) -> ! {
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), "")
    }
}

impl Raise for CompareError {
    fn raise(self) -> ! {
        match self {
            Self::Dimension(error) => error.raise(),
            Self::Decode(error) => error.raise(),
        }
    }
}

fn metric_of(name: &str) -> Metric {
    Metric::from_name(name).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no metric \"{name}\""),
            "cosine and euclidean are metrics.",
        )
    })
}

/// The columns of a row or tensor that is similar.
pub type Similar = (i64, i64, String, i64, f64);

#[allow(clippy::type_complexity, clippy::too_many_arguments)]
// k is a bigint: as an integer it would match the row of a call by names better than the overload for these does.
#[pg_extern(stable, parallel_safe, name = "similar_rows", cost = 10000)]
fn similar_rows_by(
    tensor_atom_id: Option<i64>,
    row_no: Option<i64>,
    k: default!(Option<i64>, "10"),
    candidates: default!(Option<i32>, "10000"),
    metric: default!(Option<&str>, "'cosine'"),
    strategy: default!(Option<&str>, "'RTree'"),
    within_tensor: default!(Option<i64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(distance, f64),
    ),
> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let row_no = require_arg("row_no", row_no);
    let k = require_arg("k", k);
    let candidates = require_arg("candidates", candidates);
    let metric = require_arg("metric", metric);
    let strategy = Strategy::from_name(require_arg("strategy", strategy));
    let rows = rows_like(tensor_atom_id, row_no, k, candidates, metric, strategy, within_tensor);
    TableIterator::new(rows)
}

/// The `k` rows of the caller's that are most like a row, nearest first.
pub fn rows_like(
    tensor_atom_id: i64,
    row_no: i64,
    k: i64,
    candidates: i32,
    metric: &str,
    strategy: Strategy,
    within_tensor: Option<i64>,
) -> impl Iterator<Item = Similar> + 'static {
    crate::threads::start();
    let k = near::check_count("k", k);
    let candidates = near::check_count("candidates", candidates);
    let metric = metric_of(metric);
    let tensor = access::tensor(tensor_atom_id);
    tensors::check_decodable(&tensor);
    let layout = RowLayout::for_tensor(&tensor.shape, tensor.dtype);
    let Some(RowLayout { width, .. }) = layout.filter(|layout| (0..layout.rows as i64).contains(&row_no))
    else {
        let rows = layout.map_or("none".into(), |layout| layout.rows.to_string());
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("row {row_no} is not one of tensor \"{}\", which has {rows}", tensor.layer_name),
            &format!(
                "Rows run along the last axis of tensors of two axes and more, and are counted from 0. They have at least {MIN_WIDTH} weights, none of them integers."
            ),
        );
    };
    let point = near::place_of(&tensor, row_no);
    let vector = tensors::read_weights(&tensor, row_no as u64 * width, width).into_f32();
    let mut found = near::rows(point, width, within_tensor, candidates, strategy);
    found.retain(|candidate| candidate.key() != (tensor_atom_id, row_no));
    let rows: Vec<_> = found
        .iter()
        .map(|candidate| {
            let row = StoredRow {
                hash: candidate.content_hash,
                byte_length: candidate.byte_length as u64,
                dtype: candidate.dtype,
                row_no: candidate.row_no as u64,
            };
            (candidate.key(), row)
        })
        .collect();
    let read = |hash: &Hash, range| {
        pgrx::check_for_interrupts!();
        store::read_range(hash, range)
    };
    let nearest = nearest_rows(&Query::new(metric, vector), width, k as usize, &rows, read).or_raise();
    similar(nearest, found)
}

/// Columns of what is nearest.
fn similar(nearest: Vec<(f64, usize)>, mut found: Vec<Candidate>) -> impl Iterator<Item = Similar> + 'static {
    nearest.into_iter().map(move |(distance, index)| {
        let name = std::mem::take(&mut found[index].layer_name);
        let Candidate { tensor_atom_id, model_id, row_no, .. } = found[index];
        (tensor_atom_id, model_id, name, row_no, distance)
    })
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, cost = 10000)]
fn similar_tensors(
    tensor_atom_id: i64,
    k: default!(i32, "10"),
    candidates: default!(i32, "100"),
    metric: default!(&str, "'cosine'"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(distance, f64),
    ),
> {
    crate::threads::start();
    let k = near::check_count("k", k);
    let candidates = near::check_count("candidates", candidates);
    let metric = metric_of(metric);
    let tensor = access::tensor(tensor_atom_id);
    tensors::check_decodable(&tensor);
    // One more: the tensor itself is among them.
    let mut found = near::tensors(&tensor, candidates + 1);
    found.retain(|candidate| candidate.tensor_atom_id != tensor_atom_id);
    found.truncate(candidates as usize);

    let others: Vec<_> = found.iter().map(|found| (found.key(), found.content_hash, found.dtype)).collect();
    let nearest = nearest_tensors(
        metric,
        tensor.weight_count as u64,
        k as usize,
        &others,
        |from, count| tensors::read_weights(&tensor, from, count).into_f32(),
        |hash, dtype, from, count| {
            pgrx::check_for_interrupts!();
            tensors::read_weights_of(hash, dtype, from, count).into_f32()
        },
    );
    TableIterator::new(similar(nearest.or_raise(), found))
}
