//! Vectors as points.

use super::geometry::PointZ;
use crate::errors::{OrRaise, Raise, raise};
use atomizer_core::projection::{Projection, ProjectionError, trilaterate};
use pgrx::prelude::*;

impl Raise for ProjectionError {
    fn raise(self) -> ! {
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), "")
    }
}

fn project(vector: &[f32], method: &str, seed: i64) -> PointZ {
    let projection = Projection::cached(seed as u64, vector.len()).or_raise();
    PointZ(match method.to_ascii_lowercase().as_str() {
        "landmark" => projection.place(vector).or_raise(),
        "trilateration" => trilaterate(projection.distances(vector).or_raise()).or_raise(),
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no method \"{method}\""),
            "landmark and trilateration are methods.",
        ),
    })
}

#[pg_extern(immutable, parallel_safe, name = "project_to_3d", cost = 100)]
fn project_array(
    vector: Array<f32>,
    method: default!(&str, "'landmark'"),
    seed: default!(i64, "42"),
) -> PointZ {
    let Ok(vector) = vector.as_slice() else {
        raise(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a component of the vector is null", "");
    };
    project(vector, method, seed)
}

#[pg_extern(immutable, parallel_safe, name = "project_to_3d", cost = 100)]
fn project_bytes(vector: &[u8], method: default!(&str, "'landmark'"), seed: default!(i64, "42")) -> PointZ {
    let (words, rest) = vector.as_chunks::<4>();
    if !rest.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{} bytes are not a whole number of components of 4 bytes", vector.len()),
            "A vector as bytea is its components as 32-bit floats, little-endian, one after the other.",
        );
    }
    let vector: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    project(&vector, method, seed)
}
