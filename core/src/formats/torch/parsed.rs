//! What a file of torch's says, before its tensors are placed.

use super::walk::Found;
use crate::formats::containers::pickle::{Object, Pickle, Value};
use crate::formats::error::{ParseError, malformed};
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Metadata, Value as Meta};
use std::collections::HashMap;
use std::sync::Arc;

/// Most values of the top dictionary that are shown as metadata, and their longest text.
const MAX_SHOWN: usize = 1000;
const MAX_SHOWN_TEXT: usize = 1000;

/// What a file's pickles say.
pub(super) struct Parsed {
    pub(super) found: Found,
    pub(super) places: Places,
    pub(super) metadata: Metadata,
    pub(super) pickles: Vec<Pickle>,
}

/// Where one storage's bytes are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// First byte within the file, of what is stored.
    pub(super) offset: u64,
    /// Number of bytes, expanded.
    pub(super) length: u64,
    /// None where the bytes stand in the file as they are.
    pub(super) inflated: Option<Arc<dyn LazyTensor>>,
    /// The order of the bytes of each number.
    pub(super) big_endian: bool,
}

/// Where the storages of a file are.
pub(super) struct Places {
    by_key: HashMap<String, Place>,
    /// Bytes of all of them, and of whatever else the archive holds.
    pub(super) total: u64,
}

impl Places {
    pub(super) fn new(by_key: HashMap<String, Place>) -> Self {
        let total = by_key.values().fold(0u64, |total, place| total.saturating_add(place.length));
        Self { by_key, total }
    }

    pub(super) fn find(&self, tensor: &str, key: &str) -> Result<Option<&Place>, ParseError> {
        let place = self.by_key.get(key);
        place
            .map(Some)
            .ok_or_else(|| malformed!("tensor \"{tensor}\" is in storage \"{key}\", which the file lacks"))
    }
}

/// Numbers and texts of the top dictionary: epoch, step, hyper-parameters.
pub(super) fn show_values(metadata: &mut Metadata, pickle: &Pickle) {
    let pairs = match pickle.object(pickle.root()) {
        Some(Object::Dict(pairs)) => pairs,
        _ => return,
    };
    let mut shown: HashMap<&str, usize> = HashMap::new();
    for (key, value) in pairs {
        let Some(key) = pickle.text(*key).filter(|key| key.len() <= MAX_SHOWN_TEXT) else {
            continue;
        };
        let value = match value {
            Value::Bool(value) => Meta::Bool(*value),
            Value::Int(value) => Meta::Int(*value),
            Value::Float(value) => Meta::F64(*value),
            value => match pickle.text(*value).filter(|text| text.len() <= MAX_SHOWN_TEXT) {
                Some(text) => Meta::Text(text.to_owned()),
                None => continue,
            },
        };
        if let Some(&place) = shown.get(key) {
            metadata[place].1 = value;
        } else if shown.len() < MAX_SHOWN {
            shown.insert(key, metadata.len());
            metadata.push((format!("checkpoint.{key}"), value));
        }
    }
}
