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
use crate::dtype::Dtype;
use crate::formats::containers::protobuf::numbers::{Coding, Form, Numbers, Seen};
use crate::formats::containers::protobuf::{Field, Payload, Span, Wire, once};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::formats::support::tensor_names::TensorNames;
use crate::model::Tensor;
use crate::source::Source;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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

struct Reader<'a> {
    wire: Wire<'a>,
    names: TensorNames,
    /// The names of sub-graphs that are taken, and how often each was asked for.
    places: HashMap<String, u64>,
    content: Content,
    /// The tensors whose names come behind places, by their numbers in the lists of the content.
    placed: Vec<(Where, usize)>,
    /// Whether the next tensor is such a one.
    is_placed: bool,
    /// Sparse tensors with the shapes they stand for.
    sparse: Vec<String>,
}

/// What is known of a node before its attributes are read.
#[derive(Default)]
struct Node {
    name: Option<Span>,
    output: Option<Span>,
    op_type: Option<Span>,
    domain: Option<Span>,
    has_attributes: bool,
}

/// The values of an attribute that may hold tensors.
#[derive(Default)]
struct Attribute {
    name: Option<Span>,
    tensor: Option<Span>,
    graph: Option<Span>,
    sparse: Option<Span>,
    /// A single number.
    float: Option<Span>,
    int: Option<Field>,
    floats: Seen,
    ints: Seen,
    texts: bool,
    /// It takes its value from the function's caller.
    is_parameter: bool,
    has_graphs: bool,
    has_tensors: bool,
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
    fn take_place(&mut self, place: String) -> String {
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
    fn graph(&mut self, message: Span, place: &str, depth: usize) -> Result<(), ParseError> {
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

    /// The fields of an `AttributeProto`.
    fn fields(&mut self, message: Span) -> Result<Attribute, ParseError> {
        let (mut attribute, mut rest) = (Attribute::default(), message);
        while let Some(field) = self.wire.next(&mut rest)? {
            let offset = field.span.offset;
            match (field.number, field.payload) {
                (1, _) => attribute.name = Some(field.bytes()?),
                (2, Payload::Fixed32) => once(&mut attribute.float, field.span, "an attribute's f", offset)?,
                (3, Payload::Varint(_)) => once(&mut attribute.int, field, "an attribute's i", offset)?,
                (5, _) => once(&mut attribute.tensor, field.bytes()?, "an attribute's t", offset)?,
                (6, _) => once(&mut attribute.graph, field.bytes()?, "an attribute's g", offset)?,
                (7, _) => attribute.floats.add(&field, Coding::Fixed32)?,
                (8, _) => attribute.ints.add(&field, Coding::Varint)?,
                (4 | 9, _) => attribute.texts = true,
                (21, _) => attribute.is_parameter |= field.bytes()?.len() > 0,
                (10 | 23, _) => attribute.has_tensors = true,
                (11, _) => attribute.has_graphs = true,
                (22, _) => {
                    once(&mut attribute.sparse, field.bytes()?, "an attribute's sparse_tensor", offset)?
                }
                _ => {}
            }
        }
        Ok(attribute)
    }

    /// An `AttributeProto` of a node, or of a function's, that may hold graphs and tensors.
    fn attribute(
        &mut self,
        message: Span,
        node: Option<&Node>,
        place: &str,
        depth: usize,
    ) -> Result<(), ParseError> {
        let attribute = self.fields(message)?;
        let Attribute { tensor, graph, sparse, has_graphs, has_tensors, .. } = attribute;
        if tensor.is_none() && graph.is_none() && sparse.is_none() && !has_graphs && !has_tensors {
            return Ok(());
        }
        let mut below = String::new();
        if let Some(node) = node {
            below = match node.name.filter(|name| name.len() > 0).or(node.output) {
                Some(name) => self.wire.text(name, "a node's name")?,
                None => "?".into(),
            };
            below.push('/');
        }
        below += &match attribute.name {
            Some(name) => self.wire.text(name, "an attribute's name")?,
            None => "?".into(),
        };
        if let Some(graph) = graph {
            let place = self.place_below(place, &below, None)?;
            self.graph(graph, &place, depth + 1)?;
        }
        if let Some(tensor) = tensor {
            self.attribute_tensor(tensor, place, &below, None)?;
        }
        if let Some(sparse) = sparse {
            self.attribute_sparse(sparse, place, &below, None)?;
        }
        let (mut rest, mut counts) = (message, [0u64; 3]);
        while (has_graphs || has_tensors)
            && let Some(field) = self.wire.next(&mut rest)?
        {
            let mut next = |kind: usize| {
                counts[kind] += 1;
                Some(counts[kind] - 1)
            };
            match field.number {
                10 => self.attribute_tensor(field.bytes()?, place, &below, next(0))?,
                11 => {
                    let place = self.place_below(place, &below, next(1))?;
                    self.graph(field.bytes()?, &place, depth + 1)?;
                }
                23 => self.attribute_sparse(field.bytes()?, place, &below, next(2))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The place of a graph in an attribute.
    fn place_below(&mut self, place: &str, below: &str, number: Option<u64>) -> Result<String, ParseError> {
        let place = self.place_of(place, below, number);
        // Places are names too: a file must not be able to make more of them than of its own bytes.
        self.names.join(&place, "/")?;
        Ok(place)
    }

    /// The place of what an attribute holds, by its number where that is a list.
    fn place_of(&mut self, place: &str, below: &str, number: Option<u64>) -> String {
        let number = number.map(|number| format!(".{number}")).unwrap_or_default();
        self.take_place(format!("{place}{below}{number}/"))
    }

    fn attribute_tensor(
        &mut self,
        message: Span,
        place: &str,
        below: &str,
        number: Option<u64>,
    ) -> Result<(), ParseError> {
        let place = self.place_of(place, below, number);
        self.is_placed = true;
        match self.tensor_name(message)?.is_empty() {
            true => self.tensor(message, Some(place.trim_end_matches('/')), ""),
            false => self.tensor(message, None, &place),
        }
    }

    fn attribute_sparse(
        &mut self,
        message: Span,
        place: &str,
        below: &str,
        number: Option<u64>,
    ) -> Result<(), ParseError> {
        let place = self.place_of(place, below, number);
        self.is_placed = true;
        self.sparse(message, Some(place.trim_end_matches('/')), "")
    }

    /// A value of a `Constant` node, whichever attribute it has. Its name is that of the output.
    fn constant(&mut self, message: Span, node: &Node, place: &str) -> Result<(), ParseError> {
        let attribute = self.fields(message)?;
        if attribute.is_parameter {
            return Ok(());
        }
        self.is_placed = !place.is_empty();
        let output =
            node.output.ok_or_else(|| malformed!("the Constant at byte {} has no output", message.offset))?;
        let name = self.wire.text(output, "an output's name")?;
        if let Some(tensor) = attribute.tensor {
            return self.tensor(tensor, Some(&name), place);
        }
        if let Some(sparse) = attribute.sparse {
            return self.sparse(sparse, Some(&name), place);
        }
        let is = |wire: &mut Wire, wanted| attribute.name.map_or(Ok(false), |name| wire.is(name, wanted));
        let numbers =
            |field, form, count| Numbers { message, field, coding: Coding::Varint, form, count, fill: false };
        if let Some(float) = attribute.float {
            return self.push_value(&name, place, Dtype::F32, &[], float.offset, None);
        }
        if let Some(int) = attribute.int {
            let recipe = numbers(3, Form::for_width(8), 1);
            return self.push_value(&name, place, Dtype::I64, &[], int.span.offset, Some(recipe));
        }
        // Writers of protobuf's third syntax leave a zero out.
        for (single, dtype) in [("value_float", Dtype::F32), ("value_int", Dtype::I64)] {
            if is(&mut self.wire, single)? {
                let zero =
                    Numbers { fill: true, ..numbers(3, Form::for_width(dtype.info().block_bytes as u8), 1) };
                return self.push_value(&name, place, dtype, &[], message.offset, Some(zero));
            }
        }
        if is(&mut self.wire, "value_floats")? {
            let count = attribute.floats.max();
            let plain = attribute.floats.plain(Coding::Fixed32, 4 * count);
            let recipe = Numbers { coding: Coding::Fixed32, ..numbers(7, Form::for_width(4), count) };
            let recipe = plain.is_none().then_some(recipe).filter(|_| count > 0);
            return self.push_value(
                &name,
                place,
                Dtype::F32,
                &[count],
                plain.unwrap_or(message.offset),
                recipe,
            );
        }
        if is(&mut self.wire, "value_ints")? {
            let (message, ints) = (message, &attribute.ints);
            // Packed numbers of variable length have to be counted, as there is no shape.
            let count = if ints.min() == ints.max() { ints.max() } else { self.count_varints(message, 8)? };
            let recipe = Some(numbers(8, Form::for_width(8), count)).filter(|_| count > 0);
            return self.push_value(&name, place, Dtype::I64, &[count], message.offset, recipe);
        }
        if attribute.texts {
            let name = self.names.join(place, &name)?;
            self.push(Found::Texts(name, None))?;
        }
        Ok(())
    }

    fn count_varints(&mut self, message: Span, number: u32) -> Result<u64, ParseError> {
        let (mut count, mut rest) = (0, message);
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == number {
                self.wire.varints(&field, |_| {
                    count += 1;
                    Ok(())
                })?;
            }
        }
        Ok(count)
    }

    fn push_value(
        &mut self,
        name: &str,
        place: &str,
        dtype: Dtype,
        shape: &[u64],
        offset: u64,
        recipe: Option<Numbers>,
    ) -> Result<(), ParseError> {
        let weight_count = shape.iter().product();
        let name = self.names.join(place, name)?;
        self.push(Found::Here(Tensor {
            name,
            shape: shape.to_vec(),
            dtype,
            file_no: 0,
            offset,
            byte_length: weight_count * u64::from(dtype.info().block_bytes),
            weight_count,
            lazy: recipe.map(|recipe| Arc::new(recipe) as _),
            affine: None,
        }))
    }

    fn tensor(&mut self, message: Span, name: Option<&str>, place: &str) -> Result<(), ParseError> {
        let found = read(&mut self.wire, message, name, place, &mut self.names)?;
        self.push(found)
    }

    /// A `SparseTensorProto`: its values and their indices are two tensors, `NAME.values` and
    /// `NAME.indices`.
    fn sparse(&mut self, message: Span, name: Option<&str>, place: &str) -> Result<(), ParseError> {
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

    fn tensor_name(&mut self, message: Span) -> Result<String, ParseError> {
        let mut rest = message;
        while let Some(field) = self.wire.next(&mut rest)? {
            if field.number == 8 {
                return self.wire.text(field.bytes()?, "a tensor's name");
            }
        }
        Ok(String::new())
    }

    fn push(&mut self, found: Found) -> Result<(), ParseError> {
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
