//! SQL types as Rust return values: the enums of `sql/types/`, where a value is the name of one of their labels,
//! jsonb, arrays of numbers, and large values of bytes.

use crate::errors::raise;
use pgrx::array::{FlatArray, Scalar};
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::enum_helper::lookup_enum_by_label;
use pgrx::memcx;
use pgrx::prelude::*;

/// Gives a Rust type the SQL type that a file of `sql/types/` creates; functions that use it come after that file.
macro_rules! own_type {
    ($name:ty, $sql:literal) => {
        const _: () = {
            use pgrx::pgrx_sql_entity_graph::metadata::*;

            // SAFETY: the type's other traits read and write datums of this SQL type.
            unsafe impl SqlTranslatable for $name {
                const TYPE_IDENT: &'static str = concat!(module_path!(), "::", stringify!($name));
                const TYPE_ORIGIN: TypeOrigin = TypeOrigin::ThisExtension;
                const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal($sql));
                const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
                    Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
            }
        };
    };
}
pub(crate) use own_type;

macro_rules! sql_enum {
    ($name:ident, $sql:literal) => {
        #[doc = concat!("A label of the SQL enum `", $sql, "`.")]
        pub struct $name(pub &'static str);

        own_type!($name, $sql);

        impl IntoDatum for $name {
            fn into_datum(self) -> Option<pg_sys::Datum> {
                Some(lookup_enum_by_label($sql, self.0))
            }

            fn type_oid() -> pg_sys::Oid {
                pgrx::regtypein($sql)
            }
        }

        // SAFETY: the datum is an enum's oid, which is passed by value.
        unsafe impl BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
                // SAFETY: as above.
                unsafe { fcinfo.return_raw_datum(lookup_enum_by_label($sql, self.0)) }
            }
        }
    };
}

sql_enum!(ModelFormat, "atomizer.model_format");
sql_enum!(TensorDtype, "atomizer.tensor_dtype");
sql_enum!(QuantizationType, "atomizer.quantization_type");
sql_enum!(LayerType, "atomizer.layer_type");

/// JSON text that becomes a jsonb.
pub struct JsonbText(pub String);

impl_sql_translatable!(JsonbText, "jsonb");

// SAFETY: jsonb_in returns a jsonb datum in the current memory context, the caller's.
unsafe impl BoxRet for JsonbText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        let text = std::ffi::CString::new(self.0).expect("JSON text holds no zero byte");
        // SAFETY: jsonb_in takes a C string, which lives until it returns.
        unsafe {
            let argument = Some(pg_sys::Datum::from(text.as_ptr()));
            let datum = pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[argument]);
            fcinfo.return_raw_datum(datum.expect("jsonb_in returns no null"))
        }
    }
}

/// Numbers that become a one-dimensional array, copied once: pgrx's own `Vec` goes through a datum for
/// each, which takes four times the memory and ends at half of what an array can hold.
pub struct SqlArray<T>(pub Vec<T>);

impl_sql_translatable!(SqlArray<f32>, "real[]");
impl_sql_translatable!(SqlArray<f64>, "double precision[]");

impl<T: Scalar + Copy> IntoDatum for SqlArray<T> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        memcx::current_context(|context| {
            let array = FlatArray::new_from_slice(&self.0, context);
            // Callers check the number first; what is left is memory.
            let array = array.unwrap_or_else(|_| {
                let message = format!("no memory for an array of {} numbers", self.0.len());
                raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, message, "")
            });
            Some(pg_sys::Datum::from((&raw const *array).cast::<pg_sys::ArrayType>()))
        })
    }

    fn type_oid() -> pg_sys::Oid {
        // SAFETY: a plain call; the element type is one of the server's own.
        unsafe { pg_sys::get_array_type(T::OID) }
    }
}

// SAFETY: the array lives in the caller's memory context.
unsafe impl<T: Scalar + Copy> BoxRet for SqlArray<T> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        let datum = self.into_datum().expect("an array is not null");
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(datum) }
    }
}

/// Bytes from which on the allocator gives memory of its own to a value, whatever it has given before.
const LARGE: usize = 32 << 20;

/// Asks for pages of 2 MiB where they can be had: to get a value of a hundred megabytes in pages of 4 KiB takes as
/// long as to decode it.
///
/// # Safety
/// The bytes from `start` on were allocated.
unsafe fn ask_for_large_pages(start: *mut u8, length: usize) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain call.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as usize;
        let skip = start.align_offset(page);
        // SAFETY: whole pages within the bytes, whose content the advice leaves as it is. Where it cannot be
        // followed nothing happens.
        unsafe { libc::madvise(start.add(skip).cast(), (length - skip) / page * page, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, length);
}

/// A bytea whose bytes were written in their place: pgrx's own `Vec` is copied to one.
pub struct Bytea(pg_sys::Datum);

impl Bytea {
    /// A value of `length` bytes, at most [`MAX_BYTEA`](crate::reading::MAX_BYTEA), every one of which `fill` writes. They begin at a multiple
    /// of four.
    pub fn filled(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        // SAFETY: palloc gives as many bytes as asked for, aligned for any value, or raises an error; Postgres
        // frees them after an error of `fill`. They hold whatever the allocator left in them, which for bytes is
        // a value, too, until `fill` has written them.
        unsafe {
            let value = pg_sys::palloc(length + pg_sys::VARHDRSZ).cast::<pg_sys::varlena>();
            pgrx::set_varsize_4b(value, (length + pg_sys::VARHDRSZ) as i32);
            if length >= LARGE {
                ask_for_large_pages(value.cast(), length);
            }
            fill(std::slice::from_raw_parts_mut(value.cast::<u8>().add(pg_sys::VARHDRSZ), length));
            Self(value.into())
        }
    }
}

impl_sql_translatable!(Bytea, "bytea");

impl IntoDatum for Bytea {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0)
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::BYTEAOID
    }
}

// SAFETY: the value lives in the memory context in which it was made, the caller's.
unsafe impl BoxRet for Bytea {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}
