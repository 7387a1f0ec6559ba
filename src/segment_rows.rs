//! Rows of `tensor_segment`: an encoded segment is cut into rows that fill a page each.

use crate::heap::{ColumnType, Table, bytea};
use atomizer_core::hash::Hash;
use pgrx::prelude::*;
use pgrx::varlena;

/// Payload of a row that just fills a page: the page less its header (24), one line pointer (4, and
/// 4 to align), the row's header (24), content_hash (4 + 32), two integers (8) and payload's length (4).
const PART_BYTES: usize = pg_sys::BLCKSZ as usize - 104;

/// The table's columns, first those of its key.
const COLUMNS: [(&str, ColumnType); 4] = [
    ("content_hash", ColumnType::Bytea),
    ("segment_no", ColumnType::Integer),
    ("part_no", ColumnType::Integer),
    ("payload", ColumnType::Bytea),
];

/// Inserts encoded segments: content, number, bytes.
pub fn insert<'a>(segments: impl Iterator<Item = (&'a Hash, u64, &'a [u8])>) {
    let table = Table::open(c"tensor_segment", pg_sys::RowExclusiveLock, &COLUMNS);
    let mut parts = segments.flat_map(|(hash, segment_no, bytes)| {
        bytes
            .chunks(PART_BYTES)
            .enumerate()
            .map(move |(part_no, payload)| (hash, segment_no, part_no, payload))
    });
    table.insert(|| {
        let (hash, segment_no, part_no, payload) = parts.next()?;
        Some([bytea(hash), (segment_no as i32).into(), (part_no as i32).into(), bytea(payload)])
    });
    table.close();
}

/// Appends the encoded bytes of segments `first..first + segments.len()` of a content.
pub fn scan(hash: &Hash, first: u64, segments: &mut [Vec<u8>]) {
    let table = Table::open(c"tensor_segment", pg_sys::AccessShareLock, &COLUMNS);
    let last = first + segments.len() as u64 - 1;
    // SAFETY: what the scan gives is read before the next row is asked for. The scan, its snapshot and
    // relations are closed once; after an error the transaction closes them.
    unsafe {
        let index = table.open_index(c"tensor_segment_pkey", 3);
        // What this transaction has written so far is to be seen, as by a statement. Where it has written
        // nothing, or is a part of a parallel plan, the statement's own snapshot is the right one.
        let writes = pg_sys::GetCurrentTransactionIdIfAny() != pg_sys::InvalidTransactionId
            && !pg_sys::IsInParallelMode();
        let snapshot = if writes {
            pg_sys::CommandCounterIncrement();
            pg_sys::GetTransactionSnapshot()
        } else {
            pg_sys::GetActiveSnapshot()
        };
        let snapshot = pg_sys::RegisterSnapshot(snapshot);
        let hash = pgrx::rust_byte_slice_to_bytea(hash);
        let mut keys = [pg_sys::ScanKeyData::default(); 3];
        let bounds = [
            (
                table.number(0),
                pg_sys::BTEqualStrategyNumber,
                pg_sys::F_BYTEAEQ,
                pg_sys::Datum::from(hash.as_ptr()),
            ),
            (table.number(1), pg_sys::BTGreaterEqualStrategyNumber, pg_sys::F_INT4GE, (first as i32).into()),
            (table.number(1), pg_sys::BTLessEqualStrategyNumber, pg_sys::F_INT4LE, (last as i32).into()),
        ];
        for (key, (column, strategy, function, value)) in keys.iter_mut().zip(bounds) {
            pg_sys::ScanKeyInit(key, column, strategy as u16, function.into(), value);
        }
        let scan = pg_sys::systable_beginscan_ordered(table.heap, index, snapshot, 3, keys.as_mut_ptr());
        loop {
            let row = pg_sys::systable_getnext_ordered(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if row.is_null() {
                break;
            }
            let [_, segment_no, _, payload] = table.values(row);
            let segment_no = segment_no.value() as i32 as u64;
            // Another storage than PLAIN may have been set.
            let payload = pg_sys::pg_detoast_datum_packed(payload.cast_mut_ptr());
            let payload = varlena::varlena_to_byte_slice(payload);
            segments[(segment_no - first) as usize].extend_from_slice(payload);
        }
        pg_sys::systable_endscan_ordered(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        pg_sys::pfree(hash.as_ptr().cast());
    }
    table.close();
}
