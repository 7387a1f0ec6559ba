//! TensorFlow's data types, shapes and `TensorProto`, the value of a constant.
//! Source: tensorflow/core/framework/types.proto, tensor_shape.proto, tensor.proto; what fewer
//! values than elements mean: `tf.make_ndarray`.

use crate::dtype::Dtype;
use crate::formats::containers::protobuf::numbers::{Coding, Form, Numbers, Seen};
use crate::formats::containers::protobuf::{Span, Wire, once};
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::limits::{MAX_DIMS, weight_count};
use crate::model::Tensor;
use std::sync::Arc;

/// Most bytes of a model's constants that are one value repeated. A few bytes of a file can ask for
/// any number of them, but a graph that protobuf could hold in full has less than 2 GiB.
pub const MAX_FILLED_BYTES: u64 = 2 << 30;

/// What TensorFlow's number of a data type means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// Weights.
    Weights(Dtype),
    /// Texts, handles, variants, and numbers we have no type for: known, and no weights to us.
    Other,
}

/// The type of a number of `DataType`, whose references are counted from 101 on.
///
/// # Errors
/// [`ParseError::Unsupported`] for a number that types.proto does not have.
pub fn data_type(number: u64, name: &str) -> Result<DataType, ParseError> {
    let plain = if (101..200).contains(&number) { number - 100 } else { number };
    Ok(DataType::Weights(match plain {
        1 => Dtype::F32,
        2 => Dtype::F64,
        3 | 13 => Dtype::I32,
        4 | 12 => Dtype::U8,
        5 | 15 => Dtype::I16,
        6 | 11 => Dtype::I8,
        8 => Dtype::C64,
        9 => Dtype::I64,
        10 => Dtype::BOOL,
        14 => Dtype::BF16,
        16 | 17 => Dtype::U16,
        18 => Dtype::C128,
        19 => Dtype::F16,
        22 => Dtype::U32,
        23 => Dtype::U64,
        24 => Dtype::F8_E5M2,
        25 => Dtype::F8_E4M3,
        26 => Dtype::F8_E4M3FNUZ,
        28 => Dtype::F8_E5M2FNUZ,
        // Integers of four and two bits: TensorFlow gives each a byte of its own.
        29 | 31 => Dtype::I8,
        30 | 32 => Dtype::U8,
        // Text, handle, variant; F8_E4M3B11FNUZ and F4 in bytes of their own.
        7 | 20 | 21 | 27 | 33 => return Ok(DataType::Other),
        _ => return Err(unsupported!("\"{name}\" has the unknown data type {number}")),
    }))
}

/// A `TensorShapeProto`.
pub fn shape(wire: &mut Wire, message: Span) -> Result<Vec<u64>, ParseError> {
    let (mut shape, mut rest) = (Vec::new(), message);
    while let Some(field) = wire.next(&mut rest)? {
        match field.number {
            2 => {
                let (mut extent, mut dim) = (0, field.bytes()?);
                while let Some(field) = wire.next(&mut dim)? {
                    if field.number == 1 {
                        extent = field.varint()?;
                    }
                }
                if i64::try_from(extent).is_err() {
                    return Err(malformed!(
                        "a shape at byte {} has the extent {}",
                        message.offset,
                        extent as i64
                    ));
                }
                if shape.len() == MAX_DIMS {
                    return Err(malformed!(
                        "a shape at byte {} has more than {MAX_DIMS} dimensions",
                        message.offset
                    ));
                }
                shape.push(extent);
            }
            3 if field.varint()? != 0 => {
                return Err(malformed!("a shape at byte {} is of unknown rank", message.offset));
            }
            _ => {}
        }
    }
    Ok(shape)
}

/// The fields that hold values, apart from texts and handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    Half,
    Float,
    Double,
    Int,
    Scomplex,
    Int64,
    Bool,
    Dcomplex,
    Uint32,
    Uint64,
    /// Bytes, one for each element.
    Float8,
}

impl Typed {
    const ALL: [Self; 11] = [
        Self::Half,
        Self::Float,
        Self::Double,
        Self::Int,
        Self::Scomplex,
        Self::Int64,
        Self::Bool,
        Self::Dcomplex,
        Self::Uint32,
        Self::Uint64,
        Self::Float8,
    ];

    /// The field's number and name, and how its numbers are written.
    fn field(self) -> (u32, &'static str, Coding) {
        match self {
            Self::Half => (13, "half_val", Coding::Varint),
            Self::Float => (5, "float_val", Coding::Fixed32),
            Self::Double => (6, "double_val", Coding::Fixed64),
            Self::Int => (7, "int_val", Coding::Varint),
            Self::Scomplex => (9, "scomplex_val", Coding::Fixed32),
            Self::Int64 => (10, "int64_val", Coding::Varint),
            Self::Bool => (11, "bool_val", Coding::Varint),
            Self::Dcomplex => (12, "dcomplex_val", Coding::Fixed64),
            Self::Uint32 => (16, "uint32_val", Coding::Varint),
            Self::Uint64 => (17, "uint64_val", Coding::Varint),
            Self::Float8 => (18, "float8_val", Coding::Byte),
        }
    }

