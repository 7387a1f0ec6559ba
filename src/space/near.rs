//! What lies near a point or in a box. The statements are functions in `sql/internal/`,
//! which Postgres inlines: `EXPLAIN` of them shows an administrator the index that is used.

use super::curves::default_grid;
use super::geometry::{Box3d, Point, PointZ};
use super::spatialize::{Granularity, WHOLE};
use crate::access::{self, StoredTensor, field, hash, name};
use crate::errors::{OrRaise, raise};
use crate::sql_types::own_type;
use crate::{membership, owner};
use atomizer_core::curve::{Curve, CurveError};
use atomizer_core::dtype::Dtype;
use atomizer_core::hash::Hash;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::DatumWithOid;
use pgrx::enum_helper::lookup_enum_by_oid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;

/// Most rows that are asked for, and most candidates: they are held in memory, 200 bytes each.
const MAX_COUNT: i64 = 10_000_000;

/// The index a query goes through.
#[derive(Clone, Copy, PartialEq)]
pub enum Strategy {
    /// GiST on the geometry.
    RTree,
    /// btree on the Hilbert value.
    Hilbert3D,
}

own_type!(Strategy, "atomizer.spatial_index_strategy");

impl Strategy {
    /// By its name in SQL, in any case.
    pub fn from_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "rtree" => Self::RTree,
            "hilbert3d" => Self::Hilbert3D,
            _ => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("there is no index for the strategy \"{name}\""),
                "RTree and Hilbert3D have one.",
            ),
        }
    }
}

impl FromDatum for Strategy {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: an enum's datum is the oid of its label.
        let label = unsafe { pg_sys::Oid::from_polymorphic_datum(datum, is_null, oid) }?;
        let (name, ..) = lookup_enum_by_oid(label);
        Some(Self::from_name(&name))
    }
}

// SAFETY: the datum is a label of the enum, which the implementation of FromDatum reads.
unsafe impl<'fcx> ArgAbi<'fcx> for Strategy {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as above; a strict function is not called with null.
        unsafe { arg.unbox_arg_using_from_datum().expect("the argument is not null") }
    }
}

/// A number of rows that can be asked for.
pub fn check_count(name: &str, count: impl Into<i64>) -> i64 {
    let count = count.into();
    if !(1..=MAX_COUNT).contains(&count) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} must be 1 to {MAX_COUNT}, but is {count}"),
            "",
        );
    }
    count
}

/// A tensor or row that may be similar to another.
pub struct Candidate {
    pub tensor_atom_id: i64,
    pub model_id: i64,
    pub layer_name: String,
    /// Which row, or [`WHOLE`].
    pub row_no: i64,
    pub dtype: Dtype,
    pub byte_length: i64,
    pub content_hash: Hash,
}

impl Candidate {
    /// What comes first of candidates that are equally near.
    pub fn key(&self) -> (i64, i64) {
        (self.tensor_atom_id, self.row_no)
    }
}

fn candidates(statement: &str, args: &[DatumWithOid]) -> Vec<Candidate> {
    owner::read(|reader| {
        reader
            .rows(statement, args)
            .map(|row| {
                let data_type: String = field(&row, 5);
                Candidate {
                    tensor_atom_id: field(&row, 1),
                    model_id: field(&row, 2),
                    layer_name: name(&row, 3),
                    row_no: field(&row, 4),
                    dtype: access::dtype(&data_type),
                    byte_length: field(&row, 6),
                    content_hash: hash(&row, 7),
                }
            })
            .collect()
    })
}

