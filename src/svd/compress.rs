//! Decompositions of a model's tensors in `svd_component`. The procedure `compress_model` calls the step
//! here in a loop and commits after each.

use super::{components, decompose, from_bytes, layer_sides, rank_of, to_bytes, values_of};
use crate::access::{self, StoredTensor, field};
use crate::errors::{Raise, raise, require_arg};
use crate::progress::{self, Subject};
use crate::reading::MAX_BYTEA;
use crate::{owner, statistics, threads};
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::svd::energy::{decompose_to_energy, is_least_rank};
use atomizer_core::svd::{self, Svd, SvdError};
use pgrx::prelude::*;
use std::collections::HashSet;

/// Rank of a decomposition when neither a rank nor an energy is asked for.
const DEFAULT_RANK: usize = 64;

/// Share of the sum of squares above which nothing but rounding is left: that of a relative error of 10⁻⁵.
const WHOLE: f64 = 1.0 - 1e-10;

/// Share of the sum of squares below which a decomposition is a poor stand-in for the matrix, and said to be one: at
/// this one the relative error is 0.32.
const LOW_ENERGY: f64 = 0.9;

/// What is asked for.
#[derive(Clone, Copy)]
enum Target {
    Rank(usize),
    /// The least rank that explains this share of the sum of squares.
    Energy(f64),
}

impl Target {
    fn from_args(rank: Option<i32>, energy: Option<f64>) -> Self {
        match (rank, energy) {
            (None, None) => Self::Rank(DEFAULT_RANK),
            (Some(rank), None) => Self::Rank(rank_of(rank)),
            (None, Some(energy)) if energy > 0.0 && energy <= 1.0 => Self::Energy(energy.min(WHOLE)),
            (None, Some(energy)) => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("target_energy must be above 0 and at most 1, not {energy}"),
                "It is a share of the sum of squares: 0.9 keeps nine tenths.",
            ),
            (Some(rank), Some(energy)) => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("rank and target_energy are both given, {rank} and {energy}"),
                "Give one of them.",
            ),
        }
    }
}

/// What became of a tensor.
enum Outcome {
    /// It has a decomposition, of this step or stored before: which of them would tell what other tenants hold.
    Decomposed(Kept),
    /// The decomposition would not be smaller.
    NotSmaller,
    /// It can't be decomposed, for this reason.
    Failed(String),
}

/// A stored decomposition.
struct Kept {
    rank: usize,
    /// Share of the sum of squares.
    energy: f64,
    is_new: bool,
}

/// The columns of a step: what became of the tensors that it looked at.
#[derive(Default)]
struct Step {
    decomposed: i32,
    not_smaller: i32,
    failed: i32,
    small: i32,
    failure: Option<String>,
    energy_sum: f64,
    least_energy: Option<f64>,
    least_tensor: Option<String>,
    low: i32,
    component_bytes: i64,
    stored_bytes: i64,
}

impl Step {
    /// Counts a decomposition; its bytes, unless an equal tensor has been counted.
    fn count(&mut self, tensor: &StoredTensor, kept: &Kept, is_first: bool) {
        self.decomposed += 1;
        self.energy_sum += kept.energy;
        self.low += i32::from(kept.energy < LOW_ENERGY);
        if self.least_energy.is_none_or(|least| kept.energy < least) {
            self.least_energy = Some(kept.energy);
            self.least_tensor = Some(tensor.layer_name.clone());
        }
        if is_first && let Ok((rows, columns)) = layer_sides(tensor) {
            self.component_bytes += 4 * components(rows, columns, kept.rank) as i64;
            self.stored_bytes += stored_bytes(tensor);
        }
    }
}

