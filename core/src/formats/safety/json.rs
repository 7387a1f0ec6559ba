//! JSON: configurations beside a model or in it, which name code that loading the model imports: of the model's own
//! repository (`auto_map`, `trust_remote_code`), of Keras, of Hydra.

use super::limits::{MAX_JSON_DEPTH, MAX_JSON_TEXT_BYTES, MAX_JSON_VALUES};
use super::policy::classify;
use super::report::{Kind, Verdict};
use super::state::Walk;
use crate::source::Source;
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// One of these stands in every text that has something to report, or an escape that may hide it.
const WORDS: &[&str] = &[
    "auto_map",
    "trust_remote_code",
    "chat_template",
    "class_name",
    "custom_pipeline",
    "_target_",
    "\"type\"",
    "__lambda__",
    "\\u00",
    "\"template\"",
];
/// Bytes of a beginning that tell whether it is JSON's.
const LOOKED_AT: usize = 1 << 10;
/// Largest header of safetensors, as of the reader.
const MAX_HEADER: u64 = 100_000_000;

/// True for what begins like JSON's objects and arrays.
pub(super) fn looks_like_json(head: &[u8]) -> bool {
    let head = &head[..head.len().min(LOOKED_AT)];
    match utf8(head).trim_ascii_start() {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start().first(), None | Some(b'"' | b'}')),
        [b'[', rest @ ..] => {
            matches!(rest.trim_ascii_start().first(), Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9'))
        }
        _ => false,
    }
}

