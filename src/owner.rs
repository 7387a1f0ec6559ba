//! Statements on atomizer's own tables, run with the rights of the extension's owner.
//!
//! Users hold no right to change these tables: public functions check what the caller may do, as
//! the caller, and then act as the owner for single statements only, the way Postgres' own foreign
//! keys do. `search_path` is fixed meanwhile, so no operator of the caller's can slip in.
//!
//! What only reads goes through [`read`]: it takes no transaction id, so it works in parallel plans, on
//! a standby and in READ ONLY transactions. What writes goes through [`run`].

use crate::compat;
use crate::errors::raise;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, SpiHeapTupleData, SpiTupleTable};
use std::ffi::{CStr, CString};
use std::marker::PhantomData;

/// Runs statements that write, as the owner of the extension.
pub fn run<T>(statements: impl FnOnce(&mut SpiClient) -> T) -> T {
    // They join lists of keys with rows found by an index. Statistics may say that a table is empty which has
    // grown since: a nested loop then goes through the list once a row, while a hash join stays linear.
    as_owner(&[(c"enable_nestloop", c"off")], || Spi::connect_mut(statements))
}

/// Runs statements that only read, as the owner of the extension.
pub fn read<T>(statements: impl FnOnce(&Reader) -> T) -> T {
    as_owner(&[], || Spi::connect(|_| statements(&Reader(()))))
}

fn as_owner<T>(plans: &[(&CStr, &CStr)], work: impl FnOnce() -> T) -> T {
    let mut caller = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: plain calls on the main thread. An error between here and the end aborts the
    // (sub)transaction, which puts user and settings back by itself.
    let level = unsafe {
        pg_sys::GetUserIdAndSecContext(&mut caller, &mut context);
        let level = pg_sys::NewGUCNestLevel();
        // Statements here are short, or spend their time in functions: compiling them takes longer.
        let settings = [(c"search_path", c"pg_catalog, pg_temp"), (c"row_security", c"on"), (c"jit", c"off")];
        for (name, value) in settings.iter().chain(plans) {
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
    let result = work();
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
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
                "schema atomizer does not exist",
                "It was dropped while the function ran.",
            );
        }
        let owner = (*(pg_sys::GETSTRUCT(tuple) as pg_sys::Form_pg_namespace)).nspowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}

/// Whether the extension is there, which others may drop at any time.
pub fn is_installed() -> bool {
    // SAFETY: plain calls on the main thread, within a transaction.
    unsafe { pg_sys::get_extension_oid(c"atomizer".as_ptr(), true) != pg_sys::InvalidOid }
}

/// The role that calls, as an argument. Ask before [`run`], never within: there it is the owner.
pub fn caller() -> DatumWithOid<'static> {
    compat::role_of_installed(caller_id())
}

/// The value of a server's setting.
pub fn setting(name: &CStr) -> Option<String> {
    // SAFETY: the value is copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// The role that calls. Ask before [`run`], as [`caller`].
pub fn caller_id() -> pg_sys::Oid {
    // SAFETY: a plain call on the main thread.
    unsafe { pg_sys::GetUserId() }
}

/// True when the caller has the privileges of a role.
pub fn caller_has_role(role: u32) -> bool {
    has_role(caller_id(), role)
}

/// True when one role has the privileges of another; false when it was dropped.
pub fn has_role(member: pg_sys::Oid, role: u32) -> bool {
    // SAFETY: a plain call on the main thread.
    unsafe { pg_sys::has_privs_of_role(member, pg_sys::Oid::from(role)) }
}

/// Raises an error where the tables can't be written: on a standby, and in READ ONLY transactions. Every
/// public function that writes asks first, by its name; the hint names another way, if there is one.
pub fn check_writable(function: &str, other_way: &str) {
    // SAFETY: both read the state of the server and the current transaction.
    let (why, way) = unsafe {
        if pg_sys::RecoveryInProgress() {
            ("during recovery", "This server is a standby, which can only read: call it on the primary.")
        } else if pg_sys::XactReadOnly {
            ("in a read-only transaction", "Call it in a READ WRITE transaction.")
        } else {
            return;
        }
    };
    let hint = if other_way.is_empty() { way.into() } else { format!("{way} {other_way}") };
    raise(
        PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
        format!("cannot execute {function} {why}"),
        &hint,
    );
}

/// One statement as the owner. Errors of the statement are raised by Postgres itself.
pub fn execute<'c>(client: &mut SpiClient<'c>, statement: &str, args: &[DatumWithOid]) -> SpiTupleTable<'c> {
    let rows = client
        .update(&*compat::names_of_installed(statement), None, args)
        .unwrap_or_else(|error| error!("{error}"));
    keep_rows_until_finish();
    rows
}

