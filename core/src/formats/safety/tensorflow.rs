//! Graphs of TensorFlow: operators that reach files or run Python, and operators of other libraries, in functions,
//! too; and the configuration of Keras in a SavedModel.
//! Sources: tensorflow/core/framework/graph.proto, function.proto, core/protobuf/meta_graph.proto,
//! saved_object_graph.proto; the names of TensorFlow 2.21's operators; modelscan's list; TensorFlow's SECURITY.md.

use super::json::looks_like_json;
use super::limits::MAX_JSON_TEXT_BYTES;
use super::messages::{Messages, check_names};
use super::report::{Kind, Verdict};
use super::state::Walk;
use crate::formats::containers::protobuf::{Payload, Span};
use crate::formats::error::{ParseError, too_large};
use crate::source::Source;
use std::collections::{BTreeMap, HashSet};

/// The operators that TensorFlow has itself.
static OPERATORS: &str = include_str!("tensorflow_ops.txt");
/// Operators that read or write any file, or run Python, when the graph runs.
const DANGEROUS: &[&str] = &[
    "ReadFile",
    "WriteFile",
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "ImmutableConst",
    "MatchingFiles",
    "SaveDataset",
    "SaveDatasetV2",
    "LoadDataset",
    "WriteFileV2",
];
/// Parts of operators' names that read files, or reach the network.
const SUSPICIOUS_PARTS: &[&str] = &[
    "WholeFileReader",
    "TFRecord",
    "TextLine",
    "FixedLengthRecord",
    "LMDB",
    "FileSystem",
    "SnapshotDataset",
    "ListDataset",
    "DistributedSave",
    "SummaryFileWriter",
    "SummaryDbWriter",
    "DebugIdentity",
    "DataService",
    "Rpc",
    "LoadAndRemapMatrix",
    "GenerateVocabRemapping",
    "RecordInput",
    "ExperimentalAssertNextDataset",
    "Sqlite",
    "SqlDataset",
    "RemoteCall",
    "Abort",
    "BigQuery",
    "CloudBigtable",
    "GcsConfigure",
    "Mpi",
];
/// What the index of a checkpoint ends with.
const TABLE_MAGIC: u64 = 0xdb47_7524_8b80_fb57;

#[derive(Clone, Copy)]
enum Message {
    File,
    Keras,
    MetaGraph,
    Graph,
    Library,
    Function,
    Signature,
    Node,
    Objects,
    Object,
    UserObject,
}

#[derive(Default)]
struct Graphs {
    operators: BTreeMap<String, u64>,
    functions: HashSet<String>,
    texts: Vec<String>,
    text_bytes: u64,
    streams: Vec<String>,
    nodes: u64,
}

impl Walk<'_> {
    /// Examines a SavedModel's or a graph's file.
    pub(super) fn tensorflow(&mut self, source: &dyn Source, place: &str) {
        let mut end = [0; 8];
        let is_table = source.len() >= 8
            && source.read_at(source.len() - 8, &mut end).is_ok()
            && u64::from_le_bytes(end) == TABLE_MAGIC;
        let mut head = [0; 8];
        let is_hdf5 = crate::formats::containers::hdf5::is_hdf5(source).unwrap_or(false);
        let is_archive = source.len() >= 8 && source.read_at(0, &mut head).is_ok() && head.starts_with(b"PK");
        if is_table || is_hdf5 || is_archive {
            return;
        }
        let root = if place.ends_with("keras_metadata.pb") { Message::Keras } else { Message::File };
        let mut graphs = Graphs::default();
        if let Err(error) = graphs.walk(source, root, self.tick) {
            self.unreadable(place, &error);
        }
        self.findings.examined.nodes += graphs.nodes;
        let known: HashSet<&str> = OPERATORS.lines().collect();
        for (name, count) in &graphs.operators {
            let (verdict, why) = if DANGEROUS.contains(&name.as_str()) {
                (
                    Verdict::Dangerous,
                    "an operator that reads or writes files, or runs Python, when the model is run",
                )
            } else if SUSPICIOUS_PARTS.iter().any(|part| name.contains(part)) {
                (
                    Verdict::Suspicious,
                    "an operator that reads files or reaches the network when the model is run",
                )
            } else if known.contains(name.as_str()) || graphs.functions.contains(name) {
                continue;
            } else {
                (Verdict::Suspicious, "a custom operator: what it does is up to the library that has it")
            };
            self.findings.add_many(verdict, Kind::TensorFlow, place, name, why, *count);
        }
        for stream in &graphs.streams {
            let what = format!("PrintV2 to {stream}");
            self.findings.add(
                Verdict::Dangerous,
                Kind::TensorFlow,
                place,
                &what,
                "it writes a file when the model is run",
            );
        }
        for text in &graphs.texts {
            self.json_bytes(text.as_bytes(), place);
        }
    }
}

