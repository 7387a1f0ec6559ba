//! Spectral measures of a model's matrices in `spectral_measure`. The procedure `analyze_model` calls the step here
//! in a loop and commits after each.

use super::compress::row_count;
use super::{layer_sides, measures};
use crate::access::{self, StoredTensor};
use crate::errors::require_arg;
use crate::progress::{self, Subject};
use crate::{owner, statistics, threads};
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::svd::Measures;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

/// Time after which a step ends, so that what is computed is committed: a matrix that takes longer is a step alone.
const STEP: Duration = Duration::from_secs(1);

#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "analyze_step", volatile, parallel_unsafe)]
fn _analyze_step(
    model_id: Option<i64>,
    min_parameters: Option<i64>,
    first_tensor: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(next_tensor, Option<i32>),
        name!(measured, i32),
        name!(failed, i32),
        name!(small, i32),
        name!(failure, Option<String>),
    ),
> {
    let model_id = require_arg("model", model_id);
    let min_parameters = require_arg("min_parameters", min_parameters);
    let first = usize::try_from(require_arg("first_tensor", first_tensor)).unwrap_or(0);
    threads::start();
    // Vectors, scalars and integers are no layers' matrices.
    let mut tensors = access::complete_model(model_id).tensors;
    tensors.retain(|tensor| layer_sides(tensor).is_ok());
    let wanted = |tensor: &&StoredTensor| tensor.weight_count >= min_parameters;
    let weights = |tensors: &[StoredTensor]| {
        tensors.iter().filter(wanted).map(|tensor| tensor.weight_count).sum::<i64>() as u64
    };
    let (mut measured, mut failed, mut small, mut failure) = (0, 0, 0, None);
    let (mut next, begun) = (first, Instant::now());
    progress::step(
        Work::Analyze,
        Subject::model(model_id),
        Phase::Measuring,
        Unit::Weights,
        weights(&tensors[..first.min(tensors.len())]),
        weights(&tensors),
    );
    while let Some(tensor) = tensors.get(next).filter(|_| begun.elapsed() < STEP) {
        pgrx::check_for_interrupts!();
        progress::set_done(weights(&tensors[..next]));
        next += 1;
        if !wanted(&tensor) {
            small += 1;
            continue;
        }
        match measures::stored(tensor)
            .map_or_else(|| measures::measure(tensor).map(|m| store(tensor, &m)), |_| Ok(()))
        {
            Ok(()) => measured += 1,
            Err(why) => {
                failed += 1;
                failure.get_or_insert_with(|| format!("tensor \"{}\": {why}", tensor.layer_name));
            }
        }
    }
    let next = (next < tensors.len()).then_some(next as i32);
    if next.is_none() {
        statistics::analyze_unknown(&["spectral_measure"]);
        progress::finish();
    }
    TableIterator::once((next, measured, failed, small, failure))
}

/// Stores measures, unless the content is gone or has them by now.
fn store(tensor: &StoredTensor, measures: &Measures) {
    // The lock keeps collect_garbage() from removing the content, and so its measures, meanwhile.
    let statement = "INSERT INTO atomizer.spectral_measure (content_hash, data_type, row_count, spectral_norm, frobenius_norm, \
             stable_rank, effective_rank, rank_loss, log_alpha_norm, alpha, power_law_xmin, ks_distance, alpha_sigma, tail) \
         SELECT a.content_hash, $2::text::atomizer.tensor_dtype, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
         FROM atomizer.atom a WHERE a.content_hash = $1 AND a.kind = 'tensor' FOR KEY SHARE \
         ON CONFLICT DO NOTHING";
    let law = measures.law;
    owner::run(|client| {
        let args = [
            tensor.content_hash.as_slice().into(),
            tensor.dtype.name().into(),
            row_count(tensor).into(),
            measures.spectral_norm.into(),
            measures.frobenius_norm.into(),
            measures.stable_rank.into(),
            measures.effective_rank.into(),
            (measures.rank_loss as i64).into(),
            measures.log_alpha_norm.into(),
            law.map(|law| law.alpha).into(),
            law.map(|law| law.xmin).into(),
            law.map(|law| law.distance).into(),
            law.map(|law| law.sigma).into(),
            law.map(|law| law.tail as i64).into(),
        ];
        owner::execute(client, statement, &args);
    });
}
