//! Decompositions of a model's tensors in `svd_component`. The procedure `compress_model` calls the step
//! here in a loop and commits after each.

use super::{components, decompose, from_bytes, layer_sides, rank_of, to_bytes, values_of};
use crate::access::{self, StoredTensor, field};
use crate::errors::{Raise, raise, require_arg};
use crate::progress::{self, Subject};
use crate::reading::MAX_BYTEA;
use crate::{owner, threads};
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::svd::energy::{decompose_to_energy, is_least_rank};
use atomizer_core::svd::{self, Svd, SvdError};
use pgrx::prelude::*;

/// Rank of a decomposition when neither a rank nor an energy is asked for.
const DEFAULT_RANK: usize = 64;

/// Share of the sum of squares above which nothing but rounding is left: that of a relative error of 10⁻⁵.
const WHOLE: f64 = 1.0 - 1e-10;

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
    Stored,
    /// What is asked for is stored already.
    There,
    Skipped(String),
}

#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "compress_step", volatile, parallel_unsafe)]
fn _compress_step(
    model_id: Option<i64>,
    rank: Option<i32>,
    target_energy: Option<f64>,
    min_parameters: Option<i64>,
    first_tensor: Option<i32>,
) -> TableIterator<
    'static,
    (name!(next_tensor, Option<i32>), name!(decomposed, i32), name!(skipped, i32), name!(small, i32)),
> {
    let model_id = require_arg("model", model_id);
    let min_parameters = require_arg("min_parameters", min_parameters);
    let first_tensor = require_arg("first_tensor", first_tensor);
    threads::start();
    let target = Target::from_args(rank, target_energy);
    let tensors = access::complete_model(model_id).tensors;
    let (mut decomposed, mut skipped, mut small) = (0, 0, 0);
    let first = usize::try_from(first_tensor).unwrap_or(0);
    let weights = |tensors: &[StoredTensor]| -> u64 {
        tensors.iter().map(|tensor| tensor.weight_count).filter(|count| *count >= min_parameters).sum::<i64>()
            as u64
    };
    progress::step(
        Work::Compress,
        Subject::model(model_id),
        Phase::Decomposing,
        Unit::Weights,
        weights(&tensors[..first.min(tensors.len())]),
        weights(&tensors),
    );
    for (index, tensor) in tensors.iter().enumerate().skip(first) {
        pgrx::check_for_interrupts!();
        progress::set_done(weights(&tensors[..index]));
        if tensor.weight_count < min_parameters {
            small += 1;
            continue;
        }
        match compress(tensor, target) {
            Outcome::Stored => {
                return TableIterator::once((Some(index as i32 + 1), decomposed + 1, skipped, small));
            }
            Outcome::There => decomposed += 1,
            Outcome::Skipped(why) => {
                notice!("tensor \"{}\" is left as it is: {why}", tensor.layer_name);
                skipped += 1;
            }
        }
    }
    progress::finish();
    TableIterator::once((None, decomposed, skipped, small))
}

/// Decomposes a tensor and stores the components, unless they are there or would not be smaller.
fn compress(tensor: &StoredTensor, target: Target) -> Outcome {
    let (rows, columns) = match layer_sides(tensor) {
        Ok(sides) => sides,
        Err(why) => return Outcome::Skipped(why),
    };
    let max_rank = rows.min(columns);
    let too_large = |rank| why_not_smaller(tensor, rows, columns, rank);
    if let Target::Rank(rank) = target
        && let Some(why) = too_large(rank.min(max_rank))
    {
        return Outcome::Skipped(why);
    }
    if let Some((rank, ratio, explained)) = stored(tensor, target, max_rank) {
        tell(tensor, rows, columns, rank, ratio, explained);
        return Outcome::There;
    }
    let values = values_of(tensor);
    let spectrum = || threads::cancellable(|cancel| svd::spectrum(&values, rows, columns, cancel));
    let made = match target {
        Target::Rank(rank) => decompose(&values, rows, columns, rank),
        Target::Energy(energy) => match spectrum().map(|s| svd::rank_for_energy(&s, energy)) {
            Ok(rank) => match too_large(rank) {
                Some(why) => return Outcome::Skipped(why),
                None => decompose_to_energy(energy, rank, max_rank, |rank| {
                    decompose(&values, rows, columns, rank)
                }),
            },
            Err(error) => Err(error),
        },
    };
    drop(values);
    let svd = match made {
        Ok(svd) => svd,
        // A tensor with NaN stays as it is.
        Err(error @ (SvdError::NotFinite { .. } | SvdError::TooLarge(_))) => {
            return Outcome::Skipped(error.to_string());
        }
        Err(error) => error.raise(),
    };
    if let Some(why) = too_large(svd.rank) {
        return Outcome::Skipped(why);
    }
    let ratio = store(tensor, &svd);
    tell(tensor, rows, columns, svd.rank, ratio, svd.explained_variance);
    Outcome::Stored
}

/// Tells of a decomposition, new or not: which of them are would tell what other tenants hold.
fn tell(tensor: &StoredTensor, rows: usize, columns: usize, rank: usize, ratio: f64, explained: f64) {
    notice!(
        "tensor \"{}\" ({rows} x {columns}): rank {rank}, {ratio:.1} times smaller, explained variance {explained:.4}",
        tensor.layer_name
    );
}

/// Bytes of the components against those of the tensor, or of what a column can hold.
fn why_not_smaller(tensor: &StoredTensor, rows: usize, columns: usize, rank: usize) -> Option<String> {
    let (bytes, whole) = (components(rows, columns, rank).saturating_mul(4), tensor.byte_length as u64);
    if bytes >= whole {
        return Some(format!("rank {rank} of {rows} x {columns} takes {bytes} bytes, it has {whole}"));
    }
    let longest = (rows.max(columns) as u64).saturating_mul(rank as u64).saturating_mul(4);
    (longest > MAX_BYTEA)
        .then(|| format!("a component of rank {rank} takes {longest} bytes, more than a bytea holds"))
}

/// What is asked for, where the table has it: rank, how many times smaller, explained variance.
fn stored(tensor: &StoredTensor, target: Target, max_rank: usize) -> Option<(usize, f64, f64)> {
    let statement = "SELECT c.rank, c.compression_ratio, c.explained_variance, c.s_vector \
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
        let explained = field(&row, 3);
        let wanted = energy.is_none_or(|energy| {
            is_least_rank(explained, &from_bytes(&field::<Vec<u8>>(&row, 4), "s_vector"), energy)
        });
        wanted.then(|| (field::<i32>(&row, 1) as usize, field(&row, 2), explained))
    })
}

/// The column of this name in `tensor_atom`.
pub fn row_count(tensor: &StoredTensor) -> i64 {
    tensor.shape.first().map_or(1, |rows| *rows as i64)
}

/// Stores components; returns how many times smaller they are.
fn store(tensor: &StoredTensor, svd: &Svd) -> f64 {
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
    ratio
}
