//! Rows of atomizer's own tables, inserted in the heap itself, many at a time, with their index
//! entries: through SQL each would be copied and checked several times more, which costs as much as
//! storing it. Neither triggers nor CHECK constraints see such a row, so the caller keeps to them,
//! and the table must be a plain one, as `sql/tables/` makes it. Columns are found by their names, and
//! their types are checked: a table that was changed is refused, before a value is taken for another.

use crate::errors::raise;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;
use pgrx::tupdesc::PgTupleDesc;
use std::ffi::CStr;

/// Rows written together at most.
const MAX_ROWS: usize = 1000;
/// Bytes of rows written together at most, or little more.
const MAX_BYTES: usize = 1 << 20;

/// The type of a column.
#[derive(Debug, Clone, Copy)]
pub enum ColumnType {
    Bytea,
    Integer,
    Bigint,
    Text,
    Timestamptz,
    /// An enum of ours, by its name.
    Enum(&'static str),
    /// PostGIS', in whatever schema it is.
    Geometry,
}

impl ColumnType {
    /// Whether this is the type of an oid, and the type's name as messages show it.
    fn matches(self, oid: pg_sys::Oid) -> bool {
        match self {
            Self::Bytea => oid == pg_sys::BYTEAOID,
            Self::Integer => oid == pg_sys::INT4OID,
            Self::Bigint => oid == pg_sys::INT8OID,
            Self::Text => oid == pg_sys::TEXTOID,
            Self::Timestamptz => oid == pg_sys::TIMESTAMPTZOID,
            Self::Enum(_) => type_name(oid) == self.name(),
            Self::Geometry => type_name(oid).rsplit('.').next() == Some("geometry"),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Bytea => "bytea".into(),
            Self::Integer => "integer".into(),
            Self::Bigint => "bigint".into(),
            Self::Text => "text".into(),
            Self::Timestamptz => "timestamp with time zone".into(),
            Self::Enum(name) => format!("atomizer.{name}"),
            Self::Geometry => "geometry".into(),
        }
    }
}

/// A type's name with its schema, except for those of the SQL standard.
fn type_name(oid: pg_sys::Oid) -> String {
    // SAFETY: a plain call on the main thread; what it returns is copied at once.
    unsafe {
        let name = pg_sys::format_type_extended(oid, -1, pg_sys::FORMAT_TYPE_FORCE_QUALIFY as pg_sys::bits16);
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// The oid of a relation of ours; invalid if there is none of this name.
pub fn relation(name: &CStr) -> pg_sys::Oid {
    // SAFETY: plain calls on the main thread.
    unsafe {
        pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_namespace_oid(c"atomizer".as_ptr(), false))
    }
}

/// Refuses a table or index that is not as `sql/tables/` makes it.
fn refuse(what: String) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        what,
        "The extension's tables must not be altered. If the library is newer than they are: ALTER EXTENSION atomizer UPDATE.",
    )
}

/// A table that is open while rows of it are inserted or scanned, and the columns that are used of it.
pub struct Table<const COLUMNS: usize> {
    pub heap: pg_sys::Relation,
    pub lock: pg_sys::LOCKMODE,
    name: &'static CStr,
    /// Where each column stands, from 0.
    positions: [usize; COLUMNS],
    /// A column that is not used, if there is one.
    other: Option<String>,
    /// Number of columns, with those that were dropped.
    attributes: usize,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Opens a table of which these columns, by names and types, are used.
    pub fn open(name: &'static CStr, lock: u32, columns: &[(&str, ColumnType); COLUMNS]) -> Self {
        let lock = lock as pg_sys::LOCKMODE;
        let oid = relation(name);
        let shown = name.to_string_lossy();
        if oid == pg_sys::InvalidOid {
            refuse(format!("table atomizer.{shown} does not exist"));
        }
        // SAFETY: plain calls on the main thread; the description is copied while the table is open.
        let (heap, kind, description) = unsafe {
            let heap = pg_sys::table_open(oid, lock);
            ((heap), (*(*heap).rd_rel).relkind, PgTupleDesc::from_pg_copy((*heap).rd_att))
        };
        if kind as u8 != pg_sys::RELKIND_RELATION {
            refuse(format!("atomizer.{shown} is not a plain table"));
        }
        let positions = columns.map(|(column, wanted)| {
            let found = description.iter().position(|found| !found.is_dropped() && found.name() == column);
            let position =
                found.unwrap_or_else(|| refuse(format!("table atomizer.{shown} has no column \"{column}\"")));
            let oid = description.get(position).map_or(pg_sys::InvalidOid, |found| found.atttypid);
            if !wanted.matches(oid) {
                let (found, wanted) = (type_name(oid), wanted.name());
                refuse(format!(
                    "column \"{column}\" of table atomizer.{shown} is of type {found}, not {wanted}"
                ));
            }
            position
        });
        let used = |position| positions.contains(&position);
        let mut others = description.iter().enumerate().filter(|(i, found)| !used(*i) && !found.is_dropped());
        let other = others.next().map(|(_, found)| found.name().to_owned());
        Self { heap, lock, name, positions, other, attributes: description.len() }
    }

