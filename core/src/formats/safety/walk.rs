//! From the files of a model to what is in them: what each one is by its content, whatever its name, and, where it
//! holds others, what those are.

use super::json::looks_like_json;
use super::limits::{Budget, MAX_NESTED, MAX_PARTS};
use super::pickles::Behind;
use super::report::{Findings, Kind, SafetyReport, Verdict};
use super::state::{Nature, Walk, is_named_as_pickle};
use super::{arrays, compressed, gguf, tar, zip};
use crate::formats::containers::hdf5;
use crate::formats::files::{FileRole, FileSet};
use crate::formats::{detect, shards};
use crate::model::Format;
use crate::source::{Source, SourceError};

/// Bytes of a beginning that tell what most files are. A tar header has 512.
const HEAD_BYTES: u64 = 1 << 10;

/// Examines the files of a model, those beside the weights, too. `tick` is called every now and then, for the caller
/// to interrupt. What cannot be read is a finding, never an error.
/// `unopened` are files of which it is known that they could not be opened, and why.
pub fn safety_report(files: &FileSet, unopened: &[(String, String)], tick: &mut dyn FnMut()) -> SafetyReport {
    let mut walk = Walk { findings: Findings::default(), budget: Budget::default(), tick };
    for (name, error) in unopened {
        walk.unreadable(name, error);
    }
    let weights = shards(files);
    for file_no in 0..files.len() {
        let (name, source) = (files.name(file_no), files.source(file_no));
        walk.findings.examined.files += 1;
        walk.findings.examined.bytes += source.len();
        let nature = match files.role(file_no) {
            FileRole::Weights if weights.contains(&file_no) => Nature::Weights,
            _ if is_named_as_pickle(name) => Nature::Pickle,
            _ => Nature::Data,
        };
        walk.file(source, name, nature);
    }
    walk.findings.finish(if files.is_empty() { "no file" } else { files.name(0) })
}

