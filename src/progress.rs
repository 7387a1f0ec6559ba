//! Shows how far long work is: a line for the client once a second, and a row of the view `progress` for others.
//!
//! Others see it in the server's own table of processes, where VACUUM and CREATE INDEX show theirs: what a
//! process writes there is seen at once, outside of transactions, on a standby too, and is gone with the
//! process. docs/decisions/0008-progress-in-the-process-table.md has the reasons.

use crate::errors::{raise, require_arg};
use crate::{heap, membership, owner};
use atomizer_core::progress::{LINE_INTERVAL, PARAMS, Phase, Report, Unit, Work};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use std::cell::Cell;
use std::sync::Once;

/// The number of our kind of command; PostgreSQL's own count from 1.
const COMMAND: pg_sys::ProgressCommandType::Type = 0x6174_6f6d;

/// Work of this session.
#[derive(Clone, Copy)]
struct Running {
    report: Report,
    /// When the client was told last.
    told: i64,
    /// How deep in subtransactions it began: it ends with that one.
    level: i32,
    /// Whether it goes on after a commit.
    commits: bool,
}

thread_local! {
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
}

/// What work is about.
#[derive(Clone, Copy, Default)]
pub struct Subject {
    /// The model; 0 for the whole store.
    pub model_id: i64,
    /// Its tenant.
    pub tenant_id: i64,
    /// The ingestion job; 0 for other work.
    pub job_id: i64,
}

impl Subject {
    /// A model, for its tenant to see.
    pub fn model(model_id: i64) -> Self {
        let tenant_id =
            owner::read_value("SELECT tenant_id FROM atomizer.model WHERE model_id = $1", &[model_id.into()]);
        Self { model_id, tenant_id: tenant_id.unwrap_or(0), job_id: 0 }
    }
}

/// Work of one function; shown until this is dropped.
pub struct Scope {
    /// Work that is a part of other work is not shown itself.
    shown: bool,
}

impl Drop for Scope {
    fn drop(&mut self) {
        if self.shown {
            finish();
        }
    }
}

/// Begins the work of a function, unless it is a part of other work: that one then goes on.
pub fn function(work: Work, subject: Subject, phase: Phase, unit: Unit, total: u64) -> Scope {
    if RUNNING.get().is_some_and(|running| !running.commits) {
        return Scope { shown: false };
    }
    begin(work, subject, phase, unit, 0, total, false);
    Scope { shown: true }
}

/// Tells how far a procedure is that commits as it goes: at the beginning of each of its steps. A step may tell
/// more with [`set_done`], and the last one calls [`finish`].
pub fn step(work: Work, subject: Subject, phase: Phase, unit: Unit, done: u64, total: u64) {
    match RUNNING.get() {
        Some(Running { report, commits: true, .. })
            if (report.work, report.model_id, report.job_id) == (work, subject.model_id, subject.job_id) =>
        {
            set(phase, done, total);
        }
        _ => begin(work, subject, phase, unit, done, total, true),
    }
}

fn begin(work: Work, subject: Subject, phase: Phase, unit: Unit, done: u64, total: u64, commits: bool) {
    watch();
    let (now, level) = (now(), nest_level());
    let Subject { model_id, tenant_id, job_id } = subject;
    let report = Report {
        work,
        phase,
        unit,
        model_id,
        tenant_id,
        job_id,
        done,
        total,
        done_before: done,
        started: now,
        phase_started: now,
    };
    show(Running { report, told: now, level, commits });
}

/// Tells what is done of a phase.
fn set(phase: Phase, done: u64, total: u64) {
    let Some(mut running) = RUNNING.get() else { return };
    let report = &mut running.report;
    if report.phase != phase {
        (report.phase, report.done_before, report.phase_started) = (phase, done, now());
    }
    // A step that goes back, or knows less of its beginning than the one before, does not start the clock anew.
    report.done_before = report.done_before.min(done);
    (report.done, report.total) = (done, total);
    show(running);
}

/// Tells what is done of the phase.
pub fn set_done(done: u64) {
    if let Some(Running { report, .. }) = RUNNING.get() {
        set(report.phase, done, report.total);
    }
}

/// Counts stored bytes that were read, if reading is what the work does.
pub fn count_read(bytes: u64) {
    if let Some(Running { report, .. }) = RUNNING.get()
        && report.phase.counts_reads()
    {
        set(report.phase, report.done + bytes, report.total);
    }
}

