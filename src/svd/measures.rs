//! The figures that a layer is judged by, from all of its singular values.

use super::{Progress, layer_sides, values_of};
use crate::access::{self, StoredTensor};
use crate::errors::Raise;
use crate::names::ModelId;
use crate::threads;
use atomizer_core::svd::{self, SvdError};
use pgrx::prelude::*;

/// The columns of a layer's measures.
type Measures =
    (i64, i64, f64, f64, f64, f64, Option<f64>, Option<f64>, Option<f64>, Option<f64>, Option<i64>);

/// Measures a tensor, or says why it has no measures.
fn measure(tensor: &StoredTensor) -> Result<Measures, String> {
    let (rows, columns) = layer_sides(tensor)?;
    let values = values_of(tensor);
    let measured = threads::cancellable(|cancel| {
        let s = svd::spectrum(&values, rows, columns, cancel)?;
        let law = svd::power_law(&s, cancel)?;
        Ok((s, law))
    });
    let (s, law) = measured.map_err(|error| match error {
        SvdError::NotFinite { .. } => error.to_string(),
        error => error.raise(),
    })?;
    let (norm, stable) = (svd::spectral_norm(&s), svd::stable_rank(&s));
    Ok((
        rows as i64,
        columns as i64,
        norm,
        norm * stable.sqrt(),
        stable,
        svd::effective_rank(&s),
        law.map(|law| law.alpha),
        law.map(|law| law.sigma),
        law.map(|law| law.xmin),
        law.map(|law| law.distance),
        law.map(|law| law.tail as i64),
    ))
}

/// As [`measure`]; a notice says why there are none.
fn measure_or_tell(tensor: &StoredTensor) -> Option<Measures> {
    measure(tensor)
        .inspect_err(|why| notice!("tensor \"{}\" has no spectral measures: {why}", tensor.layer_name))
        .ok()
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, strict, parallel_safe, cost = 1000000)]
fn tensor_spectral_measures(
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
        name!(xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
    ),
> {
    threads::start();
    TableIterator::new(measure_or_tell(&access::tensor(tensor_atom_id)))
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, strict, parallel_safe, cost = 1000000)]
fn model_spectral_measures(
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
        name!(xmin, Option<f64>),
        name!(ks_distance, Option<f64>),
        name!(tail, Option<i64>),
    ),
> {
    threads::start();
    // Vectors, scalars and integers are not layers' matrices: that is nothing to tell about each.
    let mut tensors = access::complete_model(model.0).tensors;
    tensors.retain(|tensor| tensor.weight_count >= min_parameters && layer_sides(tensor).is_ok());
    let (mut progress, total) = (Progress::new(), tensors.len());
    TableIterator::new(tensors.into_iter().enumerate().filter_map(move |(index, tensor)| {
        progress.tell(|| format!("{index} of {total} matrices measured"));
        let (rows, cols, norm, frobenius, stable, effective, alpha, sigma, xmin, distance, tail) =
            measure_or_tell(&tensor)?;
        let StoredTensor { tensor_atom_id, layer_name, .. } = tensor;
        Some((
            tensor_atom_id,
            layer_name,
            rows,
            cols,
            norm,
            frobenius,
            stable,
            effective,
            alpha,
            sigma,
            xmin,
            distance,
            tail,
        ))
    }))
}