impl Walk<'_> {
    /// Examines a whole file that begins like JSON.
    pub(super) fn json_text(&mut self, source: &dyn Source, place: &str) {
        if source.len() > MAX_JSON_TEXT_BYTES {
            self.limit(place, &format!("more than {MAX_JSON_TEXT_BYTES} bytes of JSON"));
            return;
        }
        let mut bytes = vec![0; source.len() as usize];
        match source.read_at(0, &mut bytes) {
            Ok(()) => self.json_bytes(&bytes, place),
            Err(error) => self.unreadable(place, &error),
        }
    }

    /// Examines a text that is JSON.
    pub(super) fn json_bytes(&mut self, bytes: &[u8], place: &str) {
        self.findings.examined.configurations += 1;
        let bytes = &*utf8(bytes);
        if !WORDS.iter().any(|word| memmem::find(bytes, word.as_bytes()).is_some()) {
            return;
        }
        if self.has_too_many_values(bytes, place) {
            return;
        }
        match serde_json::from_slice(&plain_numbers(bytes)) {
            Ok(value) => self.value(&value, "", place, 0),
            Err(error) => {
                let what = format!("JSON that is not read: {error}");
                self.unreadable(place, &what);
                // Python reads some of what is no JSON: the words are there.
                for word in ["auto_map", "trust_remote_code", "__lambda__", "Lambda", "_target_"] {
                    if memmem::find(bytes, word.as_bytes()).is_some() {
                        let why = "it names code, in a text that is not read";
                        self.findings.add(Verdict::Suspicious, Kind::Json, place, word, why);
                    }
                }
            }
        }
    }

    /// True, and a limit, for a text with more values than fit into little memory.
    fn has_too_many_values(&mut self, bytes: &[u8], place: &str) -> bool {
        let is_too_many = memchr::memchr2_iter(b',', b':', bytes).count() > MAX_JSON_VALUES;
        if is_too_many {
            self.limit(place, &format!("more than {MAX_JSON_VALUES} values of JSON"));
        }
        is_too_many
    }

    fn value(&mut self, value: &Value, key: &str, place: &str, depth: usize) {
        if depth > MAX_JSON_DEPTH {
            self.limit(place, &format!("more than {MAX_JSON_DEPTH} values within each other"));
            return;
        }
        match value {
            Value::Object(object) => {
                self.object(object, place);
                if object.get("class_name").is_some() {
                    self.keras(object, place);
                }
                for (key, value) in object {
                    self.value(value, key, place, depth + 1);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.value(value, key, place, depth + 1);
                }
            }
            Value::String(text) if key == "chat_template" || (key == "template" && is_template(text)) => {
                self.template(text, place);
            }
            // A text may be JSON again, as Keras writes it in metadata.
            Value::String(text) if looks_like_json(text.as_bytes()) && text.contains("class_name") => {
                if let Ok(inner) = serde_json::from_str(text) {
                    self.value(&inner, key, place, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, object: &Map<String, Value>, place: &str) {
        if let Some(map) = object.get("auto_map").filter(|map| !is_empty(map)) {
            let mut classes = Vec::new();
            names(map, &mut classes);
            let what = format!("auto_map: {}", classes.join(", "));
            let why = "code of the model's repository, which trust_remote_code=True runs";
            self.findings.add(Verdict::Suspicious, Kind::Json, place, &what, why);
        }
        if object
            .get("trust_remote_code")
            .is_some_and(|value| !is_empty(value) && value != &Value::Bool(false))
        {
            let why = "asks whoever loads the model to run code of its repository";
            self.findings.add(Verdict::Suspicious, Kind::Json, place, "trust_remote_code", why);
        }
        for key in ["custom_pipeline", "custom_pipelines"] {
            if object.get(key).is_some_and(|value| !is_empty(value)) {
                let why = "code of a repository, which trust_remote_code=True runs";
                self.findings.add(Verdict::Suspicious, Kind::Json, place, key, why);
            }
        }
        if let Some(Value::String(target)) = object.get("_target_") {
            let (module, name) = target.rsplit_once('.').unwrap_or((target, ""));
            let verdict = classify(module, name).0.max(Verdict::Suspicious);
            let why = "what Hydra's instantiate imports and calls (CVE-2025-23304)";
            self.findings.add(verdict, Kind::Json, place, &format!("_target_: {target}"), why);
        }
        // The modules of sentence-transformers.
        if let (Some(Value::String(kind)), Some(_), Some(_)) =
            (object.get("type"), object.get("path"), object.get("idx"))
            && !kind.starts_with("sentence_transformers.")
        {
            let (module, name) = kind.rsplit_once('.').unwrap_or((kind, ""));
            let verdict = classify(module, name).0.max(Verdict::Suspicious);
            let why = "a module that sentence-transformers imports";
            self.findings.add(verdict, Kind::Json, place, &format!("type: {kind}"), why);
        }
    }

    /// Examines the metadata of safetensors. True where the file is of that format.
    pub(super) fn safetensors(&mut self, source: &dyn Source, head: &[u8], place: &str) -> bool {
        #[derive(Deserialize)]
        struct Header {
            #[serde(rename = "__metadata__", default)]
            metadata: Option<HashMap<String, Value>>,
        }
        let Some((length, rest)) = head.split_first_chunk() else { return false };
        let length = u64::from_le_bytes(*length);
        if rest.first() != Some(&b'{') || length > MAX_HEADER || length > source.len() - 8 {
            return false;
        }
        let mut bytes = vec![0; length as usize];
        if source.read_at(8, &mut bytes).is_err() {
            return false;
        }
        if self.has_too_many_values(&bytes, place) {
            return true;
        }
        let Ok(header) = serde_json::from_slice::<Header>(&bytes) else { return false };
        self.findings.examined.configurations += 1;
        for (key, value) in header.metadata.unwrap_or_default() {
            match &value {
                // Texts that are JSON, as trainers write them.
                Value::String(text) if looks_like_json(text.as_bytes()) => {
                    self.json_bytes(text.as_bytes(), &format!("{place}: {key}"));
                    if key == "auto_map" {
                        self.object(&Map::from_iter([(key, value)]), place);
                    }
                }
                Value::String(text) if is_template(text) => self.template(text, &format!("{place}: {key}")),
                Value::String(text) if key == "trust_remote_code" && text.eq_ignore_ascii_case("false") => {}
                _ => self.object(&Map::from_iter([(key, value)]), place),
            }
        }
        true
    }
}

/// A text in the encoding that Python's `json` takes it for, by where zeros stand in its beginning: UTF-8, 16 or 32.
fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let wide = |big: bool, bytes: &[u8]| {
        let units = bytes.chunks_exact(2).map(|unit| match big {
            true => u16::from_be_bytes([unit[0], unit[1]]),
            false => u16::from_le_bytes([unit[0], unit[1]]),
        });
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Cow::Owned(text.collect::<String>().into_bytes())
    };
    let wider = |big: bool, bytes: &[u8]| {
        let text = bytes.chunks_exact(4).map(|unit| {
            let unit = [unit[0], unit[1], unit[2], unit[3]];
            let code = if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        Cow::Owned(text.collect::<String>().into_bytes())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.into(),
        [0, 0, 0xfe, 0xff, rest @ ..] => wider(true, rest),
        [0xff, 0xfe, 0, 0, rest @ ..] => wider(false, rest),
        [0xfe, 0xff, rest @ ..] => wide(true, rest),
        [0xff, 0xfe, rest @ ..] => wide(false, rest),
        [0, 0, 0, 1..=255, ..] => wider(true, bytes),
        [0, 1..=255, ..] => wide(true, bytes),
        [1..=255, 0, 0, 0, ..] => wider(false, bytes),
        [1..=255, 0, ..] => wide(false, bytes),
        _ => bytes.into(),
    }
}

/// Python writes numbers that JSON has not: NaN, Infinity. Outside of texts they become null.
fn plain_numbers(bytes: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    if WORDS[1..].iter().all(|word| memmem::find(bytes, word).is_none()) {
        return bytes.into();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let (mut in_text, mut position) = (false, 0);
    while let Some(&byte) = bytes.get(position) {
        let rest = &bytes[position..];
        if in_text && byte == b'\\' {
            out.extend_from_slice(&rest[..rest.len().min(2)]);
            position += 2;
            continue;
        }
        if byte == b'"' {
            in_text = !in_text;
        }
        match WORDS.iter().find(|word| !in_text && rest.starts_with(word)) {
            Some(word) => {
                out.extend_from_slice(b"null");
                position += <[u8]>::len(word);
            }
            None => {
                out.push(byte);
                position += 1;
            }
        }
    }
    out.into()
}

fn is_template(text: &str) -> bool {
    text.contains("{%") || text.contains("{{")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn names(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| names(value, out)),
        Value::Object(object) => object.values().for_each(|value| names(value, out)),
        _ => {}
    }
}