    /// The field that holds values of a type.
    fn for_dtype(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::Float,
            Dtype::F64 => Self::Double,
            Dtype::C64 => Self::Scomplex,
            Dtype::C128 => Self::Dcomplex,
            Dtype::I64 => Self::Int64,
            Dtype::BOOL => Self::Bool,
            Dtype::F16 | Dtype::BF16 => Self::Half,
            Dtype::U32 => Self::Uint32,
            Dtype::U64 => Self::Uint64,
            Dtype::F8_E5M2 | Dtype::F8_E4M3 | Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ => Self::Float8,
            _ => Self::Int,
        }
    }
}

/// Reads the `TensorProto` that is `message`; none where it holds no weights. `filled` counts the
/// bytes that stand in no file.
pub fn read(
    wire: &mut Wire,
    message: Span,
    name: String,
    filled: &mut u64,
) -> Result<Option<Tensor>, ParseError> {
    let (mut number, mut extents, mut content) = (None, None, None);
    let mut seen = [Seen::default(); Typed::ALL.len()];
    let mut rest = message;
    while let Some(field) = wire.next(&mut rest)? {
        let offset = field.span.offset;
        match field.number {
            1 => once(&mut number, field.varint()?, "a tensor's data type", offset)?,
            2 => once(&mut extents, field.bytes()?, "a tensor's shape", offset)?,
            4 => once(&mut content, field.bytes()?, "a tensor's content", offset)?,
            number => {
                if let Some(typed) = Typed::ALL.into_iter().find(|typed| typed.field().0 == number) {
                    seen[typed as usize].add(&field, typed.field().2)?;
                }
            }
        }
    }
    let DataType::Weights(dtype) = data_type(number.unwrap_or_default(), &name)? else {
        return Ok(None);
    };
    let extents = extents.map_or(Ok(Vec::new()), |extents| shape(wire, extents))?;
    let mut tensor = empty(name, extents, dtype)?;
    tensor.offset = message.offset;
    // An empty content is the same as none, as with make_ndarray.
    match content.filter(|content| content.len() > 0) {
        Some(content) if content.len() == tensor.byte_length => tensor.offset = content.offset,
        Some(content) => {
            return Err(malformed!(
                "tensor \"{}\" of shape {:?} and type {} takes {} bytes, but tensor_content has {}",
                tensor.name,
                tensor.shape,
                dtype.name(),
                tensor.byte_length,
                content.len()
            ));
        }
        None => place_typed(&mut tensor, message, &seen[Typed::for_dtype(dtype) as usize], filled)?,
    }
    Ok(Some(tensor))
}

/// A tensor that is nowhere yet.
pub fn empty(name: String, shape: Vec<u64>, dtype: Dtype) -> Result<Tensor, ParseError> {
    let weight_count = weight_count(&name, &shape)?;
    let byte_length = dtype
        .byte_length(weight_count)
        .ok_or_else(|| malformed!("tensor \"{name}\" of shape {shape:?} has 2^64 bytes or more"))?;
    Ok(Tensor {
        name,
        shape,
        dtype,
        file_no: 0,
        offset: 0,
        byte_length,
        weight_count,
        lazy: None,
        affine: None,
    })
}

fn place_typed(tensor: &mut Tensor, message: Span, seen: &Seen, filled: &mut u64) -> Result<(), ParseError> {
    let (field, field_name, coding) = Typed::for_dtype(tensor.dtype).field();
    let lanes = if matches!(tensor.dtype, Dtype::C64 | Dtype::C128) { 2 } else { 1 };
    let form = Form {
        width: (tensor.dtype.info().block_bytes / lanes) as u8,
        lanes: lanes as u8,
        boolean: tensor.dtype == Dtype::BOOL,
    };
    let numbers = tensor.weight_count.saturating_mul(lanes.into());
    if seen.min() > numbers {
        return Err(malformed!(
            "tensor \"{}\" of shape {:?} takes {numbers} numbers, but {field_name} has {}",
            tensor.name,
            tensor.shape,
            seen.min()
        ));
    }
    if let Some(offset) = seen.plain(coding, tensor.byte_length) {
        tensor.offset = offset;
        return Ok(());
    }
    if tensor.byte_length == 0 {
        return Ok(());
    }
    if seen.max() < numbers {
        *filled = filled.saturating_add(tensor.byte_length);
        if *filled > MAX_FILLED_BYTES {
            return Err(too_large!(
                "tensor \"{}\" of shape {:?} is {} values, the last of them repeated: {filled} bytes so far that the file does not have (at most {MAX_FILLED_BYTES})",
                tensor.name,
                tensor.shape,
                seen.max()
            ));
        }
    }
    let count = tensor.weight_count;
    tensor.lazy = Some(Arc::new(Numbers { message, field, coding, form, count, fill: true }));
    Ok(())
}
