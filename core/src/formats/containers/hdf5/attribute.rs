//! Attributes of groups: names, and values that are text or numbers.
//! Source: HDF5 File Format Specification, IV.A.2.m.

use super::datatype_class::Datatype;
use super::file::{Fields, File};
use super::messages::{Extents, dataspace, unshared};
use super::object::{Message, Object, kind};
use super::{datatype, dense, global_heap};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::metadata::{Array, Detail, Value};
use crate::weights::{Weights, decode};

/// Longest single text, as for the values of the other formats.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Arrays up to this length are shown whole in a summary, and so many elements of longer ones.
const SHORT_ARRAY: u64 = 16;
const SUMMARY_ELEMENTS: u64 = 4;
/// The most elements that are ever shown: each takes the memory of a [`Value`].
const MAX_ELEMENTS: u64 = 1 << 16;

/// One attribute: its name, and what describes its value.
pub(super) struct Attribute {
    pub(super) name: String,
    datatype: Datatype,
    extents: Option<Extents>,
    data: Vec<u8>,
}

/// All attributes of an object, by name.
pub(super) fn all(file: &mut File, object: &Object) -> Result<Vec<Attribute>, ParseError> {
    let mut attributes = Vec::new();
    for message in object.messages.iter().filter(|message| message.kind == kind::ATTRIBUTE) {
        attributes.push(of_message(file, message)?);
    }
    if let Some(message) = object.find(kind::ATTRIBUTE_INFO) {
        let mut fields = unshared(file, message, "an attribute index")?;
        fields.version(0, 0)?;
        let tracked = fields.u8()? & 1 != 0;
        fields.skip(if tracked { 2 } else { 0 })?;
        if let Some((heap, index)) = dense::both(fields.address()?, fields.address()?)? {
            for (hash, body) in dense::attributes(file, heap, index)? {
                let attribute = parse(file, &body)?;
                dense::check_hash(&attribute.name, hash)?;
                attributes.push(attribute);
            }
        }
    }
    attributes.sort_by(|one, two| one.name.cmp(&two.name));
    if let Some(pair) = attributes.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(malformed!("an object has two attributes named \"{}\"", pair[0].name));
    }
    Ok(attributes)
}

fn of_message(file: &mut File, message: &Message) -> Result<Attribute, ParseError> {
    unshared(file, message, "an attribute")?;
    parse(file, &message.body)
}

fn parse(file: &mut File, body: &[u8]) -> Result<Attribute, ParseError> {
    const SHARED_TYPE: u8 = 0x01;
    let mut fields = Fields::new(body, file.widths, "an attribute");
    let version = fields.version(1, 3)?;
    let flags = fields.u8()?; // reserved in version 1
    let lengths = [fields.u16()?, fields.u16()?, fields.u16()?];
    fields.skip(if version == 3 { 1 } else { 0 })?; // the name's character set
    let mut parts = [&body[..0]; 3];
    for (part, length) in parts.iter_mut().zip(lengths) {
        *part = fields.take(length.into())?;
        if version == 1 {
            fields.skip(usize::from(length).next_multiple_of(8) - usize::from(length))?;
        }
    }
    let [name, datatype, space] = parts;
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    let name = String::from_utf8_lossy(name).into_owned();
    let datatype = if version > 1 && flags & SHARED_TYPE != 0 {
        datatype::shared(file, datatype)?
    } else {
        datatype::parse(&mut Fields::new(datatype, file.widths, "an attribute's data type"), 0)?
    };
    let extents = dataspace(&mut Fields::new(space, file.widths, "an attribute's dataspace"))?;
    Ok(Attribute { name, datatype, extents, data: fields.take(fields.left())?.to_vec() })
}

