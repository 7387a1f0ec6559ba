//! Low-rank adapters of the difference between two stored tensors, or two models.

use super::{components, matrix_of, rank_of, values_of};
use crate::access::{self, StoredTensor};
use crate::errors::{OrRaise, Raise, check_memory, raise, require_arg};
use crate::export::make_large_object;
use crate::names::ModelId;
use crate::progress::{self, Subject};
use crate::server_file::{NewFile, WITHOUT_PATH, check_free, check_may_write};
use crate::server_path::ServerPath;
use crate::sql_types::SqlArray;
use crate::{owner, threads};
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::svd::SvdError;
use atomizer_core::svd::lora::{self, Adapter, AdapterModule, Lora, LoraError, adapter_bytes};
use atomizer_core::svd::lora_pairs::{ModelTensor, Pairing, pair_tensors};
use pgrx::prelude::*;
use std::path::{Path, PathBuf};

/// Names that peft looks for in an adapter's directory.
const FILES: [&str; 2] = ["adapter_model.safetensors", "adapter_config.json"];
/// Bytes written to a large object at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Names shown of the tensors that are not part of an adapter.
const MAX_NAMES: usize = 5;

/// Factors of a difference.
fn factor(base: &[f32], tuned: &[f32], rows: usize, columns: usize, rank: usize) -> Result<Lora, LoraError> {
    // The difference, and the factors.
    check_memory(4 * (base.len() as u64 + components(rows, columns, rank.min(rows).min(columns))));
    threads::cancellable(|cancel| lora::extract_lora(base, tuned, rows, columns, rank, cancel))
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, strict, parallel_safe, cost = 1000000)]
fn extract_lora(
    base_tensor: i64,
    tuned_tensor: i64,
    rank: default!(i32, "16"),
) -> TableIterator<
    'static,
    (
        name!(lora_a, SqlArray<f32>),
        name!(lora_b, SqlArray<f32>),
        name!(rank, i32),
        name!(explained_variance, f64),
        name!(relative_error, f64),
    ),
> {
    threads::start();
    let rank = rank_of(rank);
    let (base, tuned) = (access::tensor(base_tensor), access::tensor(tuned_tensor));
    if base.shape != tuned.shape {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "tensor \"{}\" has the shape {:?} but tensor \"{}\" has {:?}",
                base.layer_name, base.shape, tuned.layer_name, tuned.shape
            ),
            "An adapter is the difference of two tensors of one shape.",
        );
    }
    let (base, tuned) = (matrix_of(&base), matrix_of(&tuned));
    let lora = factor(&base.values, &tuned.values, base.rows, base.columns, rank).or_raise();
    let (a, b) = (SqlArray(lora.a), SqlArray(lora.b));
    TableIterator::once((a, b, lora.rank as i32, lora.explained_variance, lora.relative_error))
}

/// Tensors as they are paired.
fn model_tensors(tensors: &[StoredTensor]) -> Vec<ModelTensor<'_>> {
    tensors
        .iter()
        .map(|tensor| ModelTensor {
            name: &tensor.layer_name,
            shape: &tensor.shape,
            dtype: tensor.dtype,
            hash: tensor.content_hash,
        })
        .collect()
}

#[allow(clippy::type_complexity)]
#[pg_extern(volatile, parallel_unsafe, cost = 1000000)]
fn extract_lora_model(
    base_model: Option<ModelId>,
    tuned_model: Option<ModelId>,
    rank: default!(Option<i32>, "16"),
    path: default!(Option<ServerPath>, "NULL"),
    overwrite: default!(Option<bool>, "false"),
) -> TableIterator<
    'static,
    (
        name!(adapter_model, Option<pg_sys::Oid>),
        name!(adapter_config, String),
        name!(modules, i32),
        name!(equal_tensors, i32),
        name!(other_tensors, i32),
    ),
