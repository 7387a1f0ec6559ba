//! A graph's constants: `Const` nodes of a `GraphDef`, which in a frozen graph are its weights.
//! Those of the graph itself have the names of their nodes; in a function of its library a name
//! comes behind the function's: `FUNCTION/NODE`.
//! Source: tensorflow/core/framework/graph.proto, node_def.proto, function.proto, attr_value.proto.

use super::tensor;
use crate::formats::containers::protobuf::{Span, Wire, once};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::formats::support::tensor_names::TensorNames;
use crate::model::Tensor;
use crate::source::Source;

/// Operations that stand for a variable, whose value is in a checkpoint.
const VARIABLES: &[&str] = &["VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable"];

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
    /// Constants without weights: texts, handles.
    pub others: u64,
    /// The number of nodes that are variables.
    pub variables: u64,
}

impl<'a> Graphs<'a> {
    /// Nothing yet.
    pub fn new(source: &'a dyn Source) -> Self {
        Self {
            wire: Wire::new(source),
            names: TensorNames::new(source.len()),
            tensors: Vec::new(),
            filled: 0,
            nodes: 0,
            others: 0,
            variables: 0,
        }
    }

    /// A whole file that is a `GraphDef`.
    pub fn file(&mut self, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
        let message = Span::all(self.wire.source());
        self.graph(message, "", metadata)
    }

    /// A whole file that is a `SavedModel`: one graph, or a few with different tags. Without
    /// `constants`, its graphs are stepped over.
    pub fn saved_model(&mut self, constants: bool, metadata: &mut MetadataBuilder) -> Result<(), ParseError> {
        let (mut graphs, mut rest) = (0, Span::all(self.wire.source()));
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => metadata.number("saved_model_schema_version", field.varint()? as i64)?,
                2 => {
                    let place = if graphs == 0 { String::new() } else { format!("meta_graph.{graphs}/") };
                    graphs += 1;
                    self.meta_graph(field.bytes()?, constants, &place, metadata)?;
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
        constants: bool,
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
        graph.filter(|_| constants).map_or(Ok(()), |graph| self.graph(graph, place, metadata))
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
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 3 {
                self.node(field.bytes()?, &place)?;
            }
        }
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
                let name = self.wire.text(name, "a node's name")?;
                let name = self.names.join(place, &name)?;
                match tensor::read(&mut self.wire, value, name, &mut self.filled)? {
                    Some(tensor) => self.tensors.push(tensor),
                    None => self.others += 1,
                }
                check_tensor_count(self.tensors.len() as u64)?;
            }
        }
        Ok(())
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
