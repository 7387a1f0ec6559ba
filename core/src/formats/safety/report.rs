//! What a report says: findings, each with a verdict, what was examined, and never nothing.

use super::limits::MAX_FINDINGS;
use crate::formats::error::tidy_to;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Longest text of a finding. Names of a hostile file stand in it.
const MAX_FINDING_BYTES: usize = 500;

/// What loading the model would do, from harmless to harmful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing that is not known to be harmless.
    Safe,
    /// It depends on the code that is installed, or it could not be told.
    Suspicious,
    /// It runs code, starts programs, or reaches files or networks.
    Dangerous,
}

impl Verdict {
    /// The verdict's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Suspicious => "suspicious",
            Self::Dangerous => "dangerous",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something a pickle imports.
    Global,
    /// A pickle itself.
    Pickle,
    /// A ZIP or tar archive, or one of its entries.
    Archive,
    /// A configuration of Keras.
    Keras,
    /// A graph of TensorFlow.
    TensorFlow,
    /// A graph of ONNX.
    Onnx,
    /// A chat template.
    Template,
    /// A configuration beside the weights, or in them.
    Json,
    /// Source code or machine code beside the weights, or among them.
    Code,
    /// What was not searched, as it is too large or too deep.
    Limit,
    /// What could not be read.
    Unreadable,
    /// What was examined.
    Examined,
}

impl Kind {
    /// The kind's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Pickle => "pickle",
            Self::Archive => "archive",
            Self::Keras => "keras",
            Self::TensorFlow => "tensorflow",
            Self::Onnx => "onnx",
            Self::Template => "template",
            Self::Json => "json",
            Self::Code => "code",
            Self::Limit => "limit",
            Self::Unreadable => "unreadable",
            Self::Examined => "examined",
        }
    }
}

/// One thing that was found, in one place or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub verdict: Verdict,
    /// What it is about.
    pub kind: Kind,
    /// The first place: the file, the entries within it, the byte.
    pub place: String,
    /// What was found.
    pub what: String,
    /// Why it means that.
    pub why: String,
    /// How often it was found.
    pub count: u64,
}

/// What is to be said of the files of a model: at least one finding.
#[derive(Debug, Clone)]
pub struct SafetyReport {
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
}

impl SafetyReport {
    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.findings.first().map_or(Verdict::Suspicious, |worst| worst.verdict)
    }

    /// The worst finding.
    pub fn worst(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

/// Gathers findings.
#[derive(Default)]
pub(super) struct Findings {
    by_content: BTreeMap<(Verdict, Kind, String, String), (String, u64)>,
    pub(super) examined: Examined,
}

/// How much was examined.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) pickles: u64,
    pub(super) configurations: u64,
    pub(super) nodes: u64,
    pub(super) templates: u64,
}

impl Findings {
    /// Adds a finding, or counts it again.
    pub(super) fn add(&mut self, verdict: Verdict, kind: Kind, place: &str, what: &str, why: &str) {
        self.add_many(verdict, kind, place, what, why, 1);
    }

    /// Adds a finding that was made so many times.
    pub(super) fn add_many(
        &mut self,
        verdict: Verdict,
        kind: Kind,
        place: &str,
        what: &str,
        why: &str,
        count: u64,
    ) {
        let tidy = |text: &str| tidy_to(text.to_owned(), MAX_FINDING_BYTES);
        let key = (verdict, kind, tidy(what), tidy(why));
        if self.by_content.len() >= MAX_FINDINGS && !self.by_content.contains_key(&key) {
            let what = format!("more than {MAX_FINDINGS} different findings");
            let key =
                (verdict.max(Verdict::Suspicious), Kind::Limit, what, "the others are only counted".into());
            self.by_content.entry(key).or_insert_with(|| (tidy(place), 0)).1 += count;
            return;
        }
        self.by_content.entry(key).or_insert_with(|| (tidy(place), 0)).1 += count;
    }

    /// The report, with what was examined where nothing is worse than safe.
    pub(super) fn finish(self, place: &str) -> SafetyReport {
        let mut findings: Vec<Finding> = self
            .by_content
            .into_iter()
            .map(|((verdict, kind, what, why), (place, count))| Finding {
                verdict,
                kind,
                place,
                what,
                why,
                count,
            })
            .collect();
        // Within a verdict by kind, then by what was found: the order of the keys.
        findings.sort_by_key(|finding| Reverse(finding.verdict));
        if findings.iter().all(|finding| finding.verdict == Verdict::Safe) {
            findings.push(Finding {
                verdict: Verdict::Safe,
                kind: Kind::Examined,
                place: tidy_to(place.to_owned(), MAX_FINDING_BYTES),
                what: self.examined.to_string(),
                why: "nothing in it runs code when it is loaded".to_owned(),
                count: 1,
            });
        }
        SafetyReport { findings }
    }
}

impl std::fmt::Display for Examined {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { files, bytes, entries, pickles, configurations, nodes, templates } = *self;
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        write!(f, "{files} file{} of {bytes} bytes", plural(files))?;
        for (n, what) in [
            (entries, "archive entr"),
            (pickles, "pickle"),
            (configurations, "configuration"),
            (nodes, "graph node"),
            (templates, "template"),
        ] {
            match what {
                _ if n == 0 => {}
                "archive entr" => write!(f, ", {n} {what}{}", if n == 1 { "y" } else { "ies" })?,
                _ => write!(f, ", {n} {what}{}", plural(n))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_never_empty_and_begins_with_the_worst() {
        let report = Findings::default().finish("a.gguf");
        assert_eq!(report.findings.len(), 1);
        assert_eq!((report.verdict(), report.findings[0].kind), (Verdict::Safe, Kind::Examined));
        let mut findings = Findings::default();
        findings.add(Verdict::Safe, Kind::Global, "a", "x", "y");
        findings.add(Verdict::Dangerous, Kind::Global, "a", "os.system", "it");
        findings.add(Verdict::Dangerous, Kind::Global, "b", "os.system", "it");
        findings.add(Verdict::Suspicious, Kind::Limit, "a", "z", "y");
        let report = findings.finish("a");
        let verdicts: Vec<_> = report.findings.iter().map(|finding| finding.verdict.name()).collect();
        assert_eq!(verdicts, ["dangerous", "suspicious", "safe"]);
        assert_eq!((report.findings[0].count, report.findings[0].place.as_str()), (2, "a"));
    }

    #[test]
    fn findings_are_few_and_short() {
        let mut findings = Findings::default();
        for n in 0..2 * MAX_FINDINGS {
            let verdict = if n == 2 * MAX_FINDINGS - 1 { Verdict::Dangerous } else { Verdict::Safe };
            findings.add(verdict, Kind::Global, &"p".repeat(1000), &format!("{n}\n"), "y");
        }
        let report = findings.finish("a");
        assert_eq!(report.findings.len(), MAX_FINDINGS + 2);
        assert_eq!((report.verdict(), report.findings[0].kind), (Verdict::Dangerous, Kind::Limit));
        assert!(
            report.findings.iter().all(|finding| finding.place.len() < 510 && !finding.what.contains('\n'))
        );
    }
}
