//! "Is this file safe?": every global that the pickles of a model's files would import, with a
//! verdict. Python calls what a pickle names, so loading a file with a dangerous global by Python's
//! own means runs code; this engine never imports or calls anything.

use super::classify::{Verdict, classify};
use crate::formats::containers::pickle::{self, Global};
use crate::formats::containers::zip;
use crate::formats::error::{ParseError, too_large};
use crate::formats::files::{FileRole, FileSet};
use crate::formats::support::header_reader::HeaderReader;
use crate::formats::torch::legacy;
use crate::formats::{self, detect, numpy};
use crate::model::Format;
use crate::source::Source;
use std::collections::BTreeMap;

/// Most globals of all files together; a file that names more is not a model.
const MAX_GLOBALS: usize = 100_000;

/// A global that a pickle would import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalUse {
    /// The module.
    pub module: String,
    /// The name within it.
    pub name: String,
    /// How often it is imported over all files.
    pub import_count: u64,
    /// What that means.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'static str,
}

/// What the pickles of a model's files would import.
#[derive(Debug, Clone, Default)]
pub struct PickleReport {
    /// Number of pickles that were read.
    pub pickles: u64,
    /// Their globals, the most harmful first.
    pub globals: Vec<GlobalUse>,
    /// Pickles that could not be read to their ends, and why. What they import before that is among
    /// the globals: Python would have called it already.
    pub broken: Vec<String>,
}

impl PickleReport {
    /// The worst verdict: what is broken counts as unknown.
    pub fn verdict(&self) -> Verdict {
        let broken = if self.broken.is_empty() { Verdict::Safe } else { Verdict::Unknown };
        self.globals.iter().map(|global| global.verdict).fold(broken, Verdict::max)
    }
}

/// Reads every pickle in the files of a model: those of ZIP archives, the streams of torch's legacy
/// files, object arrays of NumPy, and whatever is of no other format: that is a pickle, or counts as a broken one.
/// Of the files beside the weights, those that are pickles by content or name; Python sources, which loading a model
/// may run, count as unknown.
///
/// # Errors
/// [`ParseError`] when a file cannot be read at all.
pub fn pickle_report(files: &FileSet) -> Result<PickleReport, ParseError> {
    let mut report = Collector::default();
    for file_no in formats::shards(files) {
        report
            .file(files.name(file_no), files.source(file_no))
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
    }
    for file_no in files.with_role(FileRole::Companion) {
        report
            .companion(files.name(file_no), files.source(file_no))
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
    }
    Ok(report.finish())
}

/// Ends of names of files that Python's tools load as pickles.
const PICKLE_SUFFIXES: [&str; 5] = [".pkl", ".pickle", ".joblib", ".dill", ".bin"];

#[derive(Default)]
struct Collector {
    report: PickleReport,
    import_counts: BTreeMap<(String, String), u64>,
}

impl Collector {
    fn file(&mut self, name: &str, source: &dyn Source) -> Result<(), ParseError> {
        if zip::is_archive(source)? {
            for entry in zip::entries(source)? {
                let what = format!("{name}: {}", entry.name);
                if [".pkl", ".pickle", "_pkl"].iter().any(|suffix| entry.name.ends_with(suffix)) {
                    match entry.verify(source) {
                        Ok(()) => self.stream(&what, &*entry.open(source)?, 0, 1)?,
                        Err(error) => self.report.broken.push(format!("{what}: {error}")),
                    }
                } else if entry.name.ends_with(".npy") {
                    self.array(&what, &*entry.open(source)?)?;
                }
            }
            return Ok(());
        }
        if numpy::is_array(source)? {
            return self.array(name, source);
        }
        // Protocols 0 and 1 have no mark of their own, and any opcode may come first: what is of no other
        // format is read as a pickle, and what is none counts as broken. No row would say that it is safe.
        if matches!(detect(source), Ok(format) if format != Format::PyTorch) {
            return Ok(());
        }
        let pickles = if legacy::is_legacy(source)? { legacy::LEGACY_PICKLES } else { 1 };
        self.stream(name, source, 0, pickles)
    }

    /// A file that stands beside the weights: most are texts.
    fn companion(&mut self, name: &str, source: &dyn Source) -> Result<(), ParseError> {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".py") {
            self.report.broken.push(format!("{name}: Python source, which trust_remote_code runs"));
            return Ok(());
        }
        let is_pickle = PICKLE_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix));
        let is_known = zip::is_archive(source)? || numpy::is_array(source)?;
        if is_pickle || is_known || matches!(detect(source), Ok(Format::PyTorch)) {
            return self.file(name, source);
        }
        Ok(())
    }

    /// The pickle behind the header of an object array.
    fn array(&mut self, what: &str, source: &dyn Source) -> Result<(), ParseError> {
        match numpy::objects_at(source) {
            Ok(Some(offset)) => self.stream(what, source, offset, 1),
            Ok(None) => Ok(()),
            Err(error) => {
                self.report.broken.push(format!("{what}: {error}"));
                Ok(())
            }
        }
    }

    /// Pickles one behind the other.
    fn stream(
        &mut self,
        what: &str,
        source: &dyn Source,
        offset: u64,
        pickles: usize,
    ) -> Result<(), ParseError> {
        let mut reader = HeaderReader::new(source);
        reader.skip(offset, "the pickle")?;
        for _ in 0..pickles {
            let (pickle, result) = pickle::read_partial(&mut reader);
            self.report.pickles += 1;
            for (Global { module, name }, import_count) in pickle.globals() {
                *self.import_counts.entry((module.clone(), name.clone())).or_default() += import_count;
            }
            if self.import_counts.len() > MAX_GLOBALS {
                return Err(too_large!("the pickles import more than {MAX_GLOBALS} names"));
            }
            if let Err(error) = result {
                self.report.broken.push(format!("{what}: {error}"));
                break;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> PickleReport {
        for ((module, name), import_count) in self.import_counts {
            let (verdict, reason) = classify(&module, &name);
            self.report.globals.push(GlobalUse { module, name, import_count, verdict, reason });
        }
        self.report.globals.sort_by(|a, b| {
            b.verdict.cmp(&a.verdict).then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
        });
        self.report
    }
}
