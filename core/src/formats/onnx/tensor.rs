//! One tensor of an ONNX file: `TensorProto`.
//! Source: onnx.proto, `TensorProto`, whose comments say which field holds which data type.

use crate::dtype::Dtype;
use crate::formats::containers::protobuf::numbers::{Coding, Form, Numbers, Seen};
use crate::formats::containers::protobuf::{Field, Span, Wire, once};
use crate::formats::error::{ParseError, malformed, unsupported};
use crate::formats::limits::{MAX_DIMS, weight_count};
use crate::formats::support::tensor_names::TensorNames;
use crate::model::Tensor;
use std::sync::Arc;

/// What a `TensorProto` is to us.
pub enum Found {
    /// Weights, in the model file itself.
    Here(Tensor),
    /// Weights, in another file; offset and file number are not known yet.
    Elsewhere(Tensor, External),
    /// Texts, which are not weights, of this name; also in a file of its own.
    Texts(String, Option<External>),
}

/// Where the bytes of a tensor are that are not in the model file.
#[derive(Debug, Default)]
pub struct External {
    /// The path, from the model's folder.
    pub location: String,
    /// First byte in that file.
    pub offset: u64,
    /// Number of bytes, where the model says it.
    pub length: Option<u64>,
}

/// The data types (`TensorProto.DataType`), and the typed field that holds each.
fn data_type(number: u64) -> Option<(Dtype, Typed)> {
    use Typed::*;
    Some(match number {
        1 => (Dtype::F32, Float),
        2 => (Dtype::U8, Int32),
        3 => (Dtype::I8, Int32),
        4 => (Dtype::U16, Int32),
        5 => (Dtype::I16, Int32),
        6 => (Dtype::I32, Int32),
        7 => (Dtype::I64, Int64),
        9 => (Dtype::BOOL, Int32),
        10 => (Dtype::F16, Int32),
        11 => (Dtype::F64, Double),
        12 => (Dtype::U32, Uint64),
        13 => (Dtype::U64, Uint64),
        14 => (Dtype::C64, Float),
        15 => (Dtype::C128, Double),
        16 => (Dtype::BF16, Int32),
        17 => (Dtype::F8_E4M3, Int32),
        18 => (Dtype::F8_E4M3FNUZ, Int32),
        19 => (Dtype::F8_E5M2, Int32),
        20 => (Dtype::F8_E5M2FNUZ, Int32),
        21 => (Dtype::U4, Int32),
        22 => (Dtype::I4, Int32),
        23 => (Dtype::F4, Int32),
        24 => (Dtype::F8_E8M0, Int32),
        25 => (Dtype::U2, Int32),
        26 => (Dtype::I2, Int32),
        27 => (Dtype::F6_E2M3, Int32),
        28 => (Dtype::F6_E3M2, Int32),
        _ => return None,
    })
}

const STRING: u64 = 8;

/// The fields that hold numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    Float,
    Int32,
    Int64,
    Double,
    Uint64,
}

impl Typed {
    const ALL: [Self; 5] = [Self::Float, Self::Int32, Self::Int64, Self::Double, Self::Uint64];

    /// The field's number and name, and how its numbers are written.
    fn field(self) -> (u32, &'static str, Coding) {
        match self {
            Self::Float => (4, "float_data", Coding::Fixed32),
            Self::Int32 => (5, "int32_data", Coding::Varint),
            Self::Int64 => (7, "int64_data", Coding::Varint),
            Self::Double => (10, "double_data", Coding::Fixed64),
            Self::Uint64 => (11, "uint64_data", Coding::Varint),
        }
    }
}

/// The fields of one `TensorProto`, as they stand.
#[derive(Default)]
struct Fields {
    name: Option<String>,
    shape: Vec<u64>,
    data_type: Option<u64>,
    raw: Option<Span>,
    typed: [Seen; Typed::ALL.len()],
    external: Option<External>,
    elsewhere: bool,
}

