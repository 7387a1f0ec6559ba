//! The graphs of an ONNX file, and the tensors in them. Weights are initializers, sparse
//! initializers, the values of `Constant` nodes, and tensors in attributes of any other node (trees, fills):
//! in the main graph, in the graphs of training, in sub-graphs (the branches of `If`, the bodies of `Loop` and
//! `Scan`) and in functions, whose attributes may have tensors by default.
//!
//! Tensors of the main graph have their own names, a constant that of its output. A name in a
//! sub-graph may stand in another one as well, and in an attribute another one's, so it comes behind its place:
//! `NODE/ATTRIBUTE/NAME`, with the number in a list behind the attribute (`NODE/ATTRIBUTE.0/NAME`); without
//! `/NAME` where a tensor has none; or `DOMAIN::FUNCTION/NAME` for a function.
//! Source: onnx.proto.

use super::tensor::{External, Found, dims, read};
use crate::formats::containers::protobuf::{Field, Span, Wire, once};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::formats::support::tensor_names::TensorNames;
use crate::model::Tensor;
use crate::source::Source;
use std::collections::{HashMap, HashSet};

/// Graphs within graphs. Protobuf's own readers end at 100 messages within each other, and a graph
/// in a graph is three.
const MAX_DEPTH: usize = 33;

/// What an ONNX file holds.
#[derive(Default)]
pub struct Content {
    /// Tensors whose bytes are in the file.
    pub here: Vec<Tensor>,
    /// Tensors whose bytes are in other files.
    pub elsewhere: Vec<(Tensor, External)>,
    /// What is no tensor of numbers: name and reason.
    pub unlisted: Vec<(String, String)>,
    /// Files that belong to the model though no tensor of numbers is in them: by what names them.
    pub beside: Vec<(String, External)>,
    /// What the header says.
    pub metadata: MetadataBuilder,
}

/// Reads the file `ModelProto`.
pub fn read_model(source: &dyn Source) -> Result<Content, ParseError> {
    let mut reader = Reader {
        wire: Wire::new(source),
        names: TensorNames::new(source.len()),
        places: HashMap::new(),
        content: Content::default(),
        placed: Vec::new(),
        is_placed: false,
        sparse: Vec::new(),
    };
    reader.model(Span::all(source))?;
    let Reader { mut content, placed, sparse, .. } = reader;
    free_names(&mut content, &placed);
    content.metadata.texts("onnx.sparse_tensors", sparse)?;
    Ok(content)
}

/// In which list a tensor is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Where {
    Here,
    Elsewhere,
}

/// A place may be called as a tensor of the main graph is. That keeps its name, and the other gets a number.
fn free_names(content: &mut Content, placed: &[(Where, usize)]) {
    if placed.is_empty() {
        return;
    }
    let Content { here, elsewhere, .. } = content;
    let behind: HashSet<(Where, usize)> = placed.iter().copied().collect();
    let is_own = |list: Where, number: usize| !behind.contains(&(list, number));
    let mut own: HashSet<&str> = HashSet::new();
    own.extend(here.iter().enumerate().filter(|(no, _)| is_own(Where::Here, *no)).map(|(_, t)| &*t.name));
    let others = elsewhere.iter().enumerate().filter(|(no, _)| is_own(Where::Elsewhere, *no));
    own.extend(others.map(|(_, (tensor, _))| &*tensor.name));
    let name_of = |(list, number): (Where, usize)| match list {
        Where::Here => &*here[number].name,
        Where::Elsewhere => &*elsewhere[number].0.name,
    };
    let names: HashSet<&str> = placed.iter().map(|tensor| name_of(*tensor)).collect();
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let mut renamed = Vec::new();
    for &(list, number) in placed {
        let name = name_of((list, number));
        if own.contains(name) {
            let free = numbers.entry(name).or_insert_with(|| {
                let is_free = |name: String| !own.contains(&*name) && !names.contains(&*name);
                let mut free = (2..).filter(|free| is_free(format!("{name}#{free}")));
                free.next().expect("one more than there are tensors")
            });
            renamed.push((list, number, format!("{name}#{free}")));
        }
    }
    for (list, number, name) in renamed {
        match list {
            Where::Here => here[number].name = name,
            Where::Elsewhere => elsewhere[number].0.name = name,
        }
    }
}

pub(super) struct Reader<'a> {
    pub(super) wire: Wire<'a>,
    pub(super) names: TensorNames,
    /// The names of sub-graphs that are taken, and how often each was asked for.
    places: HashMap<String, u64>,
    content: Content,
    /// The tensors whose names come behind places, by their numbers in the lists of the content.
    placed: Vec<(Where, usize)>,
    /// Whether the next tensor is such a one.
    pub(super) is_placed: bool,
    /// Sparse tensors with the shapes they stand for.
    sparse: Vec<String>,
}

