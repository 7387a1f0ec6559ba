//! Keys of dictionaries as parts of tensors' names.

use crate::formats::containers::pickle::{Object, Pickle, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// Longest name of a key that is put together from several parts, and their deepest nesting.
const MAX_COMPOUND: usize = 1000;
const MAX_LEVELS: usize = 8;

/// A key by which Python finds another pair.
#[derive(PartialEq, Eq, Hash)]
pub enum Same<'p> {
    Text(&'p str),
    Int(i64),
    Bytes(Cow<'p, [u8]>),
    Compound(String),
}

impl<'p> Same<'p> {
    /// None for keys that are compared by what the program makes of them, and for those that are too long.
    pub fn of(pickle: &'p Pickle, key: Value) -> Option<Self> {
        if let Some(bytes) = bytes_of(pickle, key) {
            return Some(Self::Bytes(bytes));
        }
        match (key, pickle.object(key)) {
            (Value::Int(number), _) => Some(Self::Int(number)),
            (_, None) => pickle.text(key).map(Self::Text),
            (_, Some(Object::Tuple(_))) => {
                let text = compound(pickle, key);
                (text.len() <= MAX_COMPOUND).then_some(Self::Compound(text))
            }
            _ => None,
        }
    }
}

/// The bytes that a key is: as they are or, in protocols before 3, as a call that makes them of a text.
fn bytes_of(pickle: &Pickle, key: Value) -> Option<Cow<'_, [u8]>> {
    match pickle.object(key)? {
        Object::Bytes(bytes) => bytes.kept.as_deref().map(Cow::Borrowed),
        Object::Deferred(call) => {
            let function = pickle.global(call.callee)?;
            match (function.module.as_str(), function.name.as_str(), pickle.sequence(call.arguments)?) {
                ("_codecs", "encode", [text, encoding]) if pickle.text(*encoding) == Some("latin1") => {
                    let text = pickle.text(*text).filter(|text| text.len() <= 2 * MAX_COMPOUND)?;
                    text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
                }
                ("builtins" | "__builtin__", "bytes", []) => Some(Cow::Borrowed(&[])),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What a key adds to a path: itself, if it is a text, or bytes that are one. Others as Python writes them.
pub fn segment(pickle: &Pickle, key: Value) -> String {
    if let Some(Ok(text)) = bytes_of(pickle, key).as_deref().map(std::str::from_utf8) {
        return shown(text);
    }
    match pickle.text(key) {
        Some(text) => shown(text),
        None => compound(pickle, key),
    }
}

/// Names of tensors hold no zero bytes.
fn shown(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

fn compound(pickle: &Pickle, key: Value) -> String {
    let mut out = String::new();
    write(pickle, key, MAX_LEVELS, &mut out);
    out
}

/// Writes a value as Python does. It ends where the text is too long, so its work is bounded however often
/// tuples share their parts.
fn write(pickle: &Pickle, value: Value, levels: usize, out: &mut String) {
    if levels == 0 || out.len() > MAX_COMPOUND {
        out.push('…');
        return;
    }
    if let Some(bytes) = bytes_of(pickle, value) {
        out.push('b');
        return quoted(bytes.iter().map(|byte| char::from(*byte)), true, out);
    }
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&format!("{number:?}")),
        Value::Text(_) => quoted(pickle.text(value).unwrap_or_default().chars(), false, out),
        Value::Global(_) => {
            out.push_str(&pickle.global(value).map(|global| shown(&global.name)).unwrap_or_default());
        }
        Value::Opaque => out.push('?'),
        Value::Object(_) => match pickle.object(value) {
            Some(Object::Tuple(items)) => list(pickle, items, levels, out),
            Some(Object::Bytes(bytes)) => out.push_str(&format!("bytes at {}", bytes.range.offset)),
            Some(Object::LongText(range)) => out.push_str(&format!("text at {}", range.offset)),
            Some(Object::Long(bytes)) => {
                out.push_str(&long(bytes).map_or("?".into(), |number| number.to_string()));
            }
            // What a call makes: members of an enumeration, frozen sets.
            Some(Object::Deferred(call)) => {
                write(pickle, call.callee, levels - 1, out);
                match pickle.sequence(call.arguments) {
                    Some(arguments) => list(pickle, arguments, levels, out),
                    None => out.push_str("(?)"),
                }
            }
            Some(Object::List(items)) => list(pickle, items, levels, out),
            _ => out.push('?'),
        },
    }
}

fn list(pickle: &Pickle, items: &[Value], levels: usize, out: &mut String) {
    out.push('(');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        write(pickle, *item, levels - 1, out);
        if out.len() > MAX_COMPOUND {
            break;
        }
    }
    out.push_str(if items.len() == 1 { ",)" } else { ")" });
}

fn quoted(text: impl Iterator<Item = char> + Clone, ascii: bool, out: &mut String) {
    let mut text = text.take(MAX_COMPOUND);
    // Python takes double quotes where only single ones are within.
    let has = |quote: char| text.clone().any(|c| c == quote);
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.by_ref() {
        if out.len() > MAX_COMPOUND {
            break;
        }
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() || (ascii && !c.is_ascii()) => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a String");
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// An integer in two's complement, little-endian.
fn long(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}
