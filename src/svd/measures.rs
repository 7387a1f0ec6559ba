//! The figures that a layer is judged by, from all of its singular values: those that `spectral_measure` holds,
//! or computed.

use super::compress::row_count;
use super::{layer_sides, values_of};
use crate::access::{self, StoredTensor, field};
use crate::errors::Raise;
use crate::names::ModelId;
use crate::progress::{self, Subject};
use crate::{owner, threads};
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::svd::{self, Measures, PowerLaw, SvdError};
use pgrx::prelude::*;

/// Measures a tensor, or says why it has no measures.
pub fn measure(tensor: &StoredTensor) -> Result<Measures, String> {
    let (rows, columns) = layer_sides(tensor)?;
    let values = values_of(tensor);
    let measured = threads::cancellable(|cancel| {
        let s = svd::spectrum(&values, rows, columns, cancel)?;
        Measures::new(&s, rows, columns, cancel)
    });
    measured.map_err(|error| match error {
        SvdError::NotFinite { .. } => error.to_string(),
        error => error.raise(),
    })
}

/// The measures that `spectral_measure` holds for a tensor's content, read as it reads it.
pub fn stored(tensor: &StoredTensor) -> Option<Measures> {
    let statement = "SELECT m.spectral_norm, m.frobenius_norm, m.stable_rank, m.effective_rank, m.rank_loss, m.log_alpha_norm, \
             m.alpha, m.power_law_xmin, m.ks_distance, m.alpha_sigma, m.tail FROM atomizer.spectral_measure m \
         WHERE m.content_hash = $1 AND m.data_type = $2::text::atomizer.tensor_dtype AND m.row_count = $3";
    owner::read(|reader| {
        let args =
            [tensor.content_hash.as_slice().into(), tensor.dtype.name().into(), row_count(tensor).into()];
        let row = reader.rows(statement, &args).next()?;
        let number = |ordinal| row.get::<f64>(ordinal).unwrap_or_else(|error| error!("{error}"));
        Some(Measures {
            spectral_norm: field(&row, 1),
            frobenius_norm: field(&row, 2),
            stable_rank: field(&row, 3),
            effective_rank: field(&row, 4),
            rank_loss: field::<i64>(&row, 5) as usize,
            log_alpha_norm: number(6),
            law: number(7).map(|alpha| PowerLaw {
                alpha,
                xmin: field(&row, 8),
                distance: field(&row, 9),
                sigma: field(&row, 10),
                tail: field::<i64>(&row, 11) as usize,
            }),
        })
    })
}

/// The measures of a tensor with the sides of its matrix, as `find` finds them; a notice says why there are none.
fn sides_and(
    tensor: &StoredTensor,
    find: impl FnOnce(&StoredTensor) -> Result<Measures, String>,
) -> Option<(i64, i64, Measures)> {
    let found =
        layer_sides(tensor).and_then(|(rows, columns)| Ok((rows as i64, columns as i64, find(tensor)?)));
    found.inspect_err(|why| notice!("tensor \"{}\" has no spectral measures: {why}", tensor.layer_name)).ok()
}

/// As [`computed`], or those that are stored.
fn stored_or_computed(tensor: &StoredTensor) -> Option<(i64, i64, Measures)> {
    sides_and(tensor, |tensor| stored(tensor).map_or_else(|| measure(tensor), Ok))
}

/// Computes the measures of a tensor, with the sides of its matrix; a notice says why there are none.
pub fn computed(tensor: &StoredTensor) -> Option<(i64, i64, Measures)> {
    sides_and(tensor, measure)
}

#[allow(clippy::type_complexity)]
#[pg_extern(name = "tensor_spectral_measures", stable, strict, parallel_safe, cost = 1000000)]
fn spectral_measures_of_tensor(
    tensor_atom_id: i64,
) -> TableIterator<
    'static,
    (
        name!(rows, i64),
        name!(cols, i64),
        name!(spectral_norm, f64),
        name!(frobenius_norm, f64),
        name!(stable_rank, f64),
        name!(effective_rank, f64),
        name!(alpha, Option<f64>),
        name!(alpha_sigma, Option<f64>),
        name!(power_law_xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
        name!(alpha_weighted, Option<f64>),
        name!(log_norm, Option<f64>),
        name!(log_spectral_norm, Option<f64>),
        name!(log_alpha_norm, Option<f64>),
        name!(rank_loss, i64),
    ),
> {
    threads::start();
    let found = stored_or_computed(&access::tensor(tensor_atom_id));
    TableIterator::new(found.map(|(rows, columns, m)| {
        (
            rows,
            columns,
            m.spectral_norm,
            m.frobenius_norm,
            m.stable_rank,
            m.effective_rank,
            m.law.map(|law| law.alpha),
            m.law.map(|law| law.sigma),
            m.law.map(|law| law.xmin),
            m.law.map(|law| law.distance),
            m.law.map(|law| law.tail as i64),
            m.law.and_then(|law| svd::alpha_weighted(law.alpha, m.spectral_norm)),
            svd::log_square(m.frobenius_norm),
            svd::log_square(m.spectral_norm),
            m.log_alpha_norm,
            m.rank_loss as i64,
        )
    }))
}

#[allow(clippy::type_complexity)]
#[pg_extern(name = "model_spectral_measures", stable, strict, parallel_safe, cost = 1000000)]
fn spectral_measures_of_model(
    model: ModelId,
    min_parameters: default!(i64, "0"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(layer_name, String),
        name!(rows, i64),
        name!(cols, i64),
        name!(spectral_norm, f64),
        name!(frobenius_norm, f64),
        name!(stable_rank, f64),
        name!(effective_rank, f64),
        name!(alpha, Option<f64>),
        name!(alpha_sigma, Option<f64>),
        name!(power_law_xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
        name!(alpha_weighted, Option<f64>),
        name!(log_norm, Option<f64>),
        name!(log_spectral_norm, Option<f64>),
        name!(log_alpha_norm, Option<f64>),
        name!(rank_loss, i64),
    ),
> {
    threads::start();
    // Vectors, scalars and integers are not layers' matrices: that is nothing to tell about each.
    let mut tensors = access::complete_model(model.0).tensors;
    tensors.retain(|tensor| tensor.weight_count >= min_parameters && layer_sides(tensor).is_ok());
    let scope = progress::function(
        Work::ShowSpectra,
        Subject::model(model.0),
        Phase::Measuring,
        Unit::Tensors,
        tensors.len() as u64,
    );
    TableIterator::new(tensors.into_iter().enumerate().filter_map(move |(index, tensor)| {
        // Shown for as long as there are rows to come.
        let _ = &scope;
        progress::set_done(index as u64);
        let (rows, columns, m) = stored_or_computed(&tensor)?;
        Some((
            tensor.tensor_atom_id,
            tensor.layer_name,
            rows,
            columns,
            m.spectral_norm,
            m.frobenius_norm,
            m.stable_rank,
            m.effective_rank,
            m.law.map(|law| law.alpha),
            m.law.map(|law| law.sigma),
            m.law.map(|law| law.xmin),
            m.law.map(|law| law.distance),
            m.law.map(|law| law.tail as i64),
            m.law.and_then(|law| svd::alpha_weighted(law.alpha, m.spectral_norm)),
            svd::log_square(m.frobenius_norm),
            svd::log_square(m.spectral_norm),
            m.log_alpha_norm,
            m.rank_loss as i64,
        ))
    }))
}
