//! A header's key-value pairs, and their JSON. Long arrays (vocabularies) stay in the file: a value
//! remembers where its elements lie, so opening a model never holds them in memory.

use std::fmt::Write;

/// One value of a header.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    Uint(u64),
    /// A 32-bit number; printed with as many digits as tell it from its neighbours.
    F32(f32),
    /// A 64-bit number.
    F64(f64),
    /// Text. Bytes that are not UTF-8 are replaced by U+FFFD: the file itself keeps them.
    Text(String),
    /// Many values of one type.
    Array(Array),
}

/// An array of a header: its first elements, and how many there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The element type's name.
    pub element: &'static str,
    /// Number of elements in the file.
    pub count: u64,
    /// The first elements; all of them for short arrays.
    pub head: Vec<Value>,
}

/// Keys and values of a header, in the order of the file.
pub type Metadata = Vec<(String, Value)>;

/// The key under which every format names what was seen in its files and is not listed as a tensor, each with its
/// reason: the first ones, and their number.
pub const UNLISTED: &str = "unlisted_tensors";

/// The key under which is what is wrong with the files and hinders nobody from reading them.
pub const WARNINGS: &str = "warnings";

/// Most texts of [`push_texts`] that are kept.
const MAX_TEXTS: usize = 100;

/// Adds texts to the array of a key: the first ones, and how many there are in all. None add nothing.
pub fn push_texts(metadata: &mut Metadata, key: &str, texts: impl ExactSizeIterator<Item = String>) {
    let count = texts.len() as u64;
    if count == 0 {
        return;
    }
    let place = metadata.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        metadata
            .push((key.to_owned(), Value::Array(Array { element: "string", count: 0, head: Vec::new() })));
        metadata.len() - 1
    });
    if let Value::Array(array) = &mut metadata[place].1 {
        let room = MAX_TEXTS.saturating_sub(array.head.len());
        // Behind one that is not whole, the next would stand at another place than its number says.
        if array.head.len() as u64 == array.count {
            array.head.extend(texts.take(room).map(Value::Text));
        }
        array.count += count;
    }
}

/// How much of a header's long arrays a caller wants to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The first elements of each.
    Summary,
    /// All of them, up to [`MAX_JSON_BYTES`].
    Full,
}

/// The longest JSON text that is produced. Postgres refuses a jsonb above 256 MiB, and this leaves
/// room for its own encoding.
pub const MAX_JSON_BYTES: usize = 200 << 20;

/// Appends text as a JSON string. jsonb cannot hold U+0000, so it is shown as U+2400 (␀).
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push('\u{2400}'),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32).expect("writing to a String"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Number of bytes that [`push_json_string`] appends.
pub fn json_string_bytes(text: &str) -> u64 {
    let escaped: u64 = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
            0 => 3,
            1..b' ' => 6,
            _ => 1,
        })
        .sum();
    escaped + 2
}

/// Appends a value as JSON; an array that is not complete becomes an object that says so.
pub fn push_json(out: &mut String, value: &Value) {
    let written = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}"),
        // JSON has no word for NaN and infinities: they stand as text.
        Value::F32(value) if !value.is_finite() => write!(out, "\"{value}\""),
        Value::F64(value) if !value.is_finite() => write!(out, "\"{value}\""),
        Value::F32(value) => write!(out, "{value:?}"),
        Value::F64(value) => write!(out, "{value:?}"),
        Value::Text(text) => {
            push_json_string(out, text);
            Ok(())
        }
        Value::Array(array) if array.head.len() as u64 == array.count => {
            push_json_list(out, &array.head);
            Ok(())
        }
        Value::Array(array) => {
            write!(out, "{{\"array\":\"{}\",\"count\":{},\"first\":", array.element, array.count)
                .expect("writing to a String");
            push_json_list(out, &array.head);
            out.push('}');
            Ok(())
        }
    };
    written.expect("writing to a String");
}

fn push_json_list(out: &mut String, values: &[Value]) {
    out.push('[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json(out, value);
    }
    out.push(']');
}

/// Key-value pairs as a JSON object.
pub fn to_json(metadata: &Metadata) -> String {
    let mut out = String::from("{");
    for (i, (key, value)) in metadata.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_string(&mut out, key);
        out.push(':');
        push_json(&mut out, value);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_string_is_known_before() {
        for text in ["", "plain", "grüße", "\"\\\n\r\t\u{8}\u{c}", "\0\u{1}\u{1f}\u{7f}"] {
            let mut json = String::new();
            push_json_string(&mut json, text);
            assert_eq!(json_string_bytes(text), json.len() as u64, "{text:?}");
            let read: String = serde_json::from_str(&json).unwrap();
            assert_eq!(read, text.replace('\0', "\u{2400}"));
        }
    }

    #[test]
    fn every_kind_of_value_is_valid_json() {
        let metadata = vec![
            ("a\"\\\n\0".into(), Value::Text("x\u{1}\0".into())),
            ("nan".into(), Value::F32(f32::NAN)),
            ("tenth".into(), Value::F32(0.1)),
            ("tiny".into(), Value::F64(1e-300)),
            ("most".into(), Value::Uint(u64::MAX)),
            ("list".into(), Value::Array(Array { element: "bool", count: 1, head: vec![Value::Bool(true)] })),
            ("long".into(), Value::Array(Array { element: "string", count: 9, head: vec![Value::Int(-1)] })),
        ];
        let json: serde_json::Value = serde_json::from_str(&to_json(&metadata)).unwrap();
        assert_eq!(json["a\"\\\n\u{2400}"], "x\u{1}\u{2400}");
        assert_eq!(json["nan"], "NaN");
        assert_eq!(json["tenth"].to_string(), "0.1");
        assert_eq!(json["most"], u64::MAX);
        assert_eq!(json["list"][0], true);
        assert_eq!(json["long"]["count"], 9);
    }
}