/// What is known of a node before its attributes are read.
#[derive(Default)]
pub(super) struct Node {
    pub(super) name: Option<Span>,
    pub(super) output: Option<Span>,
    op_type: Option<Span>,
    domain: Option<Span>,
    has_attributes: bool,
}

impl Reader<'_> {
    fn model(&mut self, message: Span) -> Result<(), ParseError> {
        let (mut graph, mut opsets, mut ir_version) = (None, 0, None);
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => {
                    once(&mut ir_version, field.varint()?, "the model's ir_version", field.span.offset)?;
                    self.content.metadata.number("ir_version", field.varint()? as i64)?;
                }
                2 => self.note("producer_name", &field)?,
                3 => self.note("producer_version", &field)?,
                4 => self.note("domain", &field)?,
                5 => self.content.metadata.number("model_version", field.varint()? as i64)?,
                7 => once(&mut graph, field.bytes()?, "the model's graph", field.span.offset)?,
                8 => {
                    opsets += 1;
                    self.opset(field.bytes()?)?;
                }
                14 => self.property(field.bytes()?)?,
                20 => self.training(field.bytes()?)?,
                25 => self.function(field.bytes()?)?,
                _ => {}
            }
        }
        // Without these it is not a model; a file that was cut short between two fields shows it here.
        ir_version.ok_or_else(|| malformed!("the ONNX model has no ir_version"))?;
        if opsets == 0 {
            return Err(malformed!("the ONNX model imports no set of operators"));
        }
        let graph = graph.ok_or_else(|| malformed!("the ONNX model has no graph"))?;
        self.graph(graph, "", 0)
    }

    fn note(&mut self, key: &str, field: &Field) -> Result<(), ParseError> {
        let text = self.wire.text(field.bytes()?, key)?;
        if text.is_empty() { Ok(()) } else { self.content.metadata.text(key, text) }
    }

    /// An `OperatorSetIdProto`.
    fn opset(&mut self, message: Span) -> Result<(), ParseError> {
        let (mut domain, mut version, mut rest) = (String::new(), 0, message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => domain = self.wire.text(field.bytes()?, "a domain")?,
                2 => version = field.varint()? as i64,
                _ => {}
            }
        }
        let domain = if domain.is_empty() { "ai.onnx" } else { &domain };
        self.content.metadata.number(format!("opset_import.{domain}"), version)
    }

    /// A `StringStringEntryProto` of `metadata_props`.
    fn property(&mut self, message: Span) -> Result<(), ParseError> {
        let (mut key, mut value, mut rest) = (String::new(), String::new(), message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => key = self.wire.text(field.bytes()?, "a key of metadata_props")?,
                2 => value = self.wire.text(field.bytes()?, "a value of metadata_props")?,
                _ => {}
            }
        }
        self.content.metadata.text(format!("metadata_props.{key}"), value)
    }

    /// A `TrainingInfoProto`.
    fn training(&mut self, message: Span) -> Result<(), ParseError> {
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            let place = match field.number {
                1 => "training/initialization/",
                2 => "training/algorithm/",
                _ => continue,
            };
            let place = self.take_place(place.into());
            self.graph(field.bytes()?, &place, 0)?;
        }
        Ok(())
    }

    /// A `FunctionProto`.
    fn function(&mut self, message: Span) -> Result<(), ParseError> {
        let (mut name, mut domain, mut overload) = (String::new(), String::new(), String::new());
        let (mut rest, mut has_defaults) = (message, false);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => name = self.wire.text(field.bytes()?, "a function's name")?,
                11 => has_defaults = true,
                10 => domain = self.wire.text(field.bytes()?, "a function's domain")?,
                13 => overload = self.wire.text(field.bytes()?, "a function's overload")?,
                _ => {}
            }
        }
        let colon = if overload.is_empty() { "" } else { ":" };
        let place = self.take_place(format!("{domain}::{name}{colon}{overload}/"));
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                7 => self.node(field.bytes()?, &place, 0)?,
                // What an attribute is where a node does not give it.
                11 if has_defaults => self.attribute(field.bytes()?, None, &place, 0)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of a sub-graph, changed where it is taken already: nodes need no name of their own.
    pub(super) fn take_place(&mut self, place: String) -> String {
        let mut free = place.clone();
        while self.places.contains_key(&free) {
            let times = self.places.entry(place.clone()).or_insert(1);
            *times += 1;
            free = format!("{}#{times}/", place.trim_end_matches('/'));
        }
        self.places.insert(free.clone(), 1);
        free
    }

    /// A `GraphProto`. `place` is what stands before its tensors' names.
    pub(super) fn graph(&mut self, message: Span, place: &str, depth: usize) -> Result<(), ParseError> {
        if depth > MAX_DEPTH {
            return Err(too_large!("graph \"{place}\" is nested more than {MAX_DEPTH} deep"));
        }
        let (mut nodes, mut inputs, mut outputs) = (0, 0, 0);
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                1 => {
                    nodes += 1;
                    self.node(field.bytes()?, place, depth)?;
                }
                2 if place.is_empty() => self.note("graph.name", &field)?,
                5 => {
                    self.is_placed = !place.is_empty();
                    self.tensor(field.bytes()?, None, place)?;
                }
                11 => inputs += 1,
                12 => outputs += 1,
                15 => {
                    self.is_placed = !place.is_empty();
                    self.sparse(field.bytes()?, None, place)?;
                }
                _ => {}
            }
        }
        if place.is_empty() {
            for (key, count) in [("graph.nodes", nodes), ("graph.inputs", inputs), ("graph.outputs", outputs)]
            {
                self.content.metadata.count(key, count)?;
            }
        }
        Ok(())
    }

    /// A `NodeProto`. Its attributes are read in a second pass, as they may stand before its type.
    fn node(&mut self, message: Span, place: &str, depth: usize) -> Result<(), ParseError> {
        let (mut node, mut rest) = (Node::default(), message);
        while let Some(field) = self.wire.next(&mut rest)? {
            match field.number {
                2 => node.output = node.output.or(Some(field.bytes()?)),
                3 => node.name = Some(field.bytes()?),
                4 => node.op_type = Some(field.bytes()?),
                5 => node.has_attributes = true,
                7 => node.domain = Some(field.bytes()?),
                _ => {}
            }
        }
        if !node.has_attributes {
            return Ok(());
        }
        let is_constant = match node.op_type {
            Some(op_type) => self.wire.is(op_type, "Constant")? && self.is_own_domain(node.domain)?,
            None => false,
        };
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 5 {
                match is_constant {
                    true => self.constant(field.bytes()?, &node, place)?,
                    false => self.attribute(field.bytes()?, Some(&node), place, depth)?,
                }
            }
        }
        Ok(())
    }

    fn is_own_domain(&mut self, domain: Option<Span>) -> Result<bool, ParseError> {
        let Some(domain) = domain.filter(|domain| domain.len() > 0) else { return Ok(true) };
        self.wire.is(domain, "ai.onnx")
    }

    pub(super) fn tensor(
        &mut self,
        message: Span,
        name: Option<&str>,
        place: &str,
    ) -> Result<(), ParseError> {
        let found = read(&mut self.wire, message, name, place, &mut self.names)?;
        self.push(found)
    }

    /// A `SparseTensorProto`: its values and their indices are two tensors, `NAME.values` and
    /// `NAME.indices`.
    pub(super) fn sparse(
        &mut self,
        message: Span,
        name: Option<&str>,
        place: &str,
    ) -> Result<(), ParseError> {
        let (mut values, mut indices, mut shape, mut rest) = (None, None, Vec::new(), message);
        while let Some(field) = self.wire.next(&mut rest)? {
            let offset = field.span.offset;
            match field.number {
                1 => once(&mut values, field.bytes()?, "a sparse tensor's values", offset)?,
                2 => once(&mut indices, field.bytes()?, "a sparse tensor's indices", offset)?,
                3 => dims(&mut self.wire, &field, &mut shape)?,
                _ => {}
            }
        }
        let values =
            values.ok_or_else(|| malformed!("the sparse tensor at byte {} has no values", message.offset))?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.tensor_name(values)?,
        };
        self.sparse.push(format!("{} {shape:?}", self.names.join(place, &name)?));
        self.tensor(values, Some(&format!("{name}.values")), place)?;
        match indices {
            Some(indices) => self.tensor(indices, Some(&format!("{name}.indices")), place),
            None => Ok(()),
        }
    }

    pub(super) fn tensor_name(&mut self, message: Span) -> Result<String, ParseError> {
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 8 {
                return self.wire.text(field.bytes()?, "a tensor's name");
            }
        }
        Ok(String::new())
    }

    pub(super) fn push(&mut self, found: Found) -> Result<(), ParseError> {
        let Content { here, elsewhere, unlisted, beside, .. } = &mut self.content;
        let list = match &found {
            Found::Here(_) => Some((Where::Here, here.len())),
            Found::Elsewhere(..) => Some((Where::Elsewhere, elsewhere.len())),
            Found::Texts(..) => None,
        };
        self.placed.extend(list.filter(|_| self.is_placed));
        match found {
            Found::Here(tensor) => here.push(tensor),
            Found::Elsewhere(tensor, external) => elsewhere.push((tensor, external)),
            Found::Texts(name, external) => {
                beside.extend(external.map(|external| (name.clone(), external)));
                unlisted.push((name, "a tensor of texts".into()));
            }
        }
        check_tensor_count((here.len() + elsewhere.len() + unlisted.len()) as u64)
    }
}