/// Reads the tensor that is `message`. Its name is `given` or, without that, its own, behind that of
/// its place in the graph.
pub fn read(
    wire: &mut Wire,
    message: Span,
    given: Option<&str>,
    place: &str,
    names: &mut TensorNames,
) -> Result<Found, ParseError> {
    let fields = walk(wire, message)?;
    let name = given.unwrap_or(fields.name.as_deref().unwrap_or_default());
    let number = fields.data_type.unwrap_or_default();
    let name = if number == STRING && name.is_empty() { "?" } else { name };
    let name = names.join(place, name)?;
    if number == STRING {
        let external = fields.external.filter(|external| fields.elsewhere && !external.location.is_empty());
        return Ok(Found::Texts(name, external));
    }
    let (dtype, typed) = data_type(number)
        .ok_or_else(|| unsupported!("tensor \"{name}\" has the unknown data type {number}"))?;
    let weight_count = weight_count(&name, &fields.shape)?;
    let byte_length = packed_bytes(dtype, weight_count)
        .ok_or_else(|| malformed!("tensor \"{name}\" of shape {:?} has 2^64 bytes or more", fields.shape))?;
    let mut tensor = Tensor {
        name,
        shape: fields.shape,
        dtype,
        file_no: 0,
        offset: message.offset,
        byte_length,
        weight_count,
        lazy: None,
        affine: None,
    };
    if fields.elsewhere {
        let external = fields.external.filter(|external| !external.location.is_empty()).ok_or_else(|| {
            malformed!("tensor \"{}\" lies in another file, but its location is empty", tensor.name)
        })?;
        if let Some(length) = external.length.filter(|length| *length != byte_length) {
            return Err(wrong_length(&tensor, "its external data", length));
        }
        return Ok(Found::Elsewhere(tensor, external));
    }
    match fields.raw {
        Some(raw) if raw.len() == byte_length => tensor.offset = raw.offset,
        Some(raw) => return Err(wrong_length(&tensor, "raw_data", raw.len())),
        None => place_typed(&mut tensor, message, typed, &fields.typed)?,
    }
    Ok(Found::Here(tensor))
}

/// Bytes of a tensor. Types of less than a byte are packed over all axes, and the last byte is
/// padded, where other formats know whole blocks only.
fn packed_bytes(dtype: Dtype, weights: u64) -> Option<u64> {
    let row = dtype.info();
    let bits = u64::from(row.block_bytes) * 8 / u64::from(row.block_weights);
    match bits {
        8.. => dtype.byte_length(weights),
        bits => {
            Some(u64::try_from((u128::from(weights) * u128::from(bits)).div_ceil(8)).expect("less than 2^63"))
        }
    }
}

fn wrong_length(tensor: &Tensor, what: &str, length: u64) -> ParseError {
    malformed!(
        "tensor \"{}\" of shape {:?} and type {} takes {} bytes, but {what} has {length}",
        tensor.name,
        tensor.shape,
        tensor.dtype.name(),
        tensor.byte_length
    )
}