#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "compress_step", volatile, parallel_unsafe)]
pub fn compress_step(
    model_id: Option<i64>,
    rank: Option<i32>,
    target_energy: Option<f64>,
    min_parameters: Option<i64>,
    first_tensor: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(next_tensor, Option<i32>),
        name!(decomposed, i32),
        name!(not_smaller, i32),
        name!(failed, i32),
        name!(small, i32),
        name!(failure, Option<String>),
        name!(energy_sum, f64),
        name!(least_energy, Option<f64>),
        name!(least_tensor, Option<String>),
        name!(low, i32),
        name!(component_bytes, i64),
        name!(stored_bytes, i64),
    ),
> {
    let model_id = require_arg("model", model_id);
    let min_parameters = require_arg("min_parameters", min_parameters);
    let first_tensor = require_arg("first_tensor", first_tensor);
    threads::start();
    let target = Target::from_args(rank, target_energy);
    let tensors = access::complete_model(model_id).tensors;
    let key = |tensor: &StoredTensor| (tensor.content_hash, tensor.dtype, row_count(tensor));
    let first = usize::try_from(first_tensor).unwrap_or(0).min(tensors.len());
    let wanted = |tensors: &[StoredTensor]| -> u64 {
        tensors.iter().map(|tensor| tensor.weight_count).filter(|count| *count >= min_parameters).sum::<i64>()
            as u64
    };
    let mut seen: HashSet<_> = tensors[..first].iter().map(key).collect();
    let (mut step, mut next) = (Step::default(), first);
    progress::step(
        Work::Compress,
        Subject::model(model_id),
        Phase::Decomposing,
        Unit::Weights,
        wanted(&tensors[..first]),
        wanted(&tensors),
    );
    while let Some(tensor) = tensors.get(next) {
        pgrx::check_for_interrupts!();
        progress::set_done(wanted(&tensors[..next]));
        next += 1;
        let is_first = seen.insert(key(tensor));
        if tensor.weight_count < min_parameters {
            step.small += 1;
            continue;
        }
        match compress(tensor, target) {
            Outcome::Decomposed(kept) => {
                step.count(tensor, &kept, is_first);
                if kept.is_new {
                    break;
                }
            }
            Outcome::NotSmaller => step.not_smaller += 1,
            Outcome::Failed(why) => {
                step.failed += 1;
                step.failure.get_or_insert_with(|| format!("tensor \"{}\": {why}", tensor.layer_name));
            }
        }
    }
    let next = (next < tensors.len()).then_some(next as i32);
    if next.is_none() {
        statistics::analyze_unknown(&["svd_component"]);
        progress::finish();
    }
    TableIterator::once((
        next,
        step.decomposed,
        step.not_smaller,
        step.failed,
        step.small,
        step.failure,
        step.energy_sum,
        step.least_energy,
        step.least_tensor,
        step.low,
        step.component_bytes,
        step.stored_bytes,
    ))
}

/// Bytes of a tensor's encoded segments.
fn stored_bytes(tensor: &StoredTensor) -> i64 {
    let statement =
        "SELECT sum(length(s.payload))::bigint FROM atomizer.tensor_segment s WHERE s.content_hash = $1";
    owner::read_value(statement, &[tensor.content_hash.as_slice().into()]).unwrap_or(0)
}

/// Decomposes a tensor and stores the components, unless they are there or would not be smaller.
fn compress(tensor: &StoredTensor, target: Target) -> Outcome {
    let (rows, columns) = match layer_sides(tensor) {
        Ok(sides) => sides,
        Err(why) => return Outcome::Failed(why),
    };
    let max_rank = rows.min(columns);
    let pays = |rank| svd::pays(rows, columns, rank, tensor.byte_length as u64, MAX_BYTEA);
    if let Target::Rank(rank) = target
        && !pays(rank.min(max_rank))
    {
        return Outcome::NotSmaller;
    }
    if let Some((rank, energy)) = stored(tensor, target, max_rank) {
        return Outcome::Decomposed(Kept { rank, energy, is_new: false });
    }
    let values = values_of(tensor);
    let spectrum = || threads::cancellable(|cancel| svd::spectrum(&values, rows, columns, cancel));
    let made = match target {
        Target::Rank(rank) => decompose(&values, rows, columns, rank),
        Target::Energy(energy) => match spectrum().map(|s| svd::rank_for_energy(&s, energy)) {
            Ok(rank) if !pays(rank) => return Outcome::NotSmaller,
            Ok(rank) => {
                decompose_to_energy(energy, rank, max_rank, |rank| decompose(&values, rows, columns, rank))
            }
            Err(error) => Err(error),
        },
    };
    drop(values);
    let svd = match made {
        Ok(svd) => svd,
        // A tensor with NaN stays as it is.
        Err(error @ (SvdError::NotFinite { .. } | SvdError::TooLarge(_))) => {
            return Outcome::Failed(error.to_string());
        }
        Err(error) => error.raise(),
    };
    if !pays(svd.rank) {
        return Outcome::NotSmaller;
    }
    store(tensor, &svd);
    Outcome::Decomposed(Kept { rank: svd.rank, energy: svd.explained_variance, is_new: true })
}

