//! The report on what loading a model would run.

use crate::errors::{raise, require_arg};
use crate::names::ModelId;
use crate::server_path::ServerPath;
use crate::sources::{self, ModelLocation};
use atomizer_core::formats::safety::{Kind, SafetyReport, Verdict, safety_report};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// The report on a model, wherever it is.
pub fn report_on(location: ModelLocation) -> SafetyReport {
    let opened = sources::open_to_examine(location);
    safety_report(&opened.files, &opened.unopened, &mut || {
        pgrx::check_for_interrupts!();
    })
}

#[allow(clippy::type_complexity)]
#[pg_extern(volatile, parallel_safe, cost = 10000)]
pub fn model_safety_report(
    model_bytes: default!(Option<&[u8]>, "NULL"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_path: default!(Option<ServerPath>, "NULL"),
    model: default!(Option<ModelId>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(verdict, &'static str),
        name!(kind, &'static str),
        name!(place, String),
        name!(what, String),
        name!(why, String),
        name!(count, i64),
    ),
> {
    let location = ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model };
    TableIterator::new(report_on(location).findings.into_iter().map(|found| {
        let (verdict, kind) = (found.verdict.name(), found.kind.name());
        (verdict, kind, found.place, found.what, found.why, found.count as i64)
    }))
}

/// A row of `model_pickle_report`: what the report of the same model says, in its columns.
pub fn pickle_rows(
    report: SafetyReport,
) -> impl Iterator<Item = (&'static str, Option<String>, Option<i64>, String)> {
    report.findings.into_iter().map(|found| match found.kind {
        Kind::Global => (found.verdict.name(), Some(found.what), Some(found.count as i64), found.why),
        _ => (found.verdict.name(), None, None, format!("{}: {}: {}", found.place, found.what, found.why)),
    })
}

/// What happens to a model that is not safe when it is ingested.
#[derive(Clone, Copy, PartialEq)]
pub enum Safety {
    Refuse,
    Warn,
    /// It is not examined.
    Ignore,
}

impl Safety {
    const ALL: [Self; 3] = [Self::Refuse, Self::Warn, Self::Ignore];

    /// The one of a name, in any case.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|safety| safety.label().eq_ignore_ascii_case(name)).unwrap_or_else(|| {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("safety cannot be \"{name}\""),
                "It is refuse, warn or ignore.",
            )
        })
    }

    /// The name in SQL.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
            Self::Ignore => "ignore",
        }
    }

    /// Examines a model, unless it is to be ignored what it is. One that is not safe is an error or, with `warns`, a
    /// NOTICE.
    pub fn check(self, location: ModelLocation, warns: bool) -> Option<Verdict> {
        if self == Self::Ignore {
            return None;
        }
        let report = report_on(location);
        let verdict = report.verdict();
        if let Some(worst) = report.worst().filter(|worst| worst.verdict > Verdict::Safe) {
            let message =
                format!("the model is {}: {}: {}: {}", verdict.name(), worst.place, worst.what, worst.why);
            match self {
                Self::Refuse => raise(
                    PgSqlErrorCode::ERRCODE_DATA_EXCEPTION,
                    message,
                    "model_safety_report() tells everything that was found; safety => 'warn' stores the model all the same.",
                ),
                Self::Warn if warns => {
                    let hint = "model_safety_report() tells everything that was found; safety => 'refuse' stores no such model.";
                    ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "")
                        .set_hint(hint)
                        .report(PgLogLevel::NOTICE);
                }
                _ => {}
            }
        }
        Some(verdict)
    }
}

/// Refuses a model before anything is stored; with `warns`, says that it is not safe.
#[pg_extern(schema = "atomizer_internal", name = "refuse_unsafe", volatile, parallel_unsafe)]
pub fn _refuse_unsafe(
    safety: Option<&str>,
    model_bytes: Option<&[u8]>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    warns: default!(Option<bool>, "false"),
) {
    let safety = Safety::from_name(require_arg("safety", safety));
    let warns = require_arg("warns", warns);
    if safety == Safety::Refuse || warns {
        let location =
            ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model: None };
        safety.check(location, warns);
    }
}
