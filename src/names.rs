//! Models and tensors by their names: the type `regmodel`, which is a model's id and is written as the id or
//! the name, and `tensor_id`.

use crate::access::{self, field};
use crate::errors::raise;
use crate::sql_types::own_type;
use crate::{membership, owner};
use atomizer_core::names::nearest;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::nullable::Nullable;
use pgrx::prelude::*;
use std::ffi::CStr;

/// Names shown of those that are near, or are meant by one name.
const MAX_NAMES: usize = 5;

/// A model as SQL's `regmodel`: its id, of which nothing was checked.
#[derive(Clone, Copy)]
pub struct ModelId(pub i64);

own_type!(ModelId, "atomizer.regmodel");

impl FromDatum for ModelId {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: a regmodel is stored as a bigint is.
        unsafe { i64::from_polymorphic_datum(datum, is_null, oid) }.map(Self)
    }
}

// SAFETY: the datum is a bigint, which the implementation of FromDatum reads.
unsafe impl<'fcx> ArgAbi<'fcx> for ModelId {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as above; a strict function is not called with null.
        unsafe { arg.unbox_arg_using_from_datum().expect("the argument is not null") }
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: as above.
        unsafe { arg.unbox_arg_using_from_datum().into() }
    }
}

// SAFETY: the datum is a bigint's, which is passed by value.
unsafe impl BoxRet for ModelId {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0)) }
    }
}

/// The input function of `regmodel`, declared in `sql/types/regmodel.sql`.
#[pg_extern(sql = false)]
fn regmodel_in(name: &CStr) -> ModelId {
    model_of_name(&name.to_string_lossy())
}

/// The cast from text, declared there, too.
#[pg_extern(sql = false)]
fn regmodel_of_text(name: &str) -> ModelId {
    model_of_name(name)
}

/// The model of an id in digits, or of a name: `name`, or `tenant/name`. Of an id the function that is called
/// checks what there is to check.
fn model_of_name(name: &str) -> ModelId {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return ModelId(name.parse().unwrap_or_else(|_| {
            let message = format!("model id {name} is out of range for type bigint");
            raise(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, message, "")
        }));
    }
    // Before the change of user: within, the caller would be the owner.
    let tenants = membership::my_tenant_ids();
    let statement = "SELECT m.model_id, t.tenant_name || '/' || m.model_name \
         FROM atomizer.model m JOIN atomizer.tenant t USING (tenant_id) WHERE m.tenant_id = ANY ($2) \
           AND (m.model_name = $1 OR $3 AND t.tenant_name || '/' || m.model_name = $1) ORDER BY 2, 1";
    let found: Vec<(i64, String)> = owner::read(|reader| {
        let args = [name.into(), tenants.clone().into(), name.contains('/').into()];
        reader.rows(statement, &args).map(|row| (field(&row, 1), access::name(&row, 2))).collect()
    });
    match found.as_slice() {
        [(model_id, _)] => ModelId(*model_id),
        [] => {
            let names = names_of(
                "SELECT CASE WHEN $2 THEN t.tenant_name || '/' ELSE '' END || m.model_name \
                 FROM atomizer.model m JOIN atomizer.tenant t USING (tenant_id) \
                 WHERE m.tenant_id = ANY ($1) LIMIT 20000",
                &[tenants.into(), name.contains('/').into()],
            );
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("model \"{name}\" does not exist, or is not yours"),
                &format!("{}SELECT * FROM atomizer.model shows your models.", near(name, names)),
            )
        }
        several => {
            let forms = several.iter().take(MAX_NAMES).map(|(id, name)| format!("'{name}' (model {id})"));
            raise(
                PgSqlErrorCode::ERRCODE_AMBIGUOUS_FUNCTION,
                format!("model \"{name}\" is ambiguous: {} of yours have this name", several.len()),
                &format!("Name the tenant, too, or give the id: {}.", forms.collect::<Vec<_>>().join(" or ")),
            )
        }
    }
}

#[pg_extern(stable, parallel_safe, cost = 100)]
fn tensor_id(model: ModelId, tensor: &str) -> i64 {
    let model_name = access::model_name(model.0);
    // Before the change of user: within, the caller would be the owner.
    let tenants = membership::my_tenant_ids();
    let found = owner::read_value::<i64>(
        "SELECT tensor_atom_id FROM atomizer.tensor_atom WHERE model_id = $1 AND layer_name = $2 AND tenant_id = ANY ($3)",
        &[model.0.into(), tensor.into(), tenants.into()],
    );
    found.unwrap_or_else(|| {
        let names = names_of(
            "SELECT layer_name FROM atomizer.tensor_atom WHERE model_id = $1 LIMIT 20000",
            &[model.0.into()],
        );
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("model \"{model_name}\" has no tensor \"{tensor}\""),
            &format!(
                "{}SELECT layer_name FROM atomizer.tensor_atom WHERE model_id = {} shows all of them.",
                near(tensor, names),
                model.0
            ),
        )
    })
}

fn names_of(statement: &str, args: &[pgrx::datum::DatumWithOid]) -> Vec<String> {
    owner::read(|reader| reader.rows(statement, args).map(|row| access::name(&row, 1)).collect())
}

/// The first sentence of a hint: names like the one that was not found.
fn near(wanted: &str, names: Vec<String>) -> String {
    let names = names.into_iter().inspect(|_| {
        pgrx::check_for_interrupts!();
    });
    let near = nearest(wanted, names, MAX_NAMES);
    if near.is_empty() {
        return String::new();
    }
    let near: Vec<_> = near.iter().map(|name| format!("\"{name}\"")).collect();
    format!("Its name may be {}. ", near.join(" or "))
}