/// Rows of so many weights near a point, of the caller's tenants.
pub fn rows(
    point: [f64; 3],
    width: u64,
    within_tensor: Option<i64>,
    count: i64,
    strategy: Strategy,
) -> Vec<Candidate> {
    let tenants = membership::my_tenant_ids();
    let columns =
        "SELECT tensor_atom_id, model_id, layer_name, row_no, data_type, byte_length, content_hash FROM";
    match strategy {
        Strategy::RTree => candidates(
            &format!("{columns} atomizer_internal.near_rows($1, $2, $3, $4, $5)"),
            &[
                tenants.into(),
                point.to_vec().into(),
                (width as i64).into(),
                within_tensor.into(),
                count.into(),
            ],
        ),
        Strategy::Hilbert3D => {
            let grid = default_grid();
            let value = grid.index(Curve::Hilbert, point).or_raise() as i64;
            candidates(
                &format!("{columns} atomizer_internal.near_rows_hilbert($1, $2, $3, $4, $5)"),
                &[tenants.into(), value.into(), (width as i64).into(), within_tensor.into(), count.into()],
            )
        }
    }
}

/// Tensors of as many weights near a tensor, of the caller's tenants.
pub fn tensors(tensor: &StoredTensor, count: i64) -> Vec<Candidate> {
    let tenants = membership::my_tenant_ids();
    let point = place_of(tensor, WHOLE);
    candidates(
        "SELECT tensor_atom_id, model_id, layer_name, row_no, data_type, byte_length, content_hash \
         FROM atomizer_internal.near_tensors($1, $2, $3, $4)",
        &[tenants.into(), point.to_vec().into(), tensor.weight_count.into(), count.into()],
    )
}

/// The stored point of a tensor or of one of its rows.
pub fn place_of(tensor: &StoredTensor, row_no: i64) -> [f64; 3] {
    let statement = "SELECT x, y, z FROM atomizer_internal.place_of($1, $2)";
    let found = owner::read(|reader| {
        let args = [tensor.tensor_atom_id.into(), row_no.into()];
        reader.rows(statement, &args).map(|row| [field(&row, 1), field(&row, 2), field(&row, 3)]).next()
    });
    found.unwrap_or_else(|| {
        let granularity = if row_no == WHOLE { "tensor" } else { "row" };
        let what = if row_no == WHOLE { String::new() } else { format!("row {row_no} of ") };
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{what}tensor \"{}\" has no point in space", tensor.layer_name),
            &format!(
                "CALL spatialize_model('model', granularity => '{granularity}') places what can be decoded and is finite."
            ),
        )
    })
}

/// The columns of an atom in space, its distance from where was asked, if anywhere.
type Found = (i64, i64, String, i64, PointZ, Option<f64>);

fn found(row: &SpiHeapTupleData) -> Found {
    let point = PointZ([field(row, 5), field(row, 6), field(row, 7)]);
    let distance = row.get(8).unwrap_or_else(|error| error!("{error}"));
    (field(row, 1), field(row, 2), name(row, 3), field(row, 4), point, distance)
}

/// Beyond it the squares in a distance overflow, and everything is as near as everything else.
const FARTHEST: f64 = 1e100;

