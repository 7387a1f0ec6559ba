//! Functions on quantized bytes: to weights and back, and what is lost on the way.

use crate::access;
use crate::errors::{OrRaise, check_memory, raise};
use crate::reading::MAX_BYTEA;
use crate::sql_types::SqlArray;
use crate::tensors::{MAX_ARRAY_WEIGHTS, for_each_weights};
use atomizer_core::analytics::QuantizationError;
use atomizer_core::dtype::{DTYPES, Dtype};
use atomizer_core::quant::{Int8Rows, QuantizeError, quantize_watched};
use atomizer_core::weights::{self, Weights};
use pgrx::prelude::*;

/// The name by which callers ask for one signed byte a weight and one scale a row.
const INT8: &str = "INT8";

/// The data type of a name, in any case.
fn dtype_of_name(name: &str) -> Dtype {
    Dtype::from_name(&name.to_ascii_uppercase()).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("quantization type \"{name}\" is not known"),
            "SELECT * FROM atomizer.quantization_types() lists them.",
        )
    })
}

/// Decodes bytes of any type that has numbers.
fn decode(weight_data: &[u8], data_type: &str, max: u64) -> Weights {
    let dtype = dtype_of_name(data_type);
    let row = dtype.info();
    let count = weight_data.len() as u64 / u64::from(row.block_bytes) * u64::from(row.block_weights);
    if count > max {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("{count} weights do not fit in one value (at most {max})"),
            "Cut weight_data at whole blocks, or ingest the model and use tensor_weights.",
        );
    }
    // The decoded weights, 8 bytes at most, and the value that is made of them.
    check_memory(12 * count);
    weights::decode(dtype, weight_data).or_raise()
}

/// What `dequantize` does; it takes the type as an enum, in `sql/functions/dequantize.sql`.
#[pg_extern(
    schema = "atomizer_internal",
    name = "dequantize",
    immutable,
    strict,
    parallel_safe,
    cost = 10000
)]
fn _dequantize(weight_data: &[u8], data_type: &str) -> SqlArray<f32> {
    SqlArray(decode(weight_data, data_type, MAX_ARRAY_WEIGHTS as u64).into_f32())
}

/// What `dequantize_bytes` does.
#[pg_extern(
    schema = "atomizer_internal",
    name = "dequantize_bytes",
    immutable,
    strict,
    parallel_safe,
    cost = 10000
)]
fn _dequantize_bytes(weight_data: &[u8], data_type: &str) -> Vec<u8> {
    let weights = decode(weight_data, data_type, MAX_BYTEA / 4).into_f32();
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

/// The weights of an array, none of them null.
pub fn slice_of<'a>(array: &'a Array<f32>) -> &'a [f32] {
    array.as_slice().unwrap_or_else(|_| {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "the array of weights holds a null",
            "A weight is a number; use 0 or 'NaN' where there is none.",
        )
    })
}

/// Quantizes, and ends when the query is cancelled.
fn quantize(dtype: Dtype, weights: &[f32]) -> Result<Vec<u8>, QuantizeError> {
    quantize_watched(dtype, weights, || {
        pgrx::check_for_interrupts!();
    })
}

/// What `quantize` does.
#[pg_extern(schema = "atomizer_internal", name = "quantize", immutable, strict, parallel_safe, cost = 10000)]
fn _quantize(weights: Array<f32>, data_type: &str) -> Vec<u8> {
    let weights = slice_of(&weights);
    check_memory(8 * weights.len() as u64);
    quantize(dtype_of_name(data_type), weights).or_raise()
}

#[pg_extern(immutable, strict, parallel_safe, cost = 10000)]
fn quantize_int8(
    weights: Array<f32>,
    columns: i32,
) -> TableIterator<'static, (name!(codes, Vec<u8>), name!(scales, SqlArray<f32>))> {
    let weights = slice_of(&weights);
    check_memory(8 * weights.len() as u64);
    let rows = Int8Rows::quantize(weights, columns_of(columns)).or_raise();
    let codes = rows.codes().iter().map(|code| *code as u8).collect();
    TableIterator::once((codes, SqlArray(rows.scales().to_vec())))
}

fn columns_of(columns: i32) -> usize {
    usize::try_from(columns).unwrap_or_else(|_| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("a row cannot have {columns} columns"),
            "",
        )
    })
}

#[allow(clippy::type_complexity)]
#[pg_extern(immutable, parallel_safe)]
fn quantization_types() -> TableIterator<
    'static,
    (
        name!(name, &'static str),
        name!(bits_per_weight, f64),
        name!(compression_ratio, f64),
        name!(block_weights, i32),
        name!(block_bytes, i32),
        name!(dequantize, bool),
        name!(quantize, bool),
    ),
> {
    let plain = [Dtype::F32, Dtype::F16, Dtype::BF16];
    let rows = DTYPES.iter().filter(move |row| row.dtype.is_quantized() || plain.contains(&row.dtype));
    TableIterator::new(rows.map(|row| {
        let bits = 8.0 * f64::from(row.block_bytes) / f64::from(row.block_weights);
        (
            row.name,
            bits,
            (3200.0 / bits).round() / 100.0,
            row.block_weights as i32,
            row.block_bytes as i32,
            row.dtype.is_decodable(),
            row.dtype.is_quantizable(),
        )
    }))
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, strict, parallel_safe, cost = 10000)]
fn quantization_error(
    tensor_atom_id: i64,
    quantization_type: &str,
) -> TableIterator<
    'static,
    (
        name!(weight_count, Option<i64>),
        name!(bits_per_weight, Option<f64>),
        name!(rmse, Option<f64>),
        name!(max_error, Option<f64>),
        name!(snr_db, Option<f64>),
        name!(nan_count, Option<i64>),
        name!(inf_count, Option<i64>),
    ),
> {
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let mut error = QuantizationError::default();
    let bits = if quantization_type.eq_ignore_ascii_case(INT8) {
        for_each_weights(&tensor, columns, |weights| {
            let weights = weights.into_f32();
            let rows = Int8Rows::quantize(&weights, columns as usize).or_raise();
            error.add(weights.iter().map(|weight| f64::from(*weight)).zip(rows.decoded().map(f64::from)));
        });
        8.0 + 32.0 / columns as f64
    } else {
        let dtype = dtype_of_name(quantization_type);
        let row = dtype.info();
        let block = u64::from(row.block_weights);
        quantize(dtype, &[]).or_raise(); // whether there is a quantizer
        // ggml cuts each row into blocks: a block that ran over two rows would be another quantization. No error,
        // so that a query over all tensors of a model goes on.
        if !columns.is_multiple_of(block) {
            return TableIterator::once((None, None, None, None, None, None, None));
        }
        for_each_weights(&tensor, block, |weights| {
            let weights = weights.into_f32();
            let smaller = quantize(dtype, &weights).or_raise();
            let back = weights::decode(dtype, &smaller).or_raise().into_f32();
            error.add(weights.iter().map(|weight| f64::from(*weight)).zip(back.into_iter().map(f64::from)));
        });
        8.0 * f64::from(row.block_bytes) / f64::from(row.block_weights)
    };
    TableIterator::once((
        Some(error.count as i64),
        Some(bits),
        error.rmse(),
        (error.finite_count() > 0).then_some(error.max_error),
        error.snr_db(),
        Some(error.nan_count as i64),
        Some(error.inf_count as i64),
    ))
}
