//! Starts the engine's worker threads so that they never see one of the backend's signals, and runs
//! long work on them that a signal ends.

use atomizer_core::parallel;
use pgrx::pg_sys;
use std::sync::atomic::AtomicBool;

/// Starts the threads with all signals blocked; a thread inherits the mask of the one that starts it.
pub fn start() {
    // SAFETY: sigset_t is plain data that sigfillset and pthread_sigmask write before it is read.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        parallel::start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}

/// Runs work on the threads while the main thread watches for a cancelled query or the backend's end,
/// and then sets the flag that the work looks at. What was asked for is done only after the work has
/// ended, which borrows from the main thread's stack.
pub fn cancellable<R: Send>(work: impl FnOnce(&AtomicBool) -> R + Send) -> R {
    start();
    let result = parallel::cancellable(work, is_interrupted);
    pgrx::check_for_interrupts!();
    result
}

/// Whether a signal asks the current query, or the backend, to end.
fn is_interrupted() -> bool {
    // SAFETY: signal handlers on this thread write these flags, each in one store.
    unsafe {
        let is_set = |flag: *const pg_sys::sig_atomic_t| flag.read_volatile() != 0;
        is_set(&raw const pg_sys::InterruptPending)
            && (is_set(&raw const pg_sys::QueryCancelPending) || is_set(&raw const pg_sys::ProcDiePending))
    }
}
