//! The worker threads. They compute and never call Postgres; whoever starts them blocks signals
//! first, so that a backend's signals reach its main thread only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Threads of one process. A server is shared: one backend must not take all of a large machine.
const MAX_THREADS: usize = 4;

static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();

/// Starts the threads, once for each process. Where none can be started, work is done by the caller.
pub fn start() {
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads())
            .thread_name(|index| format!("atomizer {index}"))
            .build()
            .ok()
    });
}

/// Number of worker threads.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Runs `work` on the worker threads, and `meanwhile` on the caller's own.
pub fn run_on_pool_while<R: Send, T>(
    work: impl FnOnce() -> R + Send,
    meanwhile: impl FnOnce() -> T,
) -> (R, T) {
    let Some(Some(pool)) = POOL.get() else {
        return (work(), meanwhile());
    };
    let mut result = None;
    let done = pool.in_place_scope(|scope| {
        scope.spawn(|_| result = Some(work()));
        meanwhile()
    });
    (result.expect("a scope ends after its tasks"), done)
}

/// How long the caller's thread waits before it looks for an interrupt again.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(20);

/// Runs `work` on the worker threads, while the caller's own thread asks `interrupted`, fifty times a
/// second, whether it should end. If so the flag that `work` is given is set; it is set too if
/// `interrupted` panics. (Where no thread could be started there is no one to ask.)
pub fn cancellable<R: Send>(
    work: impl FnOnce(&AtomicBool) -> R + Send,
    mut interrupted: impl FnMut() -> bool,
) -> R {
    struct SetOnDrop<'a>(&'a AtomicBool);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let cancel = AtomicBool::new(false);
    let (ends, ended) = mpsc::channel::<()>();
    let meanwhile = || {
        let _set = SetOnDrop(&cancel);
        while ended.recv_timeout(INTERRUPT_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            if interrupted() {
                cancel.store(true, Ordering::Relaxed);
            }
        }
    };
    let (result, ()) = run_on_pool_while(
        || {
            let _ends = ends; // dropped when the work is done, also by a panic
            work(&cancel)
        },
        meanwhile,
    );
    result
}
