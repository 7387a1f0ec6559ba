//! TensorFlow's data types, shapes and `TensorProto`, the value of a constant.
//! Source: tensorflow/core/framework/types.proto, tensor_shape.proto, tensor.proto; what fewer
//! values than elements mean: `tf.make_ndarray`.

use crate::dtype::Dtype;
use crate::file_layout::Ranges;
use crate::formats::protobuf::numbers::{Coding, Form, Numbers, Seen};
use crate::formats::protobuf::{Span, Wire, once};
use crate::formats::{MAX_DIMS, ParseError, malformed, too_large, unsupported, weight_count};
use crate::model::{Derived, Tensor};
use crate::source::{Source, SourceError};
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
                        message.at,
                        extent as i64
                    ));
                }
                if shape.len() == MAX_DIMS {
                    return Err(malformed!(
                        "a shape at byte {} has more than {MAX_DIMS} dimensions",
                        message.at
                    ));
                }
                shape.push(extent);
            }
            3 if field.varint()? != 0 => {
                return Err(malformed!("a shape at byte {} is of unknown rank", message.at));
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
    fn of(dtype: Dtype) -> Self {
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
        let at = field.span.at;
        match field.number {
            1 => once(&mut number, field.varint()?, "a tensor's data type", at)?,
            2 => once(&mut extents, field.bytes()?, "a tensor's shape", at)?,
            4 => once(&mut content, field.bytes()?, "a tensor's content", at)?,
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
    tensor.offset = message.at;
    // An empty content is the same as none, as with make_ndarray.
    match content.filter(|content| content.len() > 0) {
        Some(content) if content.len() == tensor.byte_length => tensor.offset = content.at,
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
        None => place_typed(&mut tensor, message, &seen[Typed::of(dtype) as usize], filled)?,
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
        derived: None,
        affine: None,
    })
}

fn place_typed(tensor: &mut Tensor, message: Span, seen: &Seen, filled: &mut u64) -> Result<(), ParseError> {
    let (field, field_name, coding) = Typed::of(tensor.dtype).field();
    let lanes = if matches!(tensor.dtype, Dtype::C64 | Dtype::C128) { 2 } else { 1 };
    let form = Form {
        width: (tensor.dtype.info().block_bytes / lanes) as u8,
        lanes: lanes as u8,
        boolean: tensor.dtype == Dtype::BOOL,
    };
    let numbers = tensor.weight_count.saturating_mul(lanes.into());
    if seen.least() > numbers {
        return Err(malformed!(
            "tensor \"{}\" of shape {:?} takes {numbers} numbers, but {field_name} has {}",
            tensor.name,
            tensor.shape,
            seen.least()
        ));
    }
    if let Some(offset) = seen.plain(coding, tensor.byte_length) {
        tensor.offset = offset;
        return Ok(());
    }
    if tensor.byte_length == 0 {
        return Ok(());
    }
    if seen.most() < numbers {
        *filled = filled.saturating_add(tensor.byte_length);
        if *filled > MAX_FILLED_BYTES {
            return Err(too_large!(
                "tensor \"{}\" of shape {:?} is {} values, the last of them repeated: {filled} bytes so far that the file does not have (at most {MAX_FILLED_BYTES})",
                tensor.name,
                tensor.shape,
                seen.most()
            ));
        }
    }
    let count = tensor.weight_count;
    tensor.derived = Some(Arc::new(Numbers { message, field, coding, form, count, fill: true }));
    Ok(())
}

/// Bytes of the file in the other order.
#[derive(Debug)]
pub struct Swapped {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// Bytes of one number.
    pub width: u8,
}

impl Derived for Swapped {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let bytes = Ranges::new(file, [(self.offset, self.length)]);
        Ok(Box::new(SwappedSource { bytes, width: self.width.into() }))
    }
}

struct SwappedSource<'a> {
    bytes: Ranges<'a>,
    width: usize,
}

impl Source for SwappedSource<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        crate::source::check_range(offset, buf.len(), self.len())?;
        let width = self.width;
        // The numbers that the range begins and ends in are read whole, the others in place.
        let lead = (offset % width as u64) as usize;
        let mut at = offset - lead as u64;
        let mut skip = lead;
        let mut buf = buf;
        while !buf.is_empty() {
            if skip == 0 && buf.len() >= width {
                let (now, rest) = buf.split_at_mut(buf.len() / width * width);
                self.bytes.read_at(at, now)?;
                now.chunks_exact_mut(width).for_each(<[u8]>::reverse);
                (at, buf) = (at + now.len() as u64, rest);
                continue;
            }
            let mut number = [0; 8];
            let number = &mut number[..width];
            self.bytes.read_at(at, number)?;
            number.reverse();
            let n = (width - skip).min(buf.len());
            let (now, rest) = buf.split_at_mut(n);
            now.copy_from_slice(&number[skip..skip + n]);
            (at, buf, skip) = (at + width as u64, rest, 0);
        }
        Ok(())
    }
}
