//! Background workers that run ingestion jobs, each with the rights of the role that started it.
//!
//! `start_ingestion()` puts a job in the queue: its row says since when it waits, and for which role. A worker
//! runs one job and hands the next ones on; at most `atomizer.max_workers` run at a time in a database.
//! Without `shared_preload_libraries` nobody starts workers when the server starts: the queue then waits for the
//! next `start_ingestion()`.

mod locks;
mod queue;
mod statement;

use crate::errors::{raise, require_arg};
use crate::owner;
use crate::sources::{self, ModelLocation};
use pgrx::bgworkers::BackgroundWorkerBuilder;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::CStr;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::time::Duration;

static MAX_WORKERS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// Makes the settings known. Called when the library is loaded.
pub fn define_settings() {
    GucRegistry::define_int_guc(
        c"atomizer.max_workers",
        c"Background workers that ingest at a time, in each database.",
        c"Further jobs of start_ingestion() wait until one has ended.",
        &MAX_WORKERS,
        1,
        64,
        GucContext::Suset,
        GucFlags::default(),
    );
    #[cfg(not(feature = "pg14"))]
    // SAFETY: a plain call while a library is loaded, which is when it may be called.
    unsafe {
        pg_sys::MarkGUCPrefixReserved(c"atomizer".as_ptr());
    }
}

/// What a worker is started for. It travels as text: a worker is given 128 bytes.
#[derive(Clone, Copy)]
enum Task {
    /// Wait for the end of a transaction, which may have put jobs in the queue, and start their workers.
    Dispatch { transaction: u32 },
    /// Run a job as a role.
    Run { job: i64, role: pg_sys::Oid },
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Dispatch { transaction } => write!(f, "dispatch {transaction}"),
            Self::Run { job, role } => write!(f, "run {job} {}", role.to_u32()),
        }
    }
}

impl FromStr for Task {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        fn number<T: FromStr>(text: &str) -> Result<T, ()> {
            text.parse().map_err(|_| ())
        }
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["dispatch", transaction] => Ok(Self::Dispatch { transaction: number(transaction)? }),
            ["run", job, role] => Ok(Self::Run { job: number(job)?, role: number::<u32>(role)?.into() }),
            _ => Err(()),
        }
    }
}

/// Asks the server for a worker in this database; false when it has no place for one. A place may become
/// free at any moment, so it is asked for a while.
fn start(task: Task) -> bool {
    const PATIENCE: Duration = Duration::from_secs(5);
    const NAP: Duration = Duration::from_millis(100);
    let (name, kind) = match task {
        Task::Dispatch { .. } => ("atomizer dispatcher".to_owned(), "atomizer dispatcher"),
        Task::Run { job, .. } => (format!("atomizer ingestion of job {job}"), "atomizer ingestion"),
    };
    // SAFETY: a plain read on the main thread.
    let database = unsafe { pg_sys::MyDatabaseId };
    let mut waited = Duration::ZERO;
    loop {
        let worker = BackgroundWorkerBuilder::new(&name)
            .set_type(kind)
            .set_library("atomizer")
            .set_function("atomizer_worker")
            .set_argument(Some(database.into()))
            .set_extra(&task.to_string())
            .enable_spi_access()
            .load_dynamic();
        if worker.is_ok() {
            return true;
        } else if waited >= PATIENCE {
            return false;
        }
        pgrx::check_for_interrupts!();
        std::thread::sleep(NAP);
        waited += NAP;
    }
}

#[pg_extern(volatile, parallel_unsafe)]
fn start_ingestion(ingestion_job_id: Option<i64>) -> i64 {
    thread_local! {
        /// The transaction that has a dispatcher: one is enough, however many jobs it starts.
        static DISPATCHED: Cell<u32> = const { Cell::new(0) };
    }
    owner::check_writable("start_ingestion()", "");
    let job = require_arg("ingestion_job_id", ingestion_job_id);
    let caller = owner::caller();
    let (path, lo) = queue::add(caller, job);
    // The rights on the source are the caller's. What is wrong with it is better said here than in the log.
    drop(sources::open(ModelLocation { path: path.as_deref(), lo, ..ModelLocation::default() }));
    // SAFETY: a plain call on the main thread; the queue's row was written, so there is an id.
    let transaction = unsafe { pg_sys::GetTopTransactionId() }.into_inner();
    if DISPATCHED.get() != transaction {
        if !start(Task::Dispatch { transaction }) {
            // SAFETY: a plain read on the main thread.
            let places = unsafe { pg_sys::max_worker_processes };
            raise(
                PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("no background worker is free: the server has {places}, and other work has them all"),
                &format!(
                    "Raise max_worker_processes, or run the job here: CALL atomize_model_governed({job})."
                ),
            );
        }
        DISPATCHED.set(transaction);
    }
    job
}

unsafe extern "C-unwind" {
    /// The server's own handler of SIGTERM, as it is: pgrx' wrapper of it is not made for signals.
    fn die(signal: std::ffi::c_int);
}

