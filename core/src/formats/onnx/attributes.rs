//! Attributes of ONNX nodes: the tensors and graphs in them, and the values of constants.
//! Source: onnx.proto.

use super::graph::{Node, Reader};
use super::tensor::Found;
use crate::dtype::Dtype;
use crate::formats::containers::protobuf::numbers::{Coding, Form, Numbers, Seen};
use crate::formats::containers::protobuf::{Field, Payload, Span, Wire, once};
use crate::formats::error::{ParseError, malformed};
use crate::model::Tensor;
use std::sync::Arc;

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
    pub(super) fn attribute(
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
    pub(super) fn constant(&mut self, message: Span, node: &Node, place: &str) -> Result<(), ParseError> {
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
}