> {
    let base_model = require_arg("base_model", base_model).0;
    let tuned_model = require_arg("tuned_model", tuned_model).0;
    let rank = require_arg("rank", rank);
    let overwrite = require_arg("overwrite", overwrite);
    if path.is_none() {
        owner::check_writable("extract_lora_model() without path", "Or give a path on this server.");
    }
    threads::start();
    let rank = rank_of(rank);
    let targets = path.map(|path| targets(&path, overwrite));
    let (base, tuned) = (access::complete_model(base_model), access::complete_model(tuned_model));
    let (base_tensors, tuned_tensors) = (model_tensors(&base.tensors), model_tensors(&tuned.tensors));
    let Pairing { pairs, mut equal, others } = pair_tensors(&base_tensors, &tuned_tensors);
    tell_others(&others);

    let _scope = progress::function(
        Work::ExtractLora,
        Subject::model(tuned_model),
        Phase::Decomposing,
        Unit::Tensors,
        pairs.len() as u64,
    );
    let (mut modules, mut left_out) = (Vec::new(), 0);
    for (index, pair) in pairs.iter().enumerate() {
        pgrx::check_for_interrupts!();
        progress::set_done(index as u64);
        let tuned = &tuned.tensors[pair.tuned];
        let (base_values, tuned_values) = (values_of(&base.tensors[pair.base]), matrix_of(tuned));
        let made = factor(&base_values, &tuned_values.values, tuned_values.rows, tuned_values.columns, rank);
        let lora = match made {
            Ok(lora) => lora,
            Err(error @ LoraError::Svd(SvdError::NotFinite { .. } | SvdError::TooLarge(_))) => {
                notice!("tensor \"{}\" is left out: {error}", tuned.layer_name);
                left_out += 1;
                continue;
            }
            Err(error) => error.raise(),
        };
        if lora.is_zero() {
            equal += 1;
            continue;
        }
        modules.push(AdapterModule {
            module: pair.module.to_owned(),
            shape: tuned.shape.clone(),
            is_conv1d: pair.is_conv1d,
            lora,
        });
    }
    if modules.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "models \"{}\" and \"{}\" differ in no linear layer or convolution of one name and shape",
                base.model_name, tuned.model_name
            ),
            "",
        );
    }
    let count = modules.len();
    check_memory(adapter_bytes(&modules));
    let adapter = lora::write_adapter(modules, Some(&base.model_name)).or_raise();
    let oid = match targets {
        Some(targets) => {
            write_files(&adapter, &targets, overwrite);
            None
        }
        None => Some(make_large_object(|piece| adapter.model.chunks(PIECE_BYTES).for_each(piece))),
    };
    TableIterator::once((oid, adapter.config, count as i32, equal as i32, left_out + others.len() as i32))
}

/// The files of an adapter in a directory that the caller may write to.
fn targets(directory: &Path, overwrite: bool) -> [PathBuf; 2] {
    check_may_write(directory, WITHOUT_PATH);
    if !directory.is_dir() {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_FILE,
            format!("\"{}\" is not a directory", directory.display()),
            "Give an existing directory on the database server: two files are written to it.",
        );
    }
    let targets = FILES.map(|name| directory.join(name));
    targets.iter().for_each(|target| check_free(target, overwrite));
    targets
}

/// Writes both files; the second one is missing if the first one fails.
fn write_files(adapter: &Adapter, targets: &[PathBuf; 2], overwrite: bool) {
    for (target, bytes) in targets.iter().zip([adapter.model.as_slice(), adapter.config.as_bytes()]) {
        let mut file = NewFile::create(target);
        file.write(bytes);
        file.finish(overwrite);
    }
}

/// Says which tensors differ and cannot be part of an adapter.
fn tell_others(others: &[&str]) {
    if others.is_empty() {
        return;
    }
    let more = if others.len() > MAX_NAMES { ", …" } else { "" };
    notice!(
        "{} tensors differ, or are not in the base model with this shape, and cannot be part of an adapter: {}{more}",
        others.len(),
        others[..others.len().min(MAX_NAMES)].join(", ")
    );
}