fn nearest(point: [f64; 3], k: i64, of_rows: bool) -> Vec<Found> {
    if let Some(axis) = point.iter().position(|coordinate| coordinate.is_nan()) {
        Err(CurveError::NotANumber(axis)).or_raise()
    }
    if let Some(axis) = point.iter().position(|coordinate| coordinate.abs() > FARTHEST) {
        raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("coordinate {} of the point is {:e}", char::from(b"xyz"[axis]), point[axis]),
            "Points of atoms lie between -100 and 100.",
        );
    }
    let tenants = membership::my_tenant_ids();
    let function = if of_rows { "nearest_rows" } else { "nearest_tensors" };
    let statement = format!(
        "SELECT tensor_atom_id, model_id, layer_name, row_no, x, y, z, distance FROM atomizer_internal.{function}($1, $2, $3)"
    );
    let atoms: Vec<Found> = owner::read(|reader| {
        let args = [tenants.into(), point.to_vec().into(), k.into()];
        reader.rows(&statement, &args).map(|row| found(&row)).collect()
    });
    if atoms.is_empty() && k > 0 {
        let (what, granularity) = if of_rows { ("row", ", granularity => 'row'") } else { ("tensor", "") };
        notice!(
            "no {what} of yours has a point: CALL spatialize_model(model{granularity}) gives a model's {what}s theirs"
        );
    }
    atoms
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, name = "nearest_atoms", cost = 10000)]
fn nearest_to_point(
    point: Point,
    k: default!(i32, "10"),
    granularity: default!(&str, "'tensor'"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(spatial_key, PointZ),
        name!(distance, Option<f64>),
    ),
> {
    let k = check_count("k", k);
    let of_rows = Granularity::from_name(granularity) == Granularity::Row;
    TableIterator::new(point.0.map(|point| nearest(point, k, of_rows)).unwrap_or_default())
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, name = "nearest_atoms", cost = 10000)]
fn nearest_to_atom(
    tensor_atom_id: i64,
    k: default!(i32, "10"),
    row_no: default!(i64, "-1"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(spatial_key, PointZ),
        name!(distance, Option<f64>),
    ),
> {
    let k = check_count("k", k);
    let tensor = access::tensor(tensor_atom_id);
    let point = place_of(&tensor, row_no);
    // One more: the atom itself is among them, unless more than k others share its point.
    let mut atoms = nearest(point, k + 1, row_no != WHOLE);
    atoms.retain(|atom| (atom.0, atom.3) != (tensor_atom_id, row_no));
    atoms.truncate(k as usize);
    TableIterator::new(atoms)
}

#[allow(clippy::too_many_arguments)]
#[pg_extern(schema = "atomizer_internal", name = "is_in_box", immutable, parallel_safe)]
fn _is_in_box(
    point: Point,
    x_low: f64,
    y_low: f64,
    z_low: f64,
    x_high: f64,
    y_high: f64,
    z_high: f64,
) -> bool {
    point.0.is_some_and(|[x, y, z]| {
        (x_low..=x_high).contains(&x) && (y_low..=y_high).contains(&y) && (z_low..=z_high).contains(&z)
    })
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_safe, name = "atoms_in_box", cost = 10000)]
fn atoms_in_box_by(
    search_box: Box3d,
    strategy: default!(&str, "'RTree'"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(spatial_key, PointZ),
    ),
> {
    TableIterator::new(in_box(search_box, Strategy::from_name(strategy)))
}

/// The columns of an atom in a box.
pub type InBox = (i64, i64, String, i64, PointZ);

/// The caller's atoms in a box.
pub fn in_box(search_box: Box3d, strategy: Strategy) -> Vec<InBox> {
    // The checks of the corners are those of hilbert_ranges, whichever index is used.
    default_grid().cells(search_box.low, search_box.high).or_raise();
    let tenants = membership::my_tenant_ids();
    let function = match strategy {
        Strategy::RTree => "atoms_in_box",
        Strategy::Hilbert3D => "atoms_in_box_hilbert",
    };
    let statement = format!(
        "SELECT tensor_atom_id, model_id, layer_name, row_no, x, y, z, NULL::float8 FROM atomizer_internal.{function}($1, $2, $3)"
    );
    owner::read(|reader| {
        let args = [tenants.into(), search_box.low.to_vec().into(), search_box.high.to_vec().into()];
        reader
            .rows(&statement, &args)
            .map(|row| {
                let (tensor_atom_id, model_id, layer_name, row_no, point, _) = found(&row);
                (tensor_atom_id, model_id, layer_name, row_no, point)
            })
            .collect()
    })
}

#[pg_extern(stable, parallel_safe, cost = 10000)]
fn atom_tiles(z: i32, x: i32, y: i32) -> Vec<u8> {
    let tenants = membership::my_tenant_ids();
    // A map of 2^z tiles on each side: beyond 21 a tile is smaller than a cell of the Hilbert curve.
    let side = 1i64.checked_shl(z as u32).filter(|_| (0..=21).contains(&z));
    let inside = |position: i32| side.is_some_and(|side| (0..side).contains(&position.into()));
    if !inside(x) || !inside(y) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no tile {z}/{x}/{y}"),
            "z is 0 to 21, x and y are 0 to 2^z - 1.",
        );
    }
    let args = [tenants.into(), z.into(), x.into(), y.into()];
    owner::read_value("SELECT atomizer_internal.atom_tile($1, $2, $3, $4)", &args).unwrap_or_default()
}
