//! What relations take on disk that Postgres does not tell without further extensions.

use pgrx::prelude::*;

/// Pages between two looks for a cancelled query.
const PAGES: u32 = 1 << 12;

/// Bytes of a relation that its free space map knows to be free: `VACUUM` fills the map, and new rows go there.
/// Null when the relation is gone, has no storage, or is temporary, whose pages only its session reads, not its workers.
#[pg_extern(schema = "atomizer_internal", name = "free_bytes", volatile, strict, parallel_safe, cost = 10000)]
fn _free_bytes(relation: pg_sys::Oid) -> Option<i64> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: plain calls on the main thread. The relation is open while it is asked for, and closed once; after an
    // error the transaction closes it.
    unsafe {
        let opened = pg_sys::try_relation_open(relation, lock);
        let class = opened.as_ref()?.rd_rel;
        let kind = (*class).relkind as u8;
        let kinds = [
            pg_sys::RELKIND_RELATION,
            pg_sys::RELKIND_INDEX,
            pg_sys::RELKIND_TOASTVALUE,
            pg_sys::RELKIND_MATVIEW,
        ];
        let is_read = kinds.contains(&kind) && (*class).relpersistence as u8 != pg_sys::RELPERSISTENCE_TEMP;
        let free = is_read.then(|| {
            let pages = pg_sys::RelationGetNumberOfBlocksInFork(opened, pg_sys::ForkNumber::MAIN_FORKNUM);
            let mut free = 0;
            for page in 0..pages {
                if page.is_multiple_of(PAGES) {
                    pgrx::check_for_interrupts!();
                }
                free += pg_sys::GetRecordedFreeSpace(opened, page) as i64;
            }
            free
        });
        pg_sys::relation_close(opened, lock);
        free
    }
}
