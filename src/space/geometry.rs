//! PostGIS' points and boxes as their bytes lie in a datum. A call of `ST_X` and its kind for each
//! coordinate of each row would cost several times what is computed from them, and PostGIS has no
//! interface for other extensions to link against; the layout is stable, since it is what tables on
//! disk hold. Tests compare what is read and built here with `ST_X`, `ST_Y`, `ST_Z`, `ST_MakePoint`.
//!
//! Layout (PostGIS, `liblwgeom/gserialized.txt`, `gserialized1.c` and `gserialized2.c`), after the
//! varlena's own length: 3 bytes SRID, 1 byte flags; in version 2, where flagged, 8 bytes of extended
//! flags; where flagged, a box of two floats for each dimension; u32 type; u32 number of points; then
//! the coordinates as doubles. Everything is in the machine's byte order.

use crate::errors::{OrRaise, Raise, raise};
use crate::heap;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::nullable::Nullable;
use pgrx::prelude::*;
use pgrx::varlena;

const HAS_Z: u8 = 0x01;
const HAS_M: u8 = 0x02;
const HAS_BOX: u8 = 0x04;
const IS_GEODETIC: u8 = 0x08;
/// Of version 2 only; in version 1 the bit is never stored.
const IS_EXTENDED: u8 = 0x10;
const IS_VERSION_2: u8 = 0x40;

const POINT: u32 = 1;

/// Names of geometry types, as `GeometryType()` has them, by their number.
const TYPES: [&str; 16] = [
    "UNKNOWN",
    "POINT",
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
    "CIRCULARSTRING",
    "COMPOUNDCURVE",
    "CURVEPOLYGON",
    "MULTICURVE",
    "MULTISURFACE",
    "POLYHEDRALSURFACE",
    "TRIANGLE",
    "TIN",
];

/// Why a geometry is not a point that can be used.
#[derive(Debug, PartialEq)]
enum GeometryError {
    /// Not a point, but this type.
    NotAPoint(u32),
    /// Bytes that are not a geometry.
    Malformed(usize),
}

impl Raise for GeometryError {
    fn raise(self) -> ! {
        match self {
            Self::NotAPoint(found) => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!(
                    "a point is wanted, but the geometry is of type {}",
                    TYPES.get(found as usize).unwrap_or(&TYPES[0])
                ),
                "ST_Centroid(…) and ST_StartPoint(…) give points of other geometries.",
            ),
            Self::Malformed(length) => raise(
                PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
                format!("{length} bytes are not a geometry that is known here"),
                "",
            ),
        }
    }
}

/// The coordinates of a point after its length word: z is 0 where it has none. None for an empty point.
fn read(bytes: &[u8]) -> Result<Option<[f64; 3]>, GeometryError> {
    let malformed = || GeometryError::Malformed(bytes.len());
    let flags = *bytes.get(3).ok_or_else(malformed)?;
    let has = |flag: u8| flags & flag != 0;
    let dimensions = 2 + usize::from(has(HAS_Z)) + usize::from(has(HAS_M));
    let mut position = 4;
    if has(IS_VERSION_2) && has(IS_EXTENDED) {
        position += 8;
    }
    if has(HAS_BOX) {
        position += 8 * if has(IS_GEODETIC) { 3 } else { dimensions };
    }
    let (head, coordinates) =
        bytes.get(position..).and_then(|rest| rest.split_at_checked(8)).ok_or_else(malformed)?;
    let word = |from: usize| u32::from_ne_bytes(std::array::from_fn(|i| head[from + i]));
    match (word(0), word(4)) {
        (POINT, 0) => return Ok(None),
        (POINT, 1) => {}
        (POINT, _) => return Err(malformed()),
        (other, _) => return Err(GeometryError::NotAPoint(other)),
    }
    let (doubles, _) = coordinates.as_chunks::<8>();
    if doubles.len() < dimensions {
        return Err(malformed());
    }
    let z = if has(HAS_Z) { f64::from_ne_bytes(doubles[2]) } else { 0.0 };
    Ok(Some([f64::from_ne_bytes(doubles[0]), f64::from_ne_bytes(doubles[1]), z]))
}

/// An argument of type geometry that must be a point; none inside for `POINT EMPTY`.
pub struct Point(pub Option<[f64; 3]>);

impl_sql_translatable!(Point, arg_only = "geometry");

impl FromDatum for Point {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: a geometry is a varlena; it is read before the call returns. Only a compressed or
        // external one has to be copied: points never are, other types may be.
        let bytes = unsafe {
            let stored: *mut pg_sys::varlena = datum.cast_mut_ptr();
            let is_plain = varlena::varatt_is_4b_u(stored)
                || (varlena::varatt_is_1b(stored) && !varlena::varatt_is_1b_e(stored));
            let plain = if is_plain { stored } else { pg_sys::pg_detoast_datum_packed(stored) };
            varlena::varlena_to_byte_slice(plain)
        };
        Some(Self(read(bytes).or_raise()))
    }
}

/// A PointZ to return.
pub struct PointZ(pub [f64; 3]);

impl_sql_translatable!(PointZ, "geometry");

impl PointZ {
    /// The geometry in the current memory context: as `ST_MakePoint(x, y, z)` makes it, without SRID.
    pub fn datum(&self) -> pg_sys::Datum {
        let mut bytes = [0; 36];
        bytes[3] = HAS_Z | IS_VERSION_2;
        bytes[4..8].copy_from_slice(&POINT.to_ne_bytes());
        bytes[8..12].copy_from_slice(&1u32.to_ne_bytes());
        for (place, coordinate) in bytes[12..].as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *place = coordinate.to_ne_bytes();
        }
        heap::bytea(&bytes)
    }
}

impl IntoDatum for PointZ {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.datum())
    }

    /// The type of a column of ours: its name may not be in the search path.
    fn type_oid() -> pg_sys::Oid {
        // SAFETY: plain calls on the main thread.
        unsafe {
            let table = heap::relation(c"atom_embedding");
            pg_sys::get_atttype(table, pg_sys::get_attnum(table, c"spatial_key".as_ptr()))
        }
    }
}

// SAFETY: the datum is a geometry in the current memory context, the caller's.
unsafe impl BoxRet for PointZ {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(self.datum()) }
    }
}

/// An argument of type box3d.
#[derive(Clone, Copy)]
pub struct Box3d {
    pub low: [f64; 3],
    pub high: [f64; 3],
}

impl_sql_translatable!(Box3d, arg_only = "box3d");

impl FromDatum for Box3d {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: PostGIS' BOX3D (liblwgeom.h) is passed by reference and begins with six doubles: the
        // low corner, then the high one.
        let [a, b, c, d, e, f] = unsafe { datum.cast_mut_ptr::<[f64; 6]>().read_unaligned() };
        Some(Self { low: [a, b, c], high: [d, e, f] })
    }
}

macro_rules! argument {
    ($type:ty) => {
        // SAFETY: the datum is of the SQL type that the implementation of FromDatum reads.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: as above; a strict function is not called with null.
                unsafe { arg.unbox_arg_using_from_datum().expect("the argument is not null") }
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: as above.
                unsafe { arg.unbox_arg_using_from_datum().into() }
            }
        }
    };
}

argument!(Point);
argument!(Box3d);
