//! Rows of atomizer's own tables, inserted in the heap itself, many at a time, with their index
//! entries: through SQL each would be copied and checked several times more, which costs as much as
//! storing it. Neither triggers nor CHECK constraints see such a row, so the caller keeps to them,
//! and the table must be a plain one, as `sql/tables/` makes it.

use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;
use std::ffi::CStr;

/// Rows written together at most.
const MAX_ROWS: usize = 1000;
/// Bytes of rows written together at most, or little more.
const MAX_BYTES: usize = 1 << 20;

/// The oid of a relation of ours.
pub fn relation(name: &CStr) -> pg_sys::Oid {
    // SAFETY: plain calls on the main thread.
    unsafe {
        pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_namespace_oid(c"atomizer".as_ptr(), false))
    }
}

/// A table that is open while rows of it are inserted or scanned.
pub struct Table {
    pub heap: pg_sys::Relation,
    pub lock: pg_sys::LOCKMODE,
}

impl Table {
    pub fn open(name: &CStr, lock: u32) -> Self {
        let lock = lock as pg_sys::LOCKMODE;
        // SAFETY: plain calls on the main thread; a missing table raises an error.
        let heap = unsafe { pg_sys::table_open(relation(name), lock) };
        Self { heap, lock }
    }

    /// Keeps the lock, as every statement does.
    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::table_close(self.heap, pg_sys::NoLock as pg_sys::LOCKMODE) }
    }

    /// Inserts rows. Each is made by `row` in a memory context that lives until it is written: a
    /// value for each of the table's columns, of the column's type, none null; `row` returns none
    /// after the last one.
    pub fn insert<const COLUMNS: usize>(&self, mut row: impl FnMut() -> Option<[pg_sys::Datum; COLUMNS]>) {
        let mut rows = PgMemoryContexts::new("atomizer rows to insert");
        let (mut slots, mut more) = (Vec::new(), true);
        // SAFETY: the relation is open and has COLUMNS columns. A row is copied when it is formed, in
        // the context that is reset only after it was written. What is opened here is closed once;
        // after an error the transaction closes it.
        unsafe {
            // A copy: each slot would count itself as a user of the relation's own description.
            let columns = pg_sys::CreateTupleDescCopy((*self.heap).rd_att);
            assert_eq!((*columns).natts as usize, COLUMNS, "the table has other columns");
            let indexes = pg_sys::CatalogOpenIndexes(self.heap);
            while more {
                let mut count = 0;
                rows.switch_to(|_| {
                    let mut bytes = 0;
                    while count < MAX_ROWS && bytes < MAX_BYTES {
                        let Some(mut values) = row() else {
                            more = false;
                            break;
                        };
                        let mut nulls = [false; COLUMNS];
                        let tuple = pg_sys::heap_form_tuple(columns, values.as_mut_ptr(), nulls.as_mut_ptr());
                        bytes += (*tuple).t_len as usize;
                        if count == slots.len() {
                            slots.push(new_slot(columns));
                        }
                        pg_sys::ExecStoreHeapTuple(tuple, slots[count], false);
                        count += 1;
                    }
                });
                pg_sys::CatalogTuplesMultiInsertWithInfo(
                    self.heap,
                    slots.as_mut_ptr(),
                    count as i32,
                    indexes,
                );
                slots.iter().for_each(|slot| {
                    pg_sys::ExecClearTuple(*slot);
                });
                rows.reset();
            }
            slots.iter().for_each(|slot| pg_sys::ExecDropSingleTupleTableSlot(*slot));
            pg_sys::FreeTupleDesc(columns);
            pg_sys::CatalogCloseIndexes(indexes);
        }
    }
}

/// A slot in the context of the current transaction: it outlives the rows it holds.
///
/// # Safety
/// The slot is dropped before `columns` is freed.
unsafe fn new_slot(columns: pg_sys::TupleDesc) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: as above.
    unsafe {
        PgMemoryContexts::CurTransactionContext
            .switch_to(|_| pg_sys::MakeSingleTupleTableSlot(columns, &raw const pg_sys::TTSOpsHeapTuple))
    }
}

/// A bytea in the current memory context.
pub fn bytea(bytes: &[u8]) -> pg_sys::Datum {
    pg_sys::Datum::from(pgrx::rust_byte_slice_to_bytea(bytes).as_ptr())
}
