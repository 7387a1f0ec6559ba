//! Statements on atomizer's own tables, run with the rights of the extension's owner.
//!
//! Users hold no right to change these tables: public functions check what the caller may do, as
//! the caller, and then act as the owner for single statements only, the way Postgres' own foreign
//! keys do. `search_path` is fixed meanwhile, so no operator of the caller's can slip in.

use pgrx::prelude::*;
use pgrx::spi::{SpiClient, SpiTupleTable};

/// Runs statements as the owner of the extension.
pub fn run<T>(statements: impl FnOnce(&mut SpiClient) -> T) -> T {
    let mut caller = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: plain calls on the main thread. An error between here and the end aborts the
    // (sub)transaction, which puts user and settings back by itself.
    let level = unsafe {
        pg_sys::GetUserIdAndSecContext(&mut caller, &mut context);
        let level = pg_sys::NewGUCNestLevel();
        // Statements here are short, or spend their time in functions: compiling them takes longer.
        let settings = [(c"search_path", c"pg_catalog, pg_temp"), (c"row_security", c"on"), (c"jit", c"off")];
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        pg_sys::SetUserIdAndSecContext(owner(), context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
        level
    };
    let result = Spi::connect_mut(statements);
    // SAFETY: as above.
    unsafe {
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(caller, context);
    }
    result
}

/// The owner of the schema, which the extension made.
fn owner() -> pg_sys::Oid {
    // SAFETY: the tuple is released before its only field that is kept, an oid, is used.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"atomizer".as_ptr(), false);
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::NAMESPACEOID as i32, schema.into());
        if tuple.is_null() {
            error!("schema atomizer is gone");
        }
        let owner = (*(pg_sys::GETSTRUCT(tuple) as pg_sys::Form_pg_namespace)).nspowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}

/// The name of the role that calls. Ask before [`run`], never within.
pub fn caller_name() -> String {
    // SAFETY: the current user exists, and the name is copied at once.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetUserId(), false);
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// True when the caller has the privileges of a role.
pub fn caller_has_role(role: u32) -> bool {
    // SAFETY: a plain call on the main thread.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), pg_sys::Oid::from(role)) }
}

/// One statement as the owner. Errors of the statement are raised by Postgres itself.
pub fn execute<'c>(
    client: &mut SpiClient<'c>,
    statement: &str,
    args: &[pgrx::datum::DatumWithOid],
) -> SpiTupleTable<'c> {
    let rows = client.update(statement, None, args).unwrap_or_else(|error| error!("{error}"));
    // pgrx copies what is read from a row to the parent of the current context. SPI leaves its own
    // current, whose parent lives as long as the transaction: a child of it makes the parent SPI's,
    // which ends with these statements.
    // SAFETY: SPI deletes the child with its own context, and puts the caller's back.
    unsafe {
        let child = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"atomizer rows".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        pg_sys::MemoryContextSwitchTo(child);
    }
    rows
}

/// The one value of a statement's only row; none for no row or null.
pub fn value<T: FromDatum + IntoDatum>(statement: &str, args: &[pgrx::datum::DatumWithOid]) -> Option<T> {
    run(|client| {
        let rows = execute(client, statement, args);
        if rows.is_empty() {
            return None;
        }
        rows.first().get_one().unwrap_or_else(|error| error!("{error}"))
    })
}