/// Finds the bytes of a tensor in the typed field of its data type.
fn place_typed(
    tensor: &mut Tensor,
    message: Span,
    typed: Typed,
    all_seen: &[Seen; Typed::ALL.len()],
) -> Result<(), ParseError> {
    let seen = &all_seen[typed as usize];
    let (field, field_name, coding) = typed.field();
    let byte_length = tensor.byte_length;
    let form = match tensor.dtype {
        Dtype::C64 => Form { lanes: 2, ..Form::for_width(4) },
        Dtype::C128 => Form { lanes: 2, ..Form::for_width(8) },
        Dtype::F6_E2M3 | Dtype::F6_E3M2 if tensor.weight_count > 0 => {
            return Err(unsupported!(
                "tensor \"{}\" has its {} numbers in {field_name}, of which only raw_data is read",
                tensor.name,
                tensor.dtype.name()
            ));
        }
        // A number holds one byte of the packed weights of two or four bits.
        Dtype::F4 | Dtype::I4 | Dtype::U4 | Dtype::I2 | Dtype::U2 | Dtype::F6_E2M3 | Dtype::F6_E3M2 => {
            Form::for_width(1)
        }
        dtype => Form::for_width(dtype.info().block_bytes as u8),
    };
    let count = byte_length / (u64::from(form.width) * u64::from(form.lanes));
    let numbers = count * u64::from(form.lanes);
    if !(seen.min()..=seen.max()).contains(&numbers) {
        return Err(malformed!(
            "tensor \"{}\" of shape {:?} and type {} takes {numbers} numbers, but {field_name} has {}",
            tensor.name,
            tensor.shape,
            tensor.dtype.name(),
            if seen.min() == seen.max() {
                seen.max().to_string()
            } else {
                format!("{} to {}", seen.min(), seen.max())
            }
        ));
    }
    match seen.plain(coding, byte_length) {
        Some(offset) => tensor.offset = offset,
        None if byte_length > 0 => {
            tensor.lazy = Some(Arc::new(Numbers { message, field, coding, form, count, fill: false }));
        }
        None => {}
    }
    Ok(())
}

fn walk(wire: &mut Wire, message: Span) -> Result<Fields, ParseError> {
    let (mut fields, mut rest) = (Fields::default(), message);
    while let Some(field) = wire.next(&mut rest)? {
        let offset = field.span.offset;
        match field.number {
            1 => dims(wire, &field, &mut fields.shape)?,
            2 => once(&mut fields.data_type, field.varint()?, "a tensor's data type", offset)?,
            3 => return Err(unsupported!("the tensor at byte {offset} is one segment of a tensor")),
            8 => {
                let name = wire.text(field.bytes()?, "a tensor's name")?;
                once(&mut fields.name, name, "a tensor's name", offset)?;
            }
            9 => once(&mut fields.raw, field.bytes()?, "a tensor's raw_data", offset)?,
            13 => {
                let entry = field.bytes()?;
                external_entry(wire, entry, fields.external.get_or_insert_default())?;
            }
            14 => fields.elsewhere = field.varint()? == 1,
            number => {
                let typed = Typed::ALL.into_iter().find(|typed| typed.field().0 == number);
                if let Some(typed) = typed {
                    fields.typed[typed as usize].add(&field, typed.field().2)?;
                }
            }
        }
    }
    Ok(fields)
}

/// Adds the extents of a field `dims`, packed or one by one.
pub fn dims(wire: &mut Wire, field: &Field, shape: &mut Vec<u64>) -> Result<(), ParseError> {
    wire.varints(field, |extent| {
        if i64::try_from(extent).is_err() {
            return Err(malformed!("a tensor has the extent {}", extent as i64));
        }
        if shape.len() == MAX_DIMS {
            return Err(malformed!("a tensor has more than {MAX_DIMS} dimensions"));
        }
        shape.push(extent);
        Ok(())
    })
}

/// Reads one entry of `external_data`. Keys that are not ours are passed over: they are for others.
fn external_entry(wire: &mut Wire, message: Span, external: &mut External) -> Result<(), ParseError> {
    let (mut key, mut value, mut rest) = (String::new(), None, message);
    while let Some(field) = wire.next(&mut rest)? {
        match field.number {
            1 => key = wire.text(field.bytes()?, "a key of external data")?,
            2 => value = Some(field.bytes()?),
            _ => {}
        }
    }
    let what = "a value of external data";
    let Some(value) = value else { return Ok(()) };
    let mut number = || -> Result<u64, ParseError> {
        let text = wire.text(value, what)?;
        text.parse()
            .map_err(|_| malformed!("the {key} of external data is \"{text}\", which is not a number"))
    };
    match key.as_str() {
        "offset" => external.offset = number()?,
        "length" => external.length = Some(number()?),
        "location" => external.location = wire.text(value, what)?,
        _ => {}
    }
    Ok(())
}
