//! A model's metadata while they are gathered, and names of tensors: what both may take is bounded
//! by the file they come from.

use super::{ParseError, malformed, too_large};
use crate::metadata::{Array, MAX_JSON_BYTES, Metadata, Value, json_string_bytes};

/// Names may be this much longer together than their file. A name in a sub-graph starts with the
/// names of all nodes around it, so a small file could ask for a large memory.
const SPARE_NAME_BYTES: u64 = 1 << 20;

/// Most pairs: more than any checkpoint has variables. An empty pair takes two bytes of a file.
const MAX_PAIRS: usize = 1 << 17;

/// Key-value pairs, up to what fits one jsonb.
#[derive(Debug, Default)]
pub struct Notes {
    pairs: Metadata,
    json_bytes: u64,
}

impl Notes {
    /// Adds a text.
    pub fn text(&mut self, key: impl Into<String>, text: String) -> Result<(), ParseError> {
        self.add(key.into(), json_string_bytes(&text), Value::Text(text))
    }

    /// Adds a number.
    pub fn number(&mut self, key: impl Into<String>, number: i64) -> Result<(), ParseError> {
        self.add(key.into(), 20, Value::Int(number))
    }

    /// Adds a count, if there is anything to count.
    pub fn count(&mut self, key: &str, count: u64) -> Result<(), ParseError> {
        match count {
            0 => Ok(()),
            count => self.add(key.into(), 20, Value::Uint(count)),
        }
    }

    /// Adds texts, if there are any.
    pub fn texts(&mut self, key: &str, texts: Vec<String>) -> Result<(), ParseError> {
        if texts.is_empty() {
            return Ok(());
        }
        let bytes = texts.iter().map(|text| json_string_bytes(text) + 1).sum::<u64>() + 2;
        let head: Vec<Value> = texts.into_iter().map(Value::Text).collect();
        self.add(key.into(), bytes, Value::Array(Array { element: "string", count: head.len() as u64, head }))
    }

    fn add(&mut self, key: String, value_bytes: u64, value: Value) -> Result<(), ParseError> {
        self.json_bytes += json_string_bytes(&key) + value_bytes + 2;
        if self.json_bytes > MAX_JSON_BYTES as u64 {
            return Err(too_large!("the metadata are too large for one jsonb, from key \"{key}\" on"));
        }
        if self.pairs.len() == MAX_PAIRS {
            return Err(too_large!("the model has more than {MAX_PAIRS} metadata"));
        }
        self.pairs.push((key, value));
        Ok(())
    }

    /// All pairs.
    pub fn finish(self) -> Metadata {
        self.pairs
    }
}

/// What is left for the names of tensors.
pub struct Names {
    left: u64,
}

impl Names {
    /// Names of a file with this many bytes.
    pub fn new(file_bytes: u64) -> Self {
        Self { left: file_bytes.saturating_add(SPARE_NAME_BYTES) }
    }

    /// A name, made of that of the place and the tensor's own.
    pub fn join(&mut self, place: &str, name: &str) -> Result<String, ParseError> {
        if name.is_empty() || name.contains('\0') || place.contains('\0') {
            return Err(malformed!("a tensor's name is empty or holds a zero byte"));
        }
        let length = (place.len() + name.len()) as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            too_large!(
                "the names of the tensors are longer together than their file, from \"{place}{name}\" on"
            )
        })?;
        Ok([place, name].concat())
    }
}
