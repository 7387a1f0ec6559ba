//! Which tenants a caller acts for. Every row-level policy and every look at a model asks, so the answer
//! is kept for each role of a session, until roles, their memberships, or the tables of tenants change.

use crate::{compat, heap, owner};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Counts the changes that this session has heard of.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// The tables whose changes count.
static TABLES: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

thread_local! {
    /// The tenants of roles.
    static KNOWN: RefCell<HashMap<pg_sys::Oid, Known>> = RefCell::default();
}

/// The tenants of a role.
struct Known {
    tenants: Vec<i64>,
    /// The number of changes when they were read.
    changes: u64,
    /// The statement they hold for, if not for all to come.
    statement: Option<pg_sys::TimestampTz>,
}

/// The tenants the caller acts for: all of them for superusers.
#[pg_extern(stable, parallel_safe)]
pub fn my_tenant_ids() -> Vec<i64> {
    with_tenants(<[i64]>::to_vec)
}

/// Whether the caller acts for a tenant: what policies and views ask for each row. A sub-query for the array of
/// them would be planned with each statement, which takes longer than the rows of most, and keep views from
/// being read in parallel.
#[pg_extern(schema = "atomizer_internal", stable, strict, parallel_safe)]
fn acts_for(tenant_id: i64) -> bool {
    with_tenants(|tenants| tenants.contains(&tenant_id))
}

/// Hands on the caller's tenants. Nothing is looked up while they are known.
fn with_tenants<R>(each: impl Fn(&[i64]) -> R) -> R {
    // SAFETY: a plain call on the main thread.
    let caller = unsafe { pg_sys::GetUserId() };
    let changes = CHANGES.load(Relaxed);
    let known = KNOWN.with_borrow(|known| {
        let known = known.get(&caller).filter(|known| known.changes == changes && known.holds_now())?;
        Some(each(&known.tenants))
    });
    known.unwrap_or_else(|| {
        let known = Known::read(caller);
        let result = each(&known.tenants);
        KNOWN.with_borrow_mut(|all| all.insert(caller, known));
        result
    })
}

impl Known {
    fn holds_now(&self) -> bool {
        // SAFETY: a plain call on the main thread.
        self.statement
            .is_none_or(|statement| statement == unsafe { pg_sys::GetCurrentStatementStartTimestamp() })
    }

    fn read(caller: pg_sys::Oid) -> Self {
        watch();
        // A change that is heard of from here on may come after the snapshot: the number before is kept.
        let changes = CHANGES.load(Relaxed);
        // SAFETY: plain calls on the main thread. The snapshot is popped after its only use; an error pops it
        // with the transaction.
        unsafe {
            // A part of a parallel plan may take no snapshot: it reads by that of its statement, which is an old
            // one for the next.
            if pg_sys::IsInParallelMode() {
                let statement = Some(pg_sys::GetCurrentStatementStartTimestamp());
                return Self { tenants: tenants_of(caller), changes, statement };
            }
            pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
            let tenants = tenants_of(caller);
            pg_sys::PopActiveSnapshot();
            Self { tenants, changes, statement: None }
        }
    }
}

fn tenants_of(caller: pg_sys::Oid) -> Vec<i64> {
    // SAFETY: a plain call on the main thread.
    let statement = if unsafe { pg_sys::superuser_arg(caller) } {
        "SELECT t.tenant_id FROM atomizer.tenant t WHERE $1 IS NOT NULL ORDER BY 1"
    } else if compat::is_0_0_1() {
        // There members are names, also of roles that are gone.
        "SELECT DISTINCT m.tenant_id FROM atomizer.tenant_member m \
         JOIN pg_catalog.pg_roles r ON r.rolname = m.member_role \
         WHERE pg_catalog.pg_has_role($1, r.oid, 'USAGE') ORDER BY 1"
    } else {
        "SELECT DISTINCT m.tenant_id FROM atomizer.tenant_member m \
         WHERE pg_catalog.pg_has_role($1, m.member_role, 'USAGE') ORDER BY 1"
    };
    owner::read(|reader| {
        reader.rows(statement, &[caller.into()]).map(|row| crate::access::field(&row, 1)).collect()
    })
}

/// Listens for changes of the tables as they are now.
fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: the callbacks live as long as the library, which is never unloaded, and touch atomics only.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::null());
            for cache in [pg_sys::SysCacheIdentifier::AUTHOID, pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM] {
                pg_sys::CacheRegisterSyscacheCallback(
                    cache as i32,
                    Some(role_changed),
                    pg_sys::Datum::null(),
                );
            }
        }
    });
    for (table, name) in TABLES.iter().zip([c"tenant", c"tenant_member"]) {
        table.store(heap::relation(name).to_u32(), Relaxed);
    }
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relation: pg_sys::Oid) {
    let relation = relation.to_u32();
    if relation == 0 || TABLES.iter().any(|table| table.load(Relaxed) == relation) {
        CHANGES.fetch_add(1, Relaxed);
    }
}

unsafe extern "C-unwind" fn role_changed(_: pg_sys::Datum, _: i32, _: u32) {
    CHANGES.fetch_add(1, Relaxed);
}

/// Tells all sessions, at the commit, that the rows of the trigger's table changed.
#[pg_trigger(sql = false)]
fn tenants_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, Infallible> {
    // SAFETY: the relation is open while its trigger runs.
    unsafe {
        pg_sys::CacheInvalidateRelcacheByRelid(trigger.relation().expect("a trigger has a table").oid())
    };
    Ok(None)
}
