//! The worker threads. They compute and never call Postgres; whoever starts them blocks signals
//! first, so that a backend's signals reach its main thread only.

use crate::codec::{CodecError, Decoder, Encoder};
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Threads of one process. A server is shared: one backend must not take all of a large machine.
const MAX_THREADS: usize = 4;

static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();

/// Starts the threads, once for each process. Where none can be had, work is done by the caller.
pub fn start() {
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads())
            .thread_name(|no| format!("atomizer {no}"))
            .build()
            .ok()
    });
}

/// Number of worker threads.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Runs `work` on the worker threads, and `meanwhile` on the caller's own.
pub fn overlap<R: Send, T>(work: impl FnOnce() -> R + Send, meanwhile: impl FnOnce() -> T) -> (R, T) {
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
/// `interrupted` panics. (Where no thread could be had there is no one to ask.)
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
    let (result, ()) = overlap(
        || {
            let _ends = ends; // dropped when the work is done, also by a panic
            work(&cancel)
        },
        meanwhile,
    );
    result
}

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::default();
    static DECODER: RefCell<Decoder> = RefCell::default();
}

/// Encodes segments, each with its stride, on all threads, while one of them also goes through the
/// raw bytes in order. `encoded` keeps its memory from one call to the next. Call it within [`overlap`].
pub fn encode_all(
    raw: &[(Vec<u8>, usize)],
    encoded: &mut Vec<Vec<u8>>,
    mut each: impl FnMut(usize, &[u8]) + Send,
) {
    encoded.resize_with(raw.len(), Vec::new);
    rayon::join(
        || {
            raw.par_iter().zip(encoded).for_each(|((raw, stride), encoded)| {
                ENCODER.with_borrow_mut(|encoder| encoder.encode(raw, *stride, encoded));
            });
        },
        || raw.iter().enumerate().for_each(|(no, (raw, _))| each(no, raw)),
    );
}

/// Decodes segments on all threads. `raw` keeps its memory from one call to the next. Call it
/// within [`overlap`].
///
/// # Errors
/// The number of a damaged segment, and what is wrong with it.
pub fn decode_all(encoded: &[Vec<u8>], raw: &mut Vec<Vec<u8>>) -> Result<(), (usize, CodecError)> {
    raw.resize_with(encoded.len(), Vec::new);
    encoded.par_iter().zip(raw).enumerate().try_for_each(|(no, (encoded, raw))| {
        DECODER.with_borrow_mut(|decoder| decoder.decode(encoded, raw)).map_err(|error| (no, error))
    })
}
