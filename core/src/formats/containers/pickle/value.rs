//! What a pickle builds: values, objects, and calls that are never made.

use crate::byte_range::ByteRange;

/// One thing on a pickle's stack. Small ones are here, larger ones among the [`Pickle`]'s objects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text, by its place among all texts.
    Text(TextRef),
    /// Something the pickle would import, by its number.
    Global(u32),
    /// By its number.
    Object(u32),
    /// Something of which only its being there is known: an out-of-band buffer, a long number.
    Opaque,
}

/// Where a text lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextRef {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// What a pickle builds.
#[derive(Debug)]
pub enum Object {
    /// A tuple.
    Tuple(Box<[Value]>),
    /// A list, a set or a frozen set.
    List(Vec<Value>),
    /// A dictionary: pairs in the order in which they were set, so the last of equal keys holds.
    Dict(Vec<(Value, Value)>),
    /// Bytes, and what Python 2 wrote as text that is not ASCII.
    Bytes(Box<Bytes>),
    /// A text that is too long to be kept: its UTF-8, by its place in the source.
    LongText(ByteRange),
    /// An integer of more than 64 bits: its bytes, little-endian, where they are few.
    Long(Box<[u8]>),
    /// What the loader, not the pickle, is to supply: torch's storages.
    Persistent(Value),
    /// What a call would return.
    Deferred(Box<DeferredCall>),
}

/// Bytes, which stay where they are.
#[derive(Debug)]
pub struct Bytes {
    /// Where they lie in the source.
    pub range: ByteRange,
    /// A copy, where they are few enough to be a key.
    pub kept: Option<Box<[u8]>>,
}

/// A call that is never made.
#[derive(Debug)]
pub struct DeferredCall {
    /// What would be called.
    pub callee: Value,
    /// With which arguments.
    pub arguments: Value,
    /// What the result's state would be set to.
    pub state: Value,
    /// What would be appended to the result.
    pub items: Vec<Value>,
    /// Which keys of the result would be set.
    pub pairs: Vec<(Value, Value)>,
}

/// Something a pickle would import.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Global {
    /// The module; empty where it is computed while the pickle is loaded.
    pub module: String,
    /// The name within it.
    pub name: String,
}

/// Everything one pickle builds.
#[derive(Debug, Default)]
pub struct Pickle {
    pub(super) objects: Vec<Object>,
    pub(super) texts: String,
    pub(super) globals: Vec<Global>,
    /// How often each global is imported.
    pub(super) imports: Vec<u64>,
    pub(super) root: Option<Value>,
}

impl Pickle {
    /// The pickle's result.
    pub fn root(&self) -> Value {
        self.root.unwrap_or(Value::None)
    }

    /// All objects, which values refer to by their numbers.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Everything the pickle would import, and how often.
    pub fn globals(&self) -> impl Iterator<Item = (&Global, u64)> {
        self.globals.iter().zip(self.imports.iter().copied())
    }

    /// The object of a value, if it is one.
    pub fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(number) => self.objects.get(number as usize),
            _ => None,
        }
    }

    /// The text of a value, if it is one.
    pub fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(TextRef { start, length }) => {
                self.texts.get(start as usize..start as usize + length as usize)
            }
            _ => None,
        }
    }

    /// The global of a value, if it is one.
    pub fn global(&self, value: Value) -> Option<&Global> {
        match value {
            Value::Global(number) => self.globals.get(number as usize),
            _ => None,
        }
    }

    /// The elements of a tuple or a list.
    pub fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Tuple(items) => Some(items),
            Object::List(items) => Some(items),
            _ => None,
        }
    }

    /// The call that would make a value.
    pub fn deferred_call(&self, value: Value) -> Option<&DeferredCall> {
        match self.object(value)? {
            Object::Deferred(call) => Some(call),
            _ => None,
        }
    }
}
