//! Locks by which workers agree, in the server's table of locks: they go with the process that holds them, however
//! it ends. They are advisory locks of this database with numbers that users' own never have.

use pgrx::pg_sys;

/// What is locked. The number stands where PostgreSQL has 1 and 2 for users' advisory locks.
#[derive(Clone, Copy)]
enum Lock {
    /// Taking places and counting free ones.
    Places,
    /// One of the places of workers.
    Slot(u32),
    /// A job that a worker runs.
    Job(i64),
}

impl Lock {
    fn tag(self) -> pg_sys::LOCKTAG {
        let (number, high, low) = match self {
            Self::Places => (0xa701, 0, 0),
            Self::Slot(slot) => (0xa702, 0, slot),
            Self::Job(job) => (0xa703, (job >> 32) as u32, job as u32),
        };
        pg_sys::LOCKTAG {
            // SAFETY: a plain read on the main thread.
            locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
            locktag_field2: high,
            locktag_field3: low,
            locktag_field4: number,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        }
    }

    /// Takes the lock until it is given back, or the process ends; false if another process has it.
    fn try_take(self) -> bool {
        self.take(true)
    }

    fn take(self, at_once: bool) -> bool {
        // SAFETY: a plain call within a transaction.
        let result = unsafe { pg_sys::LockAcquire(&self.tag(), pg_sys::ExclusiveLock as i32, true, at_once) };
        result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }

    fn give_back(self) {
        // SAFETY: a plain call within a transaction, for a lock that is held.
        unsafe { pg_sys::LockRelease(&self.tag(), pg_sys::ExclusiveLock as i32, true) };
    }

    /// Whether nobody has the lock. Only asked while nobody else takes one.
    fn is_free(self) -> bool {
        let free = self.try_take();
        if free {
            self.give_back();
        }
        free
    }

    fn is_held(self) -> bool {
        // SAFETY: a plain call within a transaction.
        unsafe { pg_sys::LockHeldByMe(&self.tag(), pg_sys::ExclusiveLock as i32) }
    }
}

/// Does something while no other worker takes or counts places and jobs.
fn alone<T>(work: impl FnOnce() -> T) -> T {
    Lock::Places.take(false);
    let result = work();
    Lock::Places.give_back();
    result
}

/// Most places there can be: the limit of the setting.
const MAX_SLOTS: u32 = 64;

/// Takes a job, and a place of `count` for it; false when another worker has the job, or all places are taken.
pub fn take(job: i64, count: u32) -> bool {
    alone(|| Lock::Job(job).try_take() && (0..count).any(|slot| Lock::Slot(slot).try_take()))
}

/// The jobs that there is a place for, of `count`: the first ones that no worker has.
pub fn startable<T>(count: u32, jobs: impl FnOnce() -> Vec<(i64, T)>) -> Vec<T> {
    alone(|| {
        let places = (0..count).filter(|slot| Lock::Slot(*slot).is_free()).count();
        let free = |(job, task): (i64, T)| Lock::Job(job).is_free().then_some(task);
        jobs().into_iter().filter_map(free).take(places).collect()
    })
}

/// Gives back a job, and the place that its worker took.
pub fn give_back(job: i64) {
    let slots = (0..MAX_SLOTS).map(Lock::Slot);
    for lock in slots.chain([Lock::Job(job)]).filter(|lock| lock.is_held()) {
        lock.give_back();
    }
}

/// Waits until a transaction has ended.
pub fn wait_for_transaction(transaction: u32) {
    // SAFETY: a plain call within a transaction.
    unsafe {
        pg_sys::XactLockTableWait(
            pg_sys::TransactionId::from_inner(transaction),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            pg_sys::XLTW_Oper::XLTW_None,
        );
    }
}