/// The work has ended.
pub fn finish() {
    if RUNNING.take().is_some() {
        // SAFETY: a plain call on the main thread, about this process' own entry.
        unsafe {
            if is_shown() {
                pg_sys::pgstat_progress_end_command();
            }
        }
    }
}

/// Shows work to others and, once a second, to the client.
fn show(mut running: Running) {
    let (now, params) = (now(), running.report.to_params());
    let index: [i32; PARAMS] = std::array::from_fn(|index| index as i32);
    // SAFETY: plain calls on the main thread, about this process' own entry; both arrays have PARAMS elements.
    unsafe {
        // CREATE INDEX and the like, and the end of a subtransaction, take the place for themselves.
        if !is_shown() {
            pg_sys::pgstat_progress_start_command(COMMAND, pg_sys::InvalidOid);
        }
        pg_sys::pgstat_progress_update_multi_param(PARAMS as i32, index.as_ptr(), params.as_ptr());
    }
    let tell = now - running.told >= LINE_INTERVAL.as_micros() as i64;
    if tell {
        running.told = now;
    }
    RUNNING.set(Some(running));
    if tell {
        notice!("{}", running.report.line(now));
    }
}

/// Whether this process' entry shows work of ours.
///
/// # Safety
///
/// On the main thread only.
unsafe fn is_shown() -> bool {
    // SAFETY: the entry lives as long as the process, and only its main thread writes to it.
    unsafe { pg_sys::MyBEEntry.as_ref() }.is_some_and(|entry| entry.st_progress_command == COMMAND)
}

fn now() -> i64 {
    // SAFETY: a plain call.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

fn nest_level() -> i32 {
    // SAFETY: a plain call on the main thread.
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

/// Begins to watch for ends of transactions, once in a session: work ends with them.
fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: the callbacks live as long as the library, which is never unloaded, and raise no error.
        unsafe {
            pg_sys::RegisterXactCallback(Some(transaction_ends), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), std::ptr::null_mut());
        }
    });
}

unsafe extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, _: *mut std::ffi::c_void) {
    let goes_on = match event {
        pg_sys::XactEvent::XACT_EVENT_ABORT => false,
        pg_sys::XactEvent::XACT_EVENT_COMMIT => RUNNING.get().is_some_and(|running| running.commits),
        _ => true,
    };
    if !goes_on {
        finish();
    }
}

unsafe extern "C-unwind" fn subtransaction_ends(
    event: pg_sys::SubXactEvent::Type,
    _: pg_sys::SubTransactionId,
    _: pg_sys::SubTransactionId,
    _: *mut std::ffi::c_void,
) {
    let is_inside = || RUNNING.get().is_some_and(|running| running.level >= nest_level());
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB && is_inside() {
        finish();
    }
}

/// How far a function in SQL is: the first call begins, each further one tells.
#[pg_extern(schema = "atomizer_internal", name = "report_progress", volatile, parallel_unsafe)]
fn _report_progress(
    what: Option<&str>,
    phase: Option<&str>,
    done: Option<i64>,
    total: Option<i64>,
    unit: default!(Option<&str>, "'bytes'"),
) {
    let work = named("what", what, Work::from_name);
    let phase = named("phase", phase, Phase::from_name);
    let unit = named("unit", unit, Unit::from_name);
    let (done, total) = (done.unwrap_or(0).max(0) as u64, total.unwrap_or(0).max(0) as u64);
    match RUNNING.get() {
        Some(Running { commits: false, report, .. }) if report.work == work => set(phase, done, total),
        // A part of other work.
        Some(Running { commits: false, .. }) => {}
        _ => begin(work, Subject::default(), phase, unit, done, total, false),
    }
}

fn named<T>(argument: &str, name: Option<&str>, from_name: impl Fn(&str) -> Option<T>) -> T {
    let name = require_arg(argument, name);
    from_name(name).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no {argument} \"{name}\""),
            "",
        )
    })
}

/// The work of a function in SQL has ended.
#[pg_extern(schema = "atomizer_internal", name = "end_progress", volatile, parallel_unsafe)]
fn _end_progress(what: &str) {
    if RUNNING.get().is_some_and(|running| !running.commits && running.report.work.name() == what) {
        finish();
    }
}

