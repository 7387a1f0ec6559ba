//! NumPy's arrays within a pickle: what torch writes of tensors on devices whose storages it cannot reach (XLA).
//! Source: NumPy's `array_reduce`, `array_setstate` (methods.c), `arraydescr_reduce` (descriptor.c) and
//! `_frombuffer` (numeric.py); CPython's `save_bytes` (pickle.py) for bytes in protocols before 3.

use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::formats::containers::pickle::{DeferredCall, Object, Pickle, TextRef, Value};
use crate::formats::limits::MAX_DIMS;
use crate::formats::support::numpy_types::dtype_of;

/// How many times bytes may be made of bytes: a bytearray of encoded text is two.
const MAX_LEVELS: usize = 4;

/// Where the bytes of an array stand in the pickle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    /// As they are.
    Bytes(ByteRange),
    /// As a text's characters, which are not kept.
    Text(ByteRange),
    /// As a text's characters, which are.
    Short(TextRef),
    /// There are none.
    Nothing,
}

/// An array as a pickle describes it.
#[derive(Debug, Clone)]
pub struct Array {
    /// Its bytes.
    pub content: Content,
    /// Number of its bytes.
    pub length: u64,
    /// What its elements are.
    pub dtype: Dtype,
    /// The order of each element's bytes.
    pub big_endian: bool,
    /// Extents, outermost first.
    pub shape: Vec<u64>,
    /// Elements between neighbours along each axis.
    pub strides: Vec<u64>,
}

/// What an array's elements are.
enum Element {
    Plain(Dtype, bool),
    Other(String),
}

/// True for the call of which an array is made.
pub fn makes_array(pickle: &Pickle, call: &DeferredCall) -> bool {
    maker(pickle, call).is_some()
}

#[derive(Clone, Copy, PartialEq)]
enum Maker {
    /// An empty array, whose state follows.
    Reconstruct,
    /// Of a buffer, in protocol 5.
    FromBuffer,
}

fn maker(pickle: &Pickle, call: &DeferredCall) -> Option<Maker> {
    let function = pickle.global(call.callee)?;
    match (function.module.as_str(), function.name.as_str()) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Some(Maker::Reconstruct),
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Some(Maker::FromBuffer),
        _ => None,
    }
}

impl Array {
    /// Reads the call that makes an array; `Ok(Err(…))` is the name of a type that no tensor has. The error says
    /// what is wrong.
    pub fn read(pickle: &Pickle, call: &DeferredCall) -> Result<Result<Self, String>, String> {
        let arguments = pickle.sequence(call.arguments).ok_or("an array's arguments are not a tuple")?;
        match maker(pickle, call).ok_or("its data are no array of NumPy")? {
            Maker::Reconstruct => {
                let class = arguments.first().and_then(|class| pickle.global(*class));
                if class.is_none_or(|class| class.module != "numpy" || class.name != "ndarray") {
                    return Err("its data are of a class of their own".into());
                }
                let state = pickle.sequence(call.state).ok_or("its array has no state")?;
                let parts = match state {
                    // Version 1; the one before had no number.
                    [Value::Int(0 | 1), rest @ ..] => rest,
                    state => state,
                };
                let [shape, dtype, fortran, content] = parts else {
                    return Err(format!("its array's state has {} parts", state.len()));
                };
                let fortran = match fortran {
                    Value::Bool(fortran) => *fortran,
                    Value::Int(number) => *number != 0,
                    _ => return Err("its array is in no known order".into()),
                };
                let order = if fortran { Order::Fortran } else { Order::C };
                Self::of(pickle, *shape, *dtype, order, *content)
            }
            Maker::FromBuffer => {
                let [content, dtype, shape, order, axes @ ..] = arguments else {
                    return Err(format!("_frombuffer has {} arguments", arguments.len()));
                };
                let order = match (pickle.text(*order), axes) {
                    (Some("C"), [] | [Value::None]) => Order::C,
                    (Some("F"), [] | [Value::None]) => Order::Fortran,
                    (Some("K"), [axes]) => Order::Axes(numbers(pickle, *axes)?),
                    _ => return Err("its array is in no known order".into()),
                };
                Self::of(pickle, *shape, *dtype, order, *content)
            }
        }
    }

    fn of(
        pickle: &Pickle,
        shape: Value,
        dtype: Value,
        order: Order,
        content: Value,
    ) -> Result<Result<Self, String>, String> {
        let (dtype, big_endian) = match element(pickle, dtype)? {
            Element::Plain(dtype, big_endian) => (dtype, big_endian),
            Element::Other(name) => return Ok(Err(name)),
        };
        let (shape, strides) = order.place(numbers(pickle, shape)?)?;
        let count = shape.iter().try_fold(1u64, |count, extent| count.checked_mul(*extent));
        let length = count.and_then(|count| dtype.byte_length(count)).ok_or("its array is too long")?;
        let content = content_of(pickle, content, 0)?;
        let fits = match content {
            Content::Bytes(range) => range.len == length,
            // A character of Latin-1 takes one or two bytes.
            Content::Text(range) => (length..=length.saturating_mul(2)).contains(&range.len),
            Content::Short(text) => {
                let text = pickle.text(Value::Text(text)).unwrap_or_default();
                text.chars().count() as u64 == length && text.chars().all(|c| u32::from(c) < 256)
            }
            Content::Nothing => length == 0,
        };
        if !fits {
            return Err(format!(
                "its array of shape {shape:?} and type {} takes {length} bytes, which its data are not",
                dtype.name()
            ));
        }
        Ok(Ok(Self { content, length, dtype, big_endian, shape, strides }))
    }
}

