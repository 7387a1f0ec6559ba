//! Starts the engine's worker threads so that they never see one of the backend's signals.

use atomizer_core::parallel;

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