/// Where a worker begins.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn atomizer_worker(database: pg_sys::Datum) {
    // SAFETY: this is a process that the server started as a worker of ours: what it was given is there. As
    // other processes, it ends only where it looks for interrupts; by default a worker ends wherever it is.
    let task = unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(libc::SIGTERM, Some(die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(libc::SIGTERM, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
        CStr::from_ptr((&raw const (*pg_sys::MyBgworkerEntry).bgw_extra).cast())
    };
    let task: Task = task
        .to_str()
        .ok()
        .and_then(|task| task.parse().ok())
        .unwrap_or_else(|| error!("a worker was started for {task:?}"));
    let user = match task {
        Task::Run { role, .. } => role,
        // The superuser: no code of users' runs there.
        Task::Dispatch { .. } => pg_sys::InvalidOid,
    };
    // SAFETY: called once, by a worker that asked for a connection.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid((database.value() as u32).into(), user, 0);
    }
    override_settings();
    match task {
        Task::Dispatch { transaction } => {
            let waited = attempt(|| in_transaction(|| locks::wait_for_transaction(transaction)));
            if waited.is_ok() {
                dispatch();
            }
        }
        Task::Run { job, .. } => run(job),
    }
}

/// Settings of the role or the database that would keep a worker from its work, or bring other code into it.
fn override_settings() {
    const SETTINGS: [(&CStr, &CStr); 6] = [
        (c"search_path", c"pg_catalog, pg_temp"),
        (c"default_transaction_read_only", c"off"),
        (c"default_transaction_isolation", c"read committed"),
        (c"default_transaction_deferrable", c"off"),
        (c"lock_timeout", c"0"),
        (c"row_security", c"on"),
    ];
    for (name, value) in SETTINGS {
        // SAFETY: a plain call on the main thread, outside of any transaction; both texts are constants.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
            );
        }
    }
}

thread_local! {
    /// The job that this process, a worker, was started for.
    static OWN_JOB: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Raises an error if this is a worker whose job was taken out of the queue since it was started: a job that was
/// cancelled then must not be claimed. Called in the transaction that claims it.
pub fn check_queued(job: i64) {
    if OWN_JOB.get() == Some(job) && !queue::hold(job) {
        raise(
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
            format!("ingestion job {job} was cancelled before its worker had begun"),
            "",
        );
    }
}

/// Runs a job that is in the queue, if there is a place for it and nobody else runs it.
fn run(job: i64) {
    let has_place = attempt(|| in_transaction(|| locks::take(job, max_workers())));
    if !has_place.unwrap_or(false) {
        return;
    }
    let done = attempt(|| {
        if in_transaction(|| queue::has(job)) {
            OWN_JOB.set(Some(job));
            statement::run_as_client(&format!("CALL atomizer.atomize_model_governed({job})"));
        }
    });
    if let Err(error) = done {
        let report = error_report(&error);
        let message = format!("ingestion job {job} failed: {}", report.message());
        let mut log = ErrorReport::new(report.sql_error_code(), message, "atomizer");
        if let Some(detail) = report.detail() {
            log = log.set_detail(detail);
        }
        if let Some(hint) = report.hint() {
            log = log.set_hint(hint);
        }
        log.report(PgLogLevel::WARNING);
        // A job that could not be claimed must not wait at the queue's head for ever, and one that was interrupted
        // between two steps has no worker any more.
        let code = sqlstate(report.sql_error_code());
        let _ = attempt(|| in_transaction(|| queue::give_up(job, &code, report.message())));
    }
    let _ = attempt(|| in_transaction(|| locks::give_back(job)));
    dispatch();
}

/// Starts workers for jobs in the queue, as many as there is place for.
fn dispatch() {
    let started = attempt(|| {
        in_transaction(|| {
            if !owner::is_installed() {
                return;
            }
            // Those that workers have are still in the queue until they are claimed.
            let places = max_workers();
            for task in locks::startable(places, || queue::next(2 * places)) {
                if !start(task) {
                    warning!(
                        "no background worker is free: ingestion jobs wait until the next start_ingestion()"
                    );
                    return;
                }
                if let Task::Run { job, .. } = task {
                    queue::hand_on(job);
                }
            }
        });
    });
    if let Err(error) = started {
        warning!("the queue of ingestion jobs was not looked at: {}", error_report(&error).message());
    }
}

fn max_workers() -> u32 {
    MAX_WORKERS.get().max(1) as u32
}

/// Does something that may raise an error, which ends the transaction and not the worker.
fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Box<CaughtError>> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|error| {
            // SAFETY: a plain call, after an error that nobody handles but this.
            unsafe { pg_sys::AbortCurrentTransaction() };
            Err(Box::new(error))
        })
        .catch_rust_panic(|error| {
            // SAFETY: as above.
            unsafe { pg_sys::AbortCurrentTransaction() };
            Err(Box::new(error))
        })
        .execute()
}

fn error_report(error: &CaughtError) -> &pg_sys::panic::ErrorReportWithLevel {
    match error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
        CaughtError::RustPanic { ereport, .. } => ereport,
    }
}

/// The five characters of an SQLSTATE.
fn sqlstate(code: PgSqlErrorCode) -> String {
    // SAFETY: the function writes into a buffer of its own, which is copied at once.
    unsafe { CStr::from_ptr(pg_sys::unpack_sql_state(code as i32)).to_string_lossy().into_owned() }
}

/// A transaction of its own.
fn in_transaction<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: a worker is outside of any transaction here; after an error `attempt` ends it.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = work();
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        result
    }
}