/// A connection to SPI whose statements can only read.
pub struct Reader(());

impl Reader {
    /// The rows of one statement, which sees what the statement of the caller sees. pgrx's own `select`
    /// lets a statement write as soon as the transaction has an id, which parallel workers must not.
    pub fn rows<'r>(&'r self, statement: &str, args: &[DatumWithOid]) -> Rows<'r> {
        let statement =
            CString::new(&*compat::names_of_installed(statement)).expect("a statement has no zero byte");
        let mut types: Vec<pg_sys::Oid> = args.iter().map(DatumWithOid::oid).collect();
        let datums = args.iter().map(|arg| arg.datum().map(|datum| datum.sans_lifetime()));
        let nulls: Vec<_> =
            datums.clone().map(|datum| (if datum.is_some() { b' ' } else { b'n' }) as i8).collect();
        let mut datums: Vec<_> = datums.map(|datum| datum.unwrap_or(pg_sys::Datum::null())).collect();
        // SAFETY: SPI is connected for as long as there is a Reader; types, datums and nulls are as
        // many as the arguments. An error of the statement is raised by Postgres itself.
        let table = unsafe {
            pg_sys::SPI_tuptable = std::ptr::null_mut();
            let status = pg_sys::SPI_execute_with_args(
                statement.as_ptr(),
                args.len() as i32,
                types.as_mut_ptr(),
                datums.as_mut_ptr(),
                nulls.as_ptr(),
                true,
                0,
            );
            if status != pg_sys::SPI_OK_SELECT as i32 {
                error!("SPI ended with {status}");
            }
            pg_sys::SPI_tuptable
        };
        keep_rows_until_finish();
        Rows { table, next: 0, reader: PhantomData }
    }
}

/// What a statement returned; it lives until SPI's connection ends.
pub struct Rows<'r> {
    table: *mut pg_sys::SPITupleTable,
    next: u64,
    reader: PhantomData<&'r Reader>,
}

impl<'r> Iterator for Rows<'r> {
    type Item = SpiHeapTupleData<'r>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: SPI keeps the table and its rows until the connection ends, which the lifetime says.
        unsafe {
            let table = self.table.as_ref()?;
            if self.next >= table.numvals {
                return None;
            }
            let row = *table.vals.add(self.next as usize);
            self.next += 1;
            SpiHeapTupleData::new(table.tupdesc, row).unwrap_or_else(|error| error!("{error}"))
        }
    }
}

fn keep_rows_until_finish() {
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
}

/// The one value of the only row of a statement that writes; none for no row or null.
pub fn value<T: FromDatum + IntoDatum>(statement: &str, args: &[DatumWithOid]) -> Option<T> {
    run(|client| {
        let rows = execute(client, statement, args);
        if rows.is_empty() {
            return None;
        }
        rows.first().get_one().unwrap_or_else(|error| error!("{error}"))
    })
}

/// The one value of the only row of a statement that reads; none for no row or null.
pub fn read_value<T: FromDatum + IntoDatum>(statement: &str, args: &[DatumWithOid]) -> Option<T> {
    read(|reader| reader.rows(statement, args).next()?.get(1).unwrap_or_else(|error| error!("{error}")))
}
