//! A model's metadata while they are gathered, up to what one jsonb holds.

use crate::formats::error::{ParseError, tidy, too_large};
use crate::metadata::{Array, MAX_JSON_BYTES, Metadata, UNLISTED, Value, json_string_bytes, push_texts};

/// Most pairs: more than any checkpoint has variables. An empty pair takes two bytes of a file.
const MAX_PAIRS: usize = 1 << 17;

/// Key-value pairs, up to what fits one jsonb.
#[derive(Debug, Default)]
pub struct MetadataBuilder {
    pairs: Metadata,
    json_bytes: u64,
}

impl MetadataBuilder {
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

/// Tensors of a file that cannot be listed are named in the metadata, with the reason: the first few.
pub(crate) fn push_unlisted(metadata: &mut Metadata, unlisted: Vec<(String, String)>) {
    let texts = unlisted.into_iter().map(|(name, reason)| tidy(format!("{name}: {reason}")));
    push_texts(metadata, UNLISTED, texts);
}
