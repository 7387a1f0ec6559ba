//! Texts as their bytes: in a database whose encoding is not UTF-8, a text need not be a `str`, and pgrx panics.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::prelude::*;
use pgrx::varlena::varlena_to_byte_slice;
use std::ffi::OsString;
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A text that is a path, byte for byte, as the server's own functions take it.
pub struct ServerPath(PathBuf);

impl_sql_translatable!(ServerPath, "text");

impl Deref for ServerPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl FromDatum for ServerPath {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: a text is a varlena, whose bytes are copied at once.
        let bytes = unsafe { varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr())) };
        Some(Self(OsString::from_vec(bytes.to_vec()).into()))
    }
}

impl IntoDatum for ServerPath {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(crate::heap::bytea(self.as_os_str().as_bytes()))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: the datum is a text, which the implementation of FromDatum reads.
unsafe impl<'fcx> ArgAbi<'fcx> for ServerPath {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as above; a strict function is not called with null.
        unsafe { arg.unbox_arg_using_from_datum().expect("the argument is not null") }
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: as above.
        unsafe { arg.unbox_arg_using_from_datum().into() }
    }
}

/// A name that is read back: it was written as UTF-8, whatever the database's encoding.
pub struct StoredName(pub String);

impl FromDatum for StoredName {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: a text is a varlena, whose bytes are copied at once.
        let bytes = unsafe { varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr())) };
        Some(Self(String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl IntoDatum for StoredName {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}