impl Walk<'_> {
    fn file(&mut self, source: &dyn Source, name: &str, nature: Nature) {
        if let Err(error) = self.part(source, name, nature, 0) {
            self.unreadable(name, &error);
        }
    }

    /// Examines what fills a source: a file, an entry of an archive, bytes in a pickle.
    pub(super) fn part(
        &mut self,
        source: &dyn Source,
        place: &str,
        nature: Nature,
        depth: usize,
    ) -> Result<(), SourceError> {
        (self.tick)();
        let Some(left) = self.budget.parts.checked_sub(1) else {
            self.limit(place, &format!("more than {MAX_PARTS} files and entries"));
            return Ok(());
        };
        self.budget.parts = left;
        if depth > MAX_NESTED {
            self.limit(place, &format!("more than {MAX_NESTED} files within each other"));
            return Ok(());
        }
        let mut head = vec![0; source.len().min(HEAD_BYTES) as usize];
        source.read_at(0, &mut head)?;
        if head.is_empty() {
            if nature == Nature::Weights {
                self.unreadable(place, &"the file is empty");
            }
            return Ok(());
        }
        let holds = self.contents(source, &head, place, depth)?;
        let format = if depth == 0 || is_named_as_graph(place) { detect(source).ok() } else { None };
        let is_other = holds || format.is_some_and(|format| format != Format::PyTorch);
        self.graph(source, format, place)?;
        // Python reads a pickle from the first byte on, whatever else the bytes are.
        let as_pickle = match nature {
            Nature::Pickle | Nature::Weights if !is_other => Nature::Pickle,
            _ => Nature::Data,
        };
        self.pickles(source, 0, place, as_pickle, depth, Behind::Nothing)?;
        Ok(())
    }

    /// What is found by its beginning, or its end. True where the part is something that is known.
    fn contents(
        &mut self,
        source: &dyn Source,
        head: &[u8],
        place: &str,
        depth: usize,
    ) -> Result<bool, SourceError> {
        let mut known = false;
        if zip::is_archive(source, head)? {
            self.zip(source, place, depth)?;
            // Something may stand before an archive, which is then not all of the file.
            known |= head.starts_with(b"PK");
        }
        if tar::is_archive(head) {
            self.tar(source, place, depth)?;
            known = true;
        }
        if let Some(method) = compressed::method(head) {
            known |= self.compressed(source, method, place, depth)?;
        }
        if arrays::is_array(head) {
            self.array(source, place, depth)?;
            known = true;
        }
        if head.starts_with(gguf::MAGIC) {
            self.gguf(source, place);
            known = true;
        }
        if looks_like_json(head) {
            self.json_text(source, place);
            known = true;
        }
        if self.safetensors(source, head, place) {
            known = true;
        }
        if (depth == 0 || head.starts_with(hdf5::SIGNATURE)) && hdf5::is_hdf5(source)? {
            self.hdf5(source, place);
            known = true;
        }
        self.code(source, head, place)?;
        Ok(known)
    }

    /// Graphs, which have no mark, and are told by their structure.
    fn graph(&mut self, source: &dyn Source, format: Option<Format>, place: &str) -> Result<(), SourceError> {
        match format {
            Some(Format::Onnx) => self.onnx(source, place),
            Some(Format::TensorFlow) => self.tensorflow(source, place),
            _ => {}
        }
        Ok(())
    }

    /// Source code and machine code, which whoever serves the model may load.
    fn code(&mut self, source: &dyn Source, head: &[u8], place: &str) -> Result<(), SourceError> {
        const MACHINE_CODE: &[&[u8]] =
            &[b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
        let name = place.to_ascii_lowercase();
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        let is_torch_script = place.contains("/code/") || name.contains(": code/");
        let what = if is_torch_script && ends(&[".py"]) {
            return self.torch_script(source, place);
        } else if ends(&[".py", ".pyw", ".ipynb"]) {
            "Python source"
        } else if ends(&[".pyc", ".pyo"]) {
            "compiled Python"
        } else if ends(&[".so", ".dll", ".pyd", ".dylib", ".exe"])
            || MACHINE_CODE.iter().any(|mark| head.starts_with(mark))
            || (head.starts_with(b"MZ") && head.windows(2).any(|two| two == b"PE"))
        {
            "machine code"
        } else if ends(&[".sh", ".bat", ".ps1"]) || head.starts_with(b"#!") {
            "a script"
        } else if ends(&[".yaml", ".yml"]) {
            return self.yaml(source, place);
        } else if ends(&[".jinja", ".jinja2"]) {
            return self.template_file(source, place);
        } else {
            return Ok(());
        };
        let why = "loading the model may run it: trust_remote_code, handlers of servers, custom operators";
        self.findings.add(Verdict::Suspicious, Kind::Code, place, what, why);
        Ok(())
    }

    /// A program in TorchScript, which torch's own interpreter runs: it reaches files by few operators.
    fn torch_script(&mut self, source: &dyn Source, place: &str) -> Result<(), SourceError> {
        const REACHES_FILES: &[&str] = &[
            "torch.save(",
            "torch.from_file(",
            "aten.save",
            "aten.from_file",
            "aten::save",
            "aten::from_file",
        ];
        let text = self.text(source, place)?;
        for operator in REACHES_FILES.iter().filter(|operator| text.contains(*operator)) {
            let why = "an operator of TorchScript that reads or writes a file when the model is run";
            self.findings.add(Verdict::Dangerous, Kind::Code, place, operator, why);
        }
        for (position, _) in text.match_indices("ops.") {
            let namespace = text[position + 4..].split('.').next().unwrap_or_default();
            const KNOWN: &[&str] = &[
                "aten",
                "prim",
                "prims",
                "quantized",
                "torchvision",
                "torchaudio",
                "_quantized",
                "mkldnn",
                "c10d_functional",
            ];
            if namespace.len() < 64 && !namespace.contains(char::is_whitespace) && !KNOWN.contains(&namespace)
            {
                let what = format!("operators of ops.{namespace}");
                let why = "custom operators: what they do is up to the library that has them";
                self.findings.add(Verdict::Suspicious, Kind::Code, place, &what, why);
            }
        }
        Ok(())
    }

    /// YAML whose tags make Python's loader build objects (CVE-2020-14343, CVE-2021-37678).
    fn yaml(&mut self, source: &dyn Source, place: &str) -> Result<(), SourceError> {
        let text = self.text(source, place)?;
        let tag = ["!!python/", "tag:yaml.org,2002:python/"].iter().find(|tag| text.contains(*tag));
        if let Some(tag) = tag {
            let why = "a tag that lets YAML's unsafe loaders call anything (CVE-2020-14343)";
            self.findings.add(Verdict::Dangerous, Kind::Code, place, tag, why);
        }
        if text.contains("_target_:") {
            let why = "names what hydra's instantiate calls (CVE-2025-23304)";
            self.findings.add(Verdict::Suspicious, Kind::Json, place, "_target_", why);
        }
        Ok(())
    }
}

fn is_named_as_graph(name: &str) -> bool {
    [".onnx", ".pb", ".pbtxt", ".h5", ".hdf5"]
        .iter()
        .any(|suffix| name.to_ascii_lowercase().ends_with(suffix))
}