/// How the elements follow each other.
enum Order {
    C,
    Fortran,
    /// In C's order, of axes that are then put in another order.
    Axes(Vec<u64>),
}

impl Order {
    /// The shape, and the strides of elements in this order.
    fn place(self, shape: Vec<u64>) -> Result<(Vec<u64>, Vec<u64>), String> {
        let rows = |shape: &[u64]| {
            let (mut strides, mut stride) = (vec![0; shape.len()], 1u64);
            for (axis, extent) in shape.iter().enumerate().rev() {
                strides[axis] = stride;
                stride = stride.saturating_mul(*extent);
            }
            strides
        };
        Ok(match self {
            Self::C => {
                let strides = rows(&shape);
                (shape, strides)
            }
            Self::Fortran => {
                let turned: Vec<u64> = shape.iter().rev().copied().collect();
                let strides = rows(&turned).into_iter().rev().collect();
                (shape, strides)
            }
            Self::Axes(axes) => {
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..shape.len() as u64) {
                    return Err("the order of its array's axes is none".into());
                }
                let strides = rows(&shape);
                let of = |from: &[u64]| axes.iter().map(|axis| from[*axis as usize]).collect();
                (of(&shape), of(&strides))
            }
        })
    }
}

fn numbers(pickle: &Pickle, tuple: Value) -> Result<Vec<u64>, String> {
    let items = pickle.sequence(tuple).ok_or("its array's shape is not a tuple")?;
    if items.len() > MAX_DIMS {
        return Err(format!("its array has {} axes", items.len()));
    }
    let number = |item: &Value| match item {
        Value::Int(number) => {
            u64::try_from(*number).map_err(|_| format!("its array has the extent {number}"))
        }
        _ => Err("its array's shape is not of numbers".into()),
    };
    items.iter().map(number).collect()
}

/// The type of a call of `numpy.dtype`: its name, and in the state the byte order.
fn element(pickle: &Pickle, dtype: Value) -> Result<Element, String> {
    let call = pickle.deferred_call(dtype).ok_or("its array has no type")?;
    let is_dtype =
        pickle.global(call.callee).is_some_and(|class| class.module == "numpy" && class.name == "dtype");
    let name = pickle.sequence(call.arguments).and_then(|arguments| arguments.first());
    let name = name.filter(|_| is_dtype).ok_or("its array's type is not a type of NumPy")?;
    let name = match pickle.global(*name) {
        Some(class) => return Ok(Element::Other(format!("{}.{}", class.module, class.name))),
        None => pickle.text(*name).ok_or("its array's type has no name")?,
    };
    let state = match call.state {
        Value::None => &[],
        state => pickle.sequence(state).ok_or("the state of its array's type is not a tuple")?,
    };
    // Version, byte order, the type of sub-arrays, names and types of fields, and sizes.
    let plain = state.get(2..5).is_none_or(|parts| parts.iter().all(|part| *part == Value::None));
    let Some(dtype) = dtype_of(name).filter(|_| plain) else {
        return Ok(Element::Other(name.to_owned()));
    };
    let big_endian = match state.get(1).map(|order| pickle.text(*order)) {
        None | Some(Some("<" | "=" | "|")) => false,
        Some(Some(">")) => true,
        _ => return Err("its array's byte order is none".into()),
    };
    Ok(Element::Plain(dtype, big_endian))
}

/// Finds the bytes of what builds bytes: themselves, a text of Latin-1 (what protocols before 3 have), or a call
/// that makes them of one.
fn content_of(pickle: &Pickle, value: Value, level: usize) -> Result<Content, String> {
    let none = || "its array's data are not bytes".to_owned();
    if let Value::Text(text) = value {
        return Ok(Content::Short(text));
    }
    match pickle.object(value).ok_or_else(none)? {
        Object::Bytes(bytes) => Ok(Content::Bytes(bytes.range)),
        Object::LongText(range) => Ok(Content::Text(*range)),
        Object::Deferred(call) if level < MAX_LEVELS => {
            let function = pickle.global(call.callee).ok_or_else(none)?;
            let arguments = pickle.sequence(call.arguments).ok_or_else(none)?;
            let latin = |encoding: &Value| {
                let name = pickle.text(*encoding).unwrap_or_default().to_ascii_lowercase();
                ["latin1", "latin-1", "latin_1", "iso-8859-1"].contains(&name.as_str())
            };
            match (function.module.as_str(), function.name.as_str(), arguments) {
                ("builtins" | "__builtin__", "bytes" | "bytearray", []) => Ok(Content::Nothing),
                ("_codecs", "encode", [text, encoding]) if latin(encoding) => {
                    match content_of(pickle, *text, level + 1)? {
                        Content::Bytes(_) => Err(none()),
                        content => Ok(content),
                    }
                }
                ("builtins" | "__builtin__", "bytearray", [text, encoding]) if latin(encoding) => {
                    content_of(pickle, *text, level + 1)
                }
                ("builtins" | "__builtin__", "bytearray" | "bytes", [of])
                    if pickle.deferred_call(*of).is_some()
                        || matches!(pickle.object(*of), Some(Object::Bytes(_))) =>
                {
                    content_of(pickle, *of, level + 1)
                }
                _ => Err(none()),
            }
        }
        _ => Err(none()),
    }
}