    /// The number of a column of `open`'s list in the table, as scan keys have it: from 1.
    pub fn number(&self, column: usize) -> pg_sys::AttrNumber {
        self.positions[column] as pg_sys::AttrNumber + 1
    }

    /// Keeps the lock, as every statement does.
    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::table_close(self.heap, pg_sys::NoLock as pg_sys::LOCKMODE) }
    }

    /// Opens a btree of the table whose keys are its first `keys` columns of `open`'s list, in their order.
    pub fn open_index(&self, name: &CStr, keys: usize) -> pg_sys::Relation {
        let shown = name.to_string_lossy();
        let oid = relation(name);
        if oid == pg_sys::InvalidOid {
            refuse(format!("index atomizer.{shown} does not exist"));
        }
        // SAFETY: plain calls on the main thread; an index has as many numbers of columns as it says. After
        // an error the transaction closes it.
        unsafe {
            let index = pg_sys::index_open(oid, self.lock);
            let form = &*(*index).rd_index;
            let numbers = form.indkey.values.as_slice(form.indnkeyatts.max(0) as usize);
            let wanted = (0..keys).map(|column| self.number(column));
            let of_table = form.indrelid == (*self.heap).rd_id;
            let btree = (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID;
            if !(of_table && btree && form.indisvalid && numbers.iter().copied().eq(wanted)) {
                refuse(format!(
                    "index atomizer.{shown} is not a valid btree of table atomizer.{} with its first {keys} columns",
                    self.name.to_string_lossy()
                ));
            }
            index
        }
    }

    /// The values of a row that a scan has found, in the order of `open`'s list. None of them is null: the
    /// columns that are read are declared so.
    ///
    /// # Safety
    /// The row is one of this table, and lives as long as the values are used.
    pub unsafe fn values(&self, row: pg_sys::HeapTuple) -> [pg_sys::Datum; COLUMNS] {
        let mut values = vec![pg_sys::Datum::null(); self.attributes];
        let mut nulls = vec![true; self.attributes];
        // SAFETY: as above; there is room for all of the table's columns.
        unsafe {
            pg_sys::heap_deform_tuple(row, (*self.heap).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
        self.positions.map(|position| {
            if nulls[position] {
                refuse(format!("table atomizer.{} holds a null", self.name.to_string_lossy()));
            }
            values[position]
        })
    }

    /// Refuses an index whose entries need more than the columns of a row: those of catalogs have nothing else,
    /// and Postgres would read from nowhere.
    ///
    /// # Safety
    /// The indexes are open.
    unsafe fn check_indexes(&self, indexes: &pg_sys::ResultRelInfo) {
        for i in 0..indexes.ri_NumIndices.max(0) as usize {
            // SAFETY: as above; there are as many as it says.
            let (index, info) =
                unsafe { (&**indexes.ri_IndexRelationDescs.add(i), &**indexes.ri_IndexRelationInfo.add(i)) };
            let plain = info.ii_Expressions.is_null()
                && info.ii_Predicate.is_null()
                && info.ii_ExclusionOps.is_null();
            if !plain {
                // SAFETY: a relation has a name, which ends.
                let name = unsafe { CStr::from_ptr((*index.rd_rel).relname.data.as_ptr()) };
                refuse(format!(
                    "index \"{}\" of table atomizer.{} has an expression, a predicate or an exclusion constraint",
                    name.to_string_lossy(),
                    self.name.to_string_lossy()
                ));
            }
        }
    }

    /// Inserts rows. Each is made by `row` in a memory context that lives until it is written: a value for
    /// each of the columns of `open`'s list, none null; `row` returns none after the last one.
    pub fn insert(&self, mut row: impl FnMut() -> Option<[pg_sys::Datum; COLUMNS]>) {
        if let Some(other) = &self.other {
            refuse(format!(
                "column \"{other}\" of table atomizer.{} is not known",
                self.name.to_string_lossy()
            ));
        }
        let mut rows = PgMemoryContexts::new("atomizer rows to insert");
        let (mut slots, mut more) = (Vec::new(), true);
        // Columns that were dropped stay null.
        let mut all_values = vec![pg_sys::Datum::null(); self.attributes];
        let mut nulls = vec![true; self.attributes];
        self.positions.iter().for_each(|position| nulls[*position] = false);
        // SAFETY: the relation is open, and there is a value of the right type for each of its columns. A
        // row is copied when it is formed, in the context that is reset only after it was written. What is
        // opened here is closed once; after an error the transaction closes it.
        unsafe {
            // A copy: each slot would count itself as a user of the relation's own description.
            let columns = pg_sys::CreateTupleDescCopy((*self.heap).rd_att);
            let indexes = pg_sys::CatalogOpenIndexes(self.heap);
            self.check_indexes(&*indexes);
            while more {
                let mut count = 0;
                rows.switch_to(|_| {
                    let mut bytes = 0;
                    while count < MAX_ROWS && bytes < MAX_BYTES {
                        let Some(values) = row() else {
                            more = false;
                            break;
                        };
                        for (position, value) in self.positions.iter().zip(values) {
                            all_values[*position] = value;
                        }
                        let tuple =
                            pg_sys::heap_form_tuple(columns, all_values.as_mut_ptr(), nulls.as_mut_ptr());
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
