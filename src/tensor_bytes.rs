//! The bytes of stored tensors, for programs: as they are in the file, or decoded to f32. They are written to the value
//! that is returned, by all threads, and copied nowhere.

use crate::access;
use crate::errors::{raise, require_arg};
use crate::reading::MAX_BYTEA;
use crate::sql_types::Bytea;
use crate::store;
use crate::tensors::{check_decodable, clip_range};
use atomizer_core::dtype::Dtype;
use pgrx::prelude::*;

/// Raises an error if a value of so many units of so many bytes is impossible.
fn check_fits(count: u64, unit: &str, unit_bytes: u64) {
    let max = MAX_BYTEA / unit_bytes;
    if count > max {
        raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("{count} {unit} do not fit in one bytea (at most {max})"),
            "Ask for one range after the other: the arguments first and count.",
        );
    }
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn tensor_bytes(
    tensor_atom_id: Option<i64>,
    first: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> Bytea {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let first = require_arg("first", first);
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    let (first, count) = clip_range(&tensor, "bytes", tensor.byte_length, first, count);
    check_fits(count, "bytes", 1);
    Bytea::filled(count as usize, |out| store::read_range_to(&tensor.content_hash, first, out))
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn tensor_float32_bytes(
    tensor_atom_id: Option<i64>,
    first: default!(Option<i64>, "0"),
    count: default!(Option<i64>, "NULL"),
) -> Bytea {
    const WIDTH: u64 = size_of::<f32>() as u64;
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let first = require_arg("first", first);
    crate::threads::start();
    let tensor = access::tensor(tensor_atom_id);
    check_decodable(&tensor);
    let (first, count) = clip_range(&tensor, "weights", tensor.weight_count, first, count);
    check_fits(count, "weights", WIDTH);
    Bytea::filled((count * WIDTH) as usize, |out| match tensor.dtype {
        // They are what is stored.
        Dtype::F32 => store::read_range_to(&tensor.content_hash, first * WIDTH, out),
        dtype => {
            let weights = bytemuck::cast_slice_mut(out);
            store::read_f32_to(&tensor.content_hash, dtype, first, weights);
            to_little_endian(weights);
        }
    })
}

/// Turns the bytes of each weight round where the machine has them in the other order.
fn to_little_endian(weights: &mut [f32]) {
    if cfg!(target_endian = "big") {
        weights.iter_mut().for_each(|weight| *weight = f32::from_bits(weight.to_bits().to_le()));
    }
}