/// The long work of this database that the caller may see.
#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "running_work", volatile, parallel_restricted)]
fn _running_work() -> TableIterator<
    'static,
    (
        name!(pid, i32),
        name!(what, String),
        name!(model_id, Option<i64>),
        name!(ingestion_job_id, Option<i64>),
        name!(phase, String),
        name!(done, i64),
        name!(total, Option<i64>),
        name!(unit, String),
        name!(rate, Option<String>),
        name!(started, TimestampWithTimeZone),
        name!(eta, Option<TimestampWithTimeZone>),
    ),
> {
    let tenants = membership::my_tenant_ids();
    let indexed = [c"atom_embedding", c"tensor_atom"].map(heap::relation);
    let now = now();
    let rows: Vec<_> = processes()
        .filter(|entry| {
            use pg_sys::BackendState::{STATE_FASTPATH, STATE_RUNNING};
            // SAFETY: plain reads and calls on the main thread.
            let here = unsafe { entry.st_databaseid == pg_sys::MyDatabaseId };
            here && [STATE_RUNNING, STATE_FASTPATH].contains(&entry.st_state)
        })
        .filter_map(|entry| Some((report_of(&entry, &indexed)?, entry)))
        .filter(|(report, entry)| match report.tenant_id {
            // SAFETY: plain calls on the main thread.
            0 => unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), entry.st_userid) },
            tenant => tenants.contains(&tenant),
        })
        .map(|(report, entry)| {
            let id = |id: i64| (id != 0).then_some(id);
            let eta = report.time_left(now).map(|left| now.saturating_add(left.as_micros() as i64));
            (
                entry.st_procpid,
                report.work.name().to_owned(),
                id(report.model_id),
                id(report.job_id),
                report.phase.name().to_owned(),
                report.done as i64,
                id(report.total as i64),
                report.unit.name().to_owned(),
                report.rate_text(now),
                time(report.started).unwrap_or_else(|| time(now).expect("now is a time")),
                eta.and_then(time),
            )
        })
        .collect();
    TableIterator::new(rows)
}

fn time(micros: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(micros).ok()
}

/// What a process shows: our work, or an index of ours that is built, which PostgreSQL tells of.
fn report_of(entry: &pg_sys::PgBackendStatus, indexed: &[pg_sys::Oid]) -> Option<Report> {
    /// Numbers of commands/progress.h.
    const BLOCKS_TOTAL: usize = 15;
    const BLOCKS_DONE: usize = 16;
    match entry.st_progress_command {
        COMMAND => Report::from_params(&entry.st_progress_param),
        pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX
            if indexed.contains(&entry.st_progress_command_target) =>
        {
            Some(Report {
                work: Work::BuildIndexes,
                phase: Phase::Indexing,
                unit: Unit::Blocks,
                model_id: 0,
                tenant_id: 0,
                job_id: 0,
                done: entry.st_progress_param[BLOCKS_DONE].max(0) as u64,
                total: entry.st_progress_param[BLOCKS_TOTAL].max(0) as u64,
                done_before: 0,
                started: entry.st_activity_start_timestamp,
                phase_started: entry.st_activity_start_timestamp,
            })
        }
        _ => None,
    }
}

/// The processes of the server, as this transaction saw them first; `pg_stat_activity` does so, too.
fn processes() -> impl Iterator<Item = pg_sys::PgBackendStatus> {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    use pg_sys::pgstat_fetch_stat_local_beentry as entry_of;
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    use pg_sys::pgstat_get_local_beentry_by_index as entry_of;
    // SAFETY: plain calls on the main thread; the local copies live until the transaction ends.
    let count = unsafe { pg_sys::pgstat_fetch_stat_numbackends() };
    (1..=count).filter_map(|number| unsafe {
        // SAFETY: as above.
        entry_of(number).as_ref().map(|entry| entry.backendStatus)
    })
}

/// Whether a process that was started then still lives and does not idle; null where that can't be known, on a standby.
#[pg_extern(schema = "atomizer_internal", name = "is_alive", volatile, strict, parallel_restricted)]
fn _is_alive(pid: i32, backend_start: TimestampWithTimeZone) -> Option<bool> {
    // SAFETY: a plain call on the main thread.
    if unsafe { pg_sys::RecoveryInProgress() } {
        return None;
    }
    let start = i64::from(backend_start);
    Some(processes().any(|entry| {
        entry.st_procpid == pid
            && entry.st_proc_start_timestamp == start
            && entry.st_state != pg_sys::BackendState::STATE_IDLE
    }))
}
