//! A graph's constants: `Const` nodes of a `GraphDef`, which in a frozen graph are its weights.
//! Those of the graph itself have the names of their nodes; in a function of its library a name
//! comes behind the function's: `FUNCTION/NODE`.
//! Source: tensorflow/core/framework/graph.proto, node_def.proto, function.proto, attr_value.proto.

use super::tensor;
use super::texts::{self, Key};
use crate::dtype::{Class, Dtype};
use crate::formats::containers::protobuf::{Span, Wire, once};
use crate::formats::error::{ParseError, ParseErrorKind, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::formats::support::tensor_names::TensorNames;
use crate::model::Tensor;
use crate::source::Source;
use std::collections::HashSet;

/// Operations that stand for a variable, whose value is in a checkpoint.
const VARIABLES: &[&str] = &["VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable"];

/// Constants of integers from this size on are taken for weights beside variables: what is smaller are axes, shapes
/// and paddings.
const MIN_INTEGER_BYTES: u64 = 1 << 10;
/// What graphs of TensorFlow 1 call the nodes that make a variable's first value.
const INITIALIZER: &str = "/Initializer/";

/// Which constants are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constants {
    /// All that are numbers.
    All,
    /// Those that may be weights beside the variables of a model: several floating-point or complex numbers or short
    /// integers, or many others.
    BesideVariables,
}

/// Most tags of a graph; real ones are "serve", "train", "gpu".
const MAX_TAGS: usize = 1 << 10;

/// What is found in graphs.
pub struct Graphs<'a> {
    wire: Wire<'a>,
    names: TensorNames,
    /// The constants with weights.
    pub tensors: Vec<Tensor>,
    /// Bytes of constants that are one value repeated.
    pub filled: u64,
    /// Nodes, those of functions included.
    pub nodes: u64,
    /// Constants without weights, texts and handles: names and reasons; none of them beside variables.
    pub unlisted: Vec<(String, String)>,
    /// How many constants are not listed, and their bytes where they are numbers.
    pub others: u64,
    pub other_bytes: u64,
    constants: Constants,
    /// Of the graph that is read: its constants that are no numbers, with their names here.
    texts: Vec<(Key, String)>,
    /// The function of it that is read.
    function: String,
    /// The number of nodes that are variables.
    pub variables: u64,
}

impl<'a> Graphs<'a> {
    /// Nothing yet.
    pub fn new(source: &'a dyn Source, constants: Constants) -> Self {
        Self {
            wire: Wire::new(source),
            names: TensorNames::new(source.len()),
            tensors: Vec::new(),
            filled: 0,
            nodes: 0,
            unlisted: Vec::new(),
            others: 0,
            other_bytes: 0,
            constants,
            texts: Vec::new(),
            function: String::new(),
            variables: 0,
        }
    }

    /// A whole file that is a `GraphDef`.
    pub fn file(&mut self, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
        let message = Span::all(self.wire.source());
        self.graph(message, "", metadata)
    }