impl Graphs {
    fn walk(&mut self, source: &dyn Source, root: Message, tick: &mut dyn FnMut()) -> Result<(), ParseError> {
        let mut messages = Messages::new(source, root, tick);
        while let Some((message, span)) = messages.pop() {
            self.message(&mut messages, message, span)?;
            check_names(self.operators.len() + self.functions.len() + self.streams.len())?;
        }
        Ok(())
    }

    fn message(
        &mut self,
        messages: &mut Messages<Message>,
        message: Message,
        span: Span,
    ) -> Result<(), ParseError> {
        let (mut operator, mut stream, mut rest) = (None, None, span);
        let (mut is_saved_model, mut has_nodes) = (false, false);
        while let Some(field) = messages.next(&mut rest)? {
            if field.payload != Payload::Bytes {
                // A SavedModel begins with a number, a graph with a node.
                is_saved_model |= field.number == 1;
                continue;
            }
            let inner = match (message, field.number) {
                (Message::File, 1) => {
                    has_nodes = true;
                    Message::Node
                }
                (Message::File, 2) if is_saved_model || !has_nodes => Message::MetaGraph,
                (Message::File | Message::Graph, 2) => Message::Library,
                (Message::MetaGraph, 2) => Message::Graph,
                (Message::MetaGraph, 7) => Message::Objects,
                (Message::Graph, 1) | (Message::Function, 3) => Message::Node,
                (Message::Library, 1) => Message::Function,
                (Message::Function, 1) => Message::Signature,
                (Message::Objects, 1) => Message::Object,
                (Message::Object, 4) => Message::UserObject,
                (Message::Keras, 1) => Message::UserObject,
                (Message::Signature, 1) => {
                    self.functions.insert(messages.name(field.span)?);
                    continue;
                }
                (Message::Node, 2) => {
                    operator = Some(messages.name(field.span)?);
                    continue;
                }
                (Message::Node, 5) => {
                    stream = output_stream(messages, field.span)?.or(stream);
                    continue;
                }
                (Message::UserObject, 3 | 5) => {
                    let text = messages.text(field.span)?;
                    if looks_like_json(text.as_bytes()) {
                        self.text_bytes += text.len() as u64;
                        if self.text_bytes > MAX_JSON_TEXT_BYTES {
                            return Err(too_large!("its JSON has more than {MAX_JSON_TEXT_BYTES} bytes"));
                        }
                        self.texts.push(text);
                    }
                    continue;
                }
                _ => continue,
            };
            messages.push(inner, field.span)?;
        }
        if let Some(operator) = operator {
            self.nodes += 1;
            let to_file = stream.filter(|stream| operator.starts_with("Print") && stream.contains("file:"));
            self.streams.extend(to_file);
            *self.operators.entry(operator).or_default() += 1;
        }
        Ok(())
    }
}

/// The value of an attribute `output_stream`.
fn output_stream(messages: &mut Messages<Message>, entry: Span) -> Result<Option<String>, ParseError> {
    let Some(mut value) = messages.value_of(entry, "output_stream")? else { return Ok(None) };
    while let Some(field) = messages.next(&mut value)? {
        if (field.number, field.payload) == (2, Payload::Bytes) {
            return messages.name(field.span).map(Some);
        }
    }
    Ok(None)
}
