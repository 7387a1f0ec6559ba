//! ONNX: operators that need a library of their own, operators that run Python, and external data outside of the
//! model's folder (CVE-2022-25882, CVE-2024-27318). Graphs within nodes, training graphs and functions, too.
//! Source: onnx.proto.

use super::messages::{Messages, check_names};
use super::report::{Kind, Verdict};
use super::state::Walk;
use crate::formats::containers::protobuf::{Payload, Span};
use crate::formats::error::ParseError;
use crate::source::Source;
use std::collections::{BTreeMap, HashSet};

/// Domains of operators that ONNX and ONNX Runtime have themselves.
const KNOWN_DOMAINS: &[&str] = &[
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview",
    "ai.onnx.preview.training",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.microsoft.experimental",
    "com.ms.internal.nhwc",
];

/// A message that is still to be walked.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Training,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
}

#[derive(Default)]
struct Graphs {
    operators: BTreeMap<(String, String), u64>,
    functions: HashSet<(String, String)>,
    locations: BTreeMap<String, u64>,
    nodes: u64,
}

impl Walk<'_> {
    /// Examines a model's graphs.
    pub(super) fn onnx(&mut self, source: &dyn Source, place: &str) {
        let mut graphs = Graphs::default();
        if let Err(error) = graphs.walk(source, self.tick) {
            self.unreadable(place, &error);
        }
        self.findings.examined.nodes += graphs.nodes;
        for ((domain, name), count) in &graphs.operators {
            let what = if domain.is_empty() { name.clone() } else { format!("{domain}.{name}") };
            let runs_python =
                ["PyOp", "PyCustomOp", "PythonOp"].contains(&name.as_str()) || domain == "pyopmulti";
            if graphs.functions.contains(&(domain.clone(), name.clone())) {
                continue;
            }
            if runs_python {
                let why = "an operator that runs Python";
                self.findings.add_many(Verdict::Dangerous, Kind::Onnx, place, &what, why, *count);
            } else if !KNOWN_DOMAINS.contains(&domain.as_str()) {
                let why = "a custom operator: what it does is up to the library that has it";
                self.findings.add_many(Verdict::Suspicious, Kind::Onnx, place, &what, why, *count);
            }
        }
        for (location, count) in &graphs.locations {
            let is_outside = location.starts_with(['/', '\\'])
                || location.split(['/', '\\']).any(|part| part == "..")
                || location.as_bytes().get(1) == Some(&b':')
                || location.contains("://");
            if is_outside {
                let what = format!("external data in \"{location}\"");
                let why = "it lies outside of the model's folder (CVE-2022-25882, CVE-2024-27318)";
                self.findings.add_many(Verdict::Dangerous, Kind::Onnx, place, &what, why, *count);
            }
        }
    }
}

impl Graphs {
    fn walk(&mut self, source: &dyn Source, tick: &mut dyn FnMut()) -> Result<(), ParseError> {
        let mut messages = Messages::new(source, Message::Model, tick);
        while let Some((message, span)) = messages.pop() {
            self.message(&mut messages, message, span)?;
            check_names(self.operators.len() + self.functions.len() + self.locations.len())?;
        }
        Ok(())
    }

    fn message(
        &mut self,
        messages: &mut Messages<Message>,
        message: Message,
        span: Span,
    ) -> Result<(), ParseError> {
        let (mut name, mut domain, mut rest) = (String::new(), String::new(), span);
        while let Some(field) = messages.next(&mut rest)? {
            if field.payload != Payload::Bytes {
                continue;
            }
            let inner = match (message, field.number) {
                (Message::Model, 7) | (Message::Training, 1 | 2) | (Message::Attribute, 6 | 11) => {
                    Message::Graph
                }
                (Message::Model, 20) => Message::Training,
                (Message::Model, 25) => Message::Function,
                (Message::Graph, 1) | (Message::Function, 7) => Message::Node,
                (Message::Graph, 5) | (Message::Attribute, 5 | 10) | (Message::SparseTensor, 1 | 2) => {
                    Message::Tensor
                }
                (Message::Graph, 15) | (Message::Attribute, 22 | 23) => Message::SparseTensor,
                (Message::Node, 5) | (Message::Function, 11) => Message::Attribute,
                (Message::Node, 4) | (Message::Function, 1) => {
                    name = messages.name(field.span)?;
                    continue;
                }
                (Message::Node, 7) | (Message::Function, 10) => {
                    domain = messages.name(field.span)?;
                    continue;
                }
                (Message::Tensor, 13) => {
                    if let Some(location) = messages.value_of(field.span, "location")? {
                        *self.locations.entry(messages.name(location)?).or_default() += 1;
                        check_names(self.locations.len())?;
                    }
                    continue;
                }
                _ => continue,
            };
            messages.push(inner, field.span)?;
        }
        match message {
            Message::Node => {
                self.nodes += 1;
                *self.operators.entry((domain, name)).or_default() += 1;
            }
            Message::Function => {
                self.functions.insert((domain, name));
            }
            _ => {}
        }
        Ok(())
    }
}
