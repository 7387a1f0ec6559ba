//! The state of a report that is being made, and what all that examine parts of a model share.

use super::limits::{Budget, MAX_TEXT_FILE_BYTES};
use super::report::{Findings, Kind, Verdict};
use crate::source::{Source, SourceError};

/// What a part is taken for where its content does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// A pickle: it is what the file would be loaded as.
    Pickle,
    /// A file with weights, which must be something that is known.
    Weights,
    /// A text, an image, a tensor's bytes: anything.
    Data,
}

/// The state of a report that is being made.
pub(super) struct Walk<'t> {
    pub(super) findings: Findings,
    pub(super) budget: Budget,
    /// Called now and then: it may end the work by a panic of the caller's.
    pub(super) tick: &'t mut dyn FnMut(),
}

impl Walk<'_> {
    /// A part of the model could not be read.
    pub(super) fn unreadable(&mut self, place: &str, error: &dyn std::fmt::Display) {
        let why = "what is in it is not known";
        self.findings.add(Verdict::Suspicious, Kind::Unreadable, place, &error.to_string(), why);
    }

    /// A text, as far as texts are read.
    pub(super) fn text(&mut self, source: &dyn Source, place: &str) -> Result<String, SourceError> {
        if source.len() > MAX_TEXT_FILE_BYTES {
            self.limit(place, &format!("more than {MAX_TEXT_FILE_BYTES} bytes of a text"));
        }
        let mut bytes = vec![0; source.len().min(MAX_TEXT_FILE_BYTES) as usize];
        source.read_at(0, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Something was not examined, as there is too much of it.
    pub(super) fn limit(&mut self, place: &str, what: &str) {
        let why = "what is beyond the limit was not examined";
        self.findings.add(Verdict::Suspicious, Kind::Limit, place, what, why);
    }
}

/// True for names of files that Python's tools load as pickles.
pub(super) fn is_named_as_pickle(name: &str) -> bool {
    const SUFFIXES: [&str; 9] = [".pkl", ".pickle", ".joblib", ".dill", ".bin", ".p", ".pt", ".pth", ".ckpt"];
    let lower = name.to_ascii_lowercase();
    SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
}