    /// A whole file that is a `SavedModel`: one graph, or a few with different tags.
    pub fn saved_model(&mut self, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
        let (mut graphs, mut rest) = (0, Span::all(self.wire.source()));
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => metadata.number("saved_model_schema_version", field.varint()? as i64)?,
                2 => {
                    let place = if graphs == 0 { String::new() } else { format!("meta_graph.{graphs}/") };
                    graphs += 1;
                    self.meta_graph(field.bytes()?, &place, metadata)?;
                }
                _ => {}
            }
        }
        if graphs == 0 {
            return Err(malformed!("the SavedModel has no graph"));
        }
        Ok(())
    }

    /// A `MetaGraphDef`.
    fn meta_graph(
        &mut self,
        message: Span,
        place: &str,
        metadata: &mut MetadataBuilder,
    ) -> Result<(), ParseError> {
        let (mut graph, mut rest) = (None, message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => self.meta_info(field.bytes()?, place, metadata)?,
                2 => once(&mut graph, field.bytes()?, "a graph_def", field.span.offset)?,
                _ => {}
            }
        }
        graph.map_or(Ok(()), |graph| self.graph(graph, place, metadata))
    }

    /// A `MetaInfoDef`: tags and TensorFlow's version.
    fn meta_info(
        &mut self,
        message: Span,
        place: &str,
        metadata: &mut MetadataBuilder,
    ) -> Result<(), ParseError> {
        let (mut tags, mut rest) = (Vec::new(), message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                4 if tags.len() == MAX_TAGS => {
                    return Err(too_large!(
                        "the graph at byte {} has more than {MAX_TAGS} tags",
                        message.offset
                    ));
                }
                4 => tags.push(self.wire.text(field.bytes()?, "a tag")?),
                5 => {
                    let version = self.wire.text(field.bytes()?, "a version")?;
                    metadata.text(format!("{place}tensorflow_version"), version)?;
                }
                _ => {}
            }
        }
        metadata.texts(&format!("{place}tags"), tags)
    }

    /// A `GraphDef`.
    fn graph(
        &mut self,
        message: Span,
        place: &str,
        metadata: &mut MetadataBuilder,
    ) -> Result<(), ParseError> {
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => self.node(field.bytes()?, place)?,
                2 => self.library(field.bytes()?, place)?,
                4 => {
                    let mut versions = field.bytes()?;
                    while let Some(field) = self.wire.next(&mut versions)? {
                        if field.number == 1 {
                            metadata.number(format!("{place}graph.producer"), field.varint()? as i64)?;
                        }
                    }
                }
                _ => {}
            }
        }
        self.tell_texts(message)
    }

    /// Names a graph's constants that are no numbers, but for those of its own saving.
    fn tell_texts(&mut self, graph: Span) -> Result<(), ParseError> {
        let texts = std::mem::take(&mut self.texts);
        if texts.is_empty() {
            return Ok(());
        }
        let keys: HashSet<Key> = texts.iter().map(|(key, _)| key.clone()).collect();
        let of_savers = texts::of_savers(&mut self.wire, graph, &keys)?;
        let told = texts.into_iter().filter(|(key, _)| !of_savers.contains(key));
        self.unlisted.extend(told.map(|(_, name)| (name, "a constant that is no number".into())));
        Ok(())
    }

    /// A `FunctionDefLibrary`.
    fn library(&mut self, message: Span, place: &str) -> Result<(), ParseError> {
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 1 {
                self.function(field.bytes()?, place)?;
            }
        }
        Ok(())
    }

    /// A `FunctionDef`, whose name is in its signature.
    fn function(&mut self, message: Span, place: &str) -> Result<(), ParseError> {
        let (mut name, mut rest) = (None, message);
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 1 {
                let mut signature = field.bytes()?;
                while let Some(field) = self.wire.next(&mut signature)? {
                    if field.number == 1 {
                        name = Some(field.bytes()?);
                    }
                }
            }
        }
        let name = name.ok_or_else(|| malformed!("the function at byte {} has no name", message.offset))?;
        let name = self.wire.text(name, "a function's name")?;
        let place = self.names.join(place, &format!("{name}/"))?;
        self.function = name;
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 3 {
                self.node(field.bytes()?, &place)?;
            }
        }
        self.function.clear();
        Ok(())
    }

    /// A `NodeDef`.
    fn node(&mut self, message: Span, place: &str) -> Result<(), ParseError> {
        self.nodes += 1;
        let (mut name, mut op, mut rest) = (None, None, message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => name = Some(field.bytes()?),
                2 => op = Some(field.bytes()?),
                _ => {}
            }
        }
        let (Some(name), Some(op)) = (name, op) else {
            return Err(malformed!("the node at byte {} has no name or no operation", message.offset));
        };
        if !self.wire.is(op, "Const")? {
            for variable in VARIABLES {
                self.variables += u64::from(self.wire.is(op, variable)?);
            }
            return Ok(());
        }
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 5
                && let Some(value) = self.value(field.bytes()?)?
            {
                let node = self.wire.text(name, "a node's name")?;
                let name = self.names.join(place, &node)?;
                self.constant(value, node, name)?;
                let known = self.tensors.len() + self.unlisted.len() + self.texts.len();
                check_tensor_count(known as u64)?;
            }
        }
        Ok(())
    }

    /// The `TensorProto` of a constant.
    fn constant(&mut self, value: Span, node: String, name: String) -> Result<(), ParseError> {
        let beside_variables = self.constants == Constants::BesideVariables;
        match tensor::read(&mut self.wire, value, name.clone(), &mut self.filled) {
            Ok(Some(tensor)) if !beside_variables || may_be_weights(&tensor) => self.tensors.push(tensor),
            Ok(Some(tensor)) => {
                self.others += 1;
                self.other_bytes = self.other_bytes.saturating_add(tensor.byte_length);
            }
            Ok(None) => {
                self.others += 1;
                if !beside_variables {
                    self.texts.push(((self.function.clone(), node), name));
                }
            }
            // What is not known in the graph must not hide the variables.
            Err(error) if beside_variables && matches!(error.kind(), ParseErrorKind::Unsupported(_)) => {
                self.others += 1;
                self.unlisted.push((name, error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Leaves out the constants that may be weights where the variables have more bytes: then the variables are the
    /// model, as its own reader has it. How many they are is told.
    pub fn leave_out_few(&mut self, variables: &[Tensor], unlisted: &mut Vec<(String, String)>) {
        let bytes = |tensors: &[Tensor]| {
            tensors.iter().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_length))
        };
        let (constants, count) = (bytes(&self.tensors), self.tensors.len());
        if count == 0 || variables.is_empty() || constants > bytes(variables) {
            return;
        }
        self.tensors.clear();
        self.others += count as u64;
        self.other_bytes = self.other_bytes.saturating_add(constants);
        let what =
            format!("{count} constants of {constants} bytes, which may be weights beside the variables");
        unlisted.push(("graph".into(), what));
    }

    /// The tensor of an entry of a node's attributes, where it is that of `value`.
    fn value(&mut self, entry: Span) -> Result<Option<Span>, ParseError> {
        let (mut key, mut value, mut rest) = (None, None, entry);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => key = Some(field.bytes()?),
                2 => value = Some(field.bytes()?),
                _ => {}
            }
        }
        let (Some(key), Some(mut value)) = (key, value) else { return Ok(None) };
        if !self.wire.is(key, "value")? {
            return Ok(None);
        }
        let mut tensor = None;
        while let Some(field) = self.wire.next(&mut value)? {
            if field.number == 8 {
                once(&mut tensor, field.bytes()?, "a constant's value", field.span.offset)?;
            }
        }
        Ok(tensor)
    }
}

/// Whether a constant beside variables may be weights.
fn may_be_weights(tensor: &Tensor) -> bool {
    let numbers =
        tensor.dtype.info().class == Class::Float || matches!(tensor.dtype, Dtype::C64 | Dtype::C128);
    // Axes, shapes and paddings are integers of 32 and 64 bits; shorter ones are quantized weights.
    let short = matches!(tensor.dtype, Dtype::I8 | Dtype::U8 | Dtype::I16 | Dtype::U16);
    let enough = match numbers || short {
        true => tensor.weight_count > 1,
        false => tensor.byte_length >= MIN_INTEGER_BYTES,
    };
    enough && !tensor.name.contains(INITIALIZER)
}