impl Attribute {
    /// The text, if it is a single one.
    pub(super) fn text(&self, file: &mut File) -> Result<Option<String>, ParseError> {
        match self.value(file, Detail::Summary)? {
            Some(Value::Text(text)) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// The value: one, or an array of them; `None` for types that are neither text nor a number.
    pub(super) fn value(&self, file: &mut File, detail: Detail) -> Result<Option<Value>, ParseError> {
        let Some(extents) = &self.extents else {
            return Ok(None);
        };
        let count = extents.shape.iter().try_fold(1_u64, |count, extent| count.checked_mul(*extent));
        let element = match &self.datatype {
            Datatype::Number { dtype, .. } => dtype.name(),
            Datatype::Text { .. } | Datatype::VariableText => "string",
            Datatype::Opaque { .. } | Datatype::Other { .. } => return Ok(None),
        };
        let size = self.element_bytes(file);
        // Old headers pad the value.
        let fits = |count: &u64| count.checked_mul(size).is_some_and(|bytes| bytes <= self.data.len() as u64);
        let Some(count) = count.filter(fits) else {
            return Err(malformed!(
                "attribute \"{}\" of shape {:?} and {size} bytes per element has {} bytes",
                self.name,
                extents.shape,
                self.data.len()
            ));
        };
        let shown = match detail {
            Detail::Summary if count > SHORT_ARRAY => SUMMARY_ELEMENTS,
            _ => count.min(MAX_ELEMENTS),
        };
        let mut head = Vec::new();
        for index in 0..shown as usize {
            let bytes = &self.data[index * size as usize..][..size as usize];
            head.push(self.element(file, bytes)?);
        }
        Ok(Some(match head.pop() {
            Some(value) if extents.shape.is_empty() => value,
            last => {
                head.extend(last);
                Value::Array(Array { element, count, head })
            }
        }))
    }

    fn element_bytes(&self, file: &File) -> u64 {
        match &self.datatype {
            Datatype::VariableText => 4 + file.widths.address as u64 + 4,
            datatype => datatype.size(),
        }
    }

    fn element(&self, file: &mut File, bytes: &[u8]) -> Result<Value, ParseError> {
        match &self.datatype {
            Datatype::Number { dtype, swap } => {
                let mut bytes = bytes.to_vec();
                bytes.chunks_exact_mut(*swap).for_each(<[u8]>::reverse);
                Ok(match decode(*dtype, &bytes) {
                    Ok(Weights::F32(values)) => Value::F32(values[0]),
                    Ok(Weights::F64(values)) => Value::F64(values[0]),
                    Ok(Weights::I64(values)) => Value::Int(values[0]),
                    Ok(Weights::U64(values)) => Value::Uint(values[0]),
                    Err(_) => Value::Text(dtype.name().to_owned()), // complex numbers
                })
            }
            Datatype::VariableText => self.variable_text(file, bytes),
            _ => Ok(text(bytes)),
        }
    }

    fn variable_text(&self, file: &mut File, bytes: &[u8]) -> Result<Value, ParseError> {
        let mut fields = Fields::new(bytes, file.widths, "a text's place");
        let length = u64::from(fields.u32()?);
        let (address, number) = (fields.address()?, fields.u32()?);
        // A text without a byte may have no place.
        let Some(address) = address.filter(|address| *address != 0 && length > 0) else {
            return Ok(text(b""));
        };
        if length > MAX_TEXT_BYTES {
            return Err(too_large!(
                "the text of attribute \"{}\" has {length} bytes (at most {MAX_TEXT_BYTES})",
                self.name
            ));
        }
        let bytes = global_heap::object(file, address, number)?;
        let Some(bytes) = bytes.get(..length as usize) else {
            return Err(malformed!(
                "the text of attribute \"{}\" has {length} bytes, but its heap object has {}",
                self.name,
                bytes.len()
            ));
        };
        let value = text(bytes);
        file.charge(length)?;
        Ok(value)
    }
}

/// Text up to its first zero byte.
fn text(bytes: &[u8]) -> Value {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = &bytes[..end];
    Value::Text(String::from_utf8_lossy(bytes).into_owned())
}
