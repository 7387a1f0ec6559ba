//! Time that other work on the machine does not lengthen.

use std::time::Duration;

/// Processor time of the calling thread, from a moment on.
pub struct ProcessorTime(Duration);

impl ProcessorTime {
    /// From now on.
    pub fn start() -> Self {
        Self(of_this_thread())
    }

    /// What the thread has used since.
    pub fn elapsed(&self) -> Duration {
        of_this_thread() - self.0
    }
}

/// The first figure of Linux' `schedstat`: nanoseconds on a processor.
fn of_this_thread() -> Duration {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(figures.split(' ').next().unwrap().parse().unwrap())
}