/// What is asked for, where the table has it: rank, and share of the sum of squares.
fn stored(tensor: &StoredTensor, target: Target, max_rank: usize) -> Option<(usize, f64)> {
    let statement = "SELECT c.rank, c.explained_variance, c.s_vector \
         FROM atomizer.svd_component c WHERE c.content_hash = $1 \
           AND c.data_type = $5::text::atomizer.tensor_dtype AND c.row_count = $6 \
           AND CASE WHEN $2 IS NULL THEN c.explained_variance >= $3 OR c.rank = $4 ELSE c.rank = least($2, $4) END \
         ORDER BY c.rank LIMIT 1";
    let (rank, energy) = match target {
        Target::Rank(rank) => (Some(rank as i32), None),
        Target::Energy(energy) => (None, Some(energy)),
    };
    // What this step has stored for an equal content counts, too: no plain read sees it.
    owner::run(|client| {
        let args = [
            tensor.content_hash.as_slice().into(),
            rank.into(),
            energy.into(),
            (max_rank as i32).into(),
            tensor.dtype.name().into(),
            row_count(tensor).into(),
        ];
        let row = owner::execute(client, statement, &args).next()?;
        let explained = field(&row, 2);
        let wanted = energy.is_none_or(|energy| {
            is_least_rank(explained, &from_bytes(&field::<Vec<u8>>(&row, 3), "s_vector"), energy)
        });
        wanted.then(|| (field::<i32>(&row, 1) as usize, explained))
    })
}

/// The column of this name in `tensor_atom`.
pub fn row_count(tensor: &StoredTensor) -> i64 {
    tensor.shape.first().map_or(1, |rows| *rows as i64)
}

/// Stores components.
fn store(tensor: &StoredTensor, svd: &Svd) {
    let (u, s, vt) = (to_bytes(&svd.u), to_bytes(&svd.s), to_bytes(&svd.vt));
    let ratio = tensor.byte_length as f64 / (u.len() + s.len() + vt.len()) as f64;
    // The lock keeps collect_garbage() from removing the content, and so the components, meanwhile. A
    // content that is gone already gets none.
    let statement = "INSERT INTO atomizer.svd_component (content_hash, data_type, row_count, rank, u_matrix, s_vector, vt_matrix, \
             compression_ratio, explained_variance, relative_error) \
         SELECT a.content_hash, $9::text::atomizer.tensor_dtype, $10, $2, $3, $4, $5, $6, $7, $8 FROM atomizer.atom a \
         WHERE a.content_hash = $1 AND a.kind = 'tensor' FOR KEY SHARE \
         ON CONFLICT DO NOTHING";
    owner::run(|client| {
        owner::execute(
            client,
            statement,
            &[
                tensor.content_hash.as_slice().into(),
                (svd.rank as i32).into(),
                u.as_slice().into(),
                s.as_slice().into(),
                vt.as_slice().into(),
                ratio.into(),
                svd.explained_variance.into(),
                svd.relative_error.into(),
                tensor.dtype.name().into(),
                row_count(tensor).into(),
            ],
        );
    });
}
