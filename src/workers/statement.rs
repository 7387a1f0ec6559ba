//! Running a statement as if a client had sent it: a procedure may then commit, which it may not under SPI unless
//! something outside of SPI has a portal. The steps are those of exec_simple_query() in postgres.c.

use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;

/// Runs one statement that returns no rows, in a transaction that it may end itself.
pub fn run_as_client(text: &str) {
    // A worker runs one statement in its life: text and plans are kept until its end, and the server's messages
    // may show the text at any time.
    let text: &CStr = Box::leak(CString::new(text).expect("a statement has no zero byte").into_boxed_c_str());
    let mut memory = ManuallyDrop::new(PgMemoryContexts::new("atomizer statement"));
    // SAFETY: a worker is outside of any transaction here, on its main thread; text and plans live as long as
    // the process. An error is raised by Postgres itself, and whoever handles it ends the transaction, and the portal with it.
    unsafe {
        pg_sys::debug_query_string = text.as_ptr();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let plans = memory.switch_to(|_| {
            let statement = pg_sys::list_nth(pg_sys::pg_parse_query(text.as_ptr()), 0);
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let queries = analyze(statement.cast(), text);
            let plans = pg_sys::pg_plan_queries(queries, text.as_ptr(), 0, std::ptr::null_mut());
            pg_sys::PopActiveSnapshot();
            plans
        });
        let portal = pg_sys::CreatePortal(c"".as_ptr(), true, true);
        (*portal).visible = false;
        pg_sys::PortalDefineQuery(
            portal,
            std::ptr::null(),
            text.as_ptr(),
            pg_sys::CommandTag::CMDTAG_CALL,
            plans,
            std::ptr::null_mut(),
        );
        pg_sys::PortalStart(portal, std::ptr::null_mut(), 0, std::ptr::null_mut());
        let nobody = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone);
        let mut completion = pg_sys::QueryCompletion::default();
        memory.switch_to(|_| {
            #[cfg(not(feature = "pg18"))]
            pg_sys::PortalRun(portal, std::ffi::c_long::MAX, true, true, nobody, nobody, &mut completion);
            #[cfg(feature = "pg18")]
            pg_sys::PortalRun(portal, std::ffi::c_long::MAX, true, nobody, nobody, &mut completion);
        });
        pg_sys::PortalDrop(portal, false);
        pg_sys::CommitTransactionCommand();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
    }
}

/// # Safety
///
/// Within a transaction that has a snapshot, on the main thread.
unsafe fn analyze(statement: *mut pg_sys::RawStmt, text: &CStr) -> *mut pg_sys::List {
    let (none, nothing) = (std::ptr::null(), std::ptr::null_mut());
    // SAFETY: as the caller says; there are no parameters.
    unsafe {
        #[cfg(feature = "pg14")]
        return pg_sys::pg_analyze_and_rewrite(statement, text.as_ptr(), none, 0, nothing);
        #[cfg(not(feature = "pg14"))]
        pg_sys::pg_analyze_and_rewrite_fixedparams(statement, text.as_ptr(), none, 0, nothing)
    }
}
