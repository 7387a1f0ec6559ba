//! What a file of torch's says, before its tensors are placed.

use super::arrays::Content;
use super::walk::Found;
use crate::byte_range::ByteRange;
use crate::formats::containers::pickle::{Object, Pickle, TextRef, Value};
use crate::formats::containers::zip::{Entry, Method};
use crate::formats::error::{ParseError, malformed};
use crate::formats::support::latin1::Latin1;
use crate::formats::support::lazy::{Inline, SubRange};
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
    /// What is wrong with the file and hinders nobody from reading it.
    pub(super) warnings: Vec<String>,
}

/// Where a pickle's bytes are.
pub(super) struct Base {
    /// The file's byte with which its places start.
    offset: u64,
    length: u64,
    /// None where the bytes stand in the file as they are.
    inflated: Option<Arc<dyn LazyTensor>>,
}

impl Base {
    /// Of a pickle that is an entry of an archive.
    pub(super) fn of_entry(entry: &Entry) -> Self {
        let inflated = (entry.method == Method::Deflated).then(|| entry.unchecked_recipe());
        Self { offset: entry.data_offset, length: entry.length, inflated }
    }

    /// Of a pickle whose places are those of the file, which it takes up to the byte `end`.
    pub(super) fn of_file(end: u64) -> Self {
        Self { offset: 0, length: end, inflated: None }
    }

    fn recipe(&self, range: ByteRange) -> Arc<dyn LazyTensor> {
        match &self.inflated {
            None => Arc::new(ByteRange::new(self.offset + range.offset, range.len)),
            Some(of) => Arc::new(SubRange { of: of.clone(), range }),
        }
    }
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
    bases: Vec<Base>,
    /// Arrays that are kept as text, so that each is held once.
    short: HashMap<(usize, TextRef), Arc<[u8]>>,
}

impl Places {
    pub(super) fn new(by_key: HashMap<String, Place>, bases: Vec<Base>) -> Self {
        let lengths = by_key.values().map(|place| place.length).chain(bases.iter().map(|base| base.length));
        let total = lengths.fold(0u64, u64::saturating_add);
        Self { by_key, total, bases, short: HashMap::new() }
    }

    /// The place of an array of a pickle.
    pub(super) fn of_array(
        &mut self,
        content: Content,
        length: u64,
        big_endian: bool,
        pickle_no: usize,
        pickles: &[Pickle],
    ) -> Place {
        let base = &self.bases[pickle_no];
        let (offset, inflated) = match content {
            Content::Bytes(range) if base.inflated.is_none() => (base.offset + range.offset, None),
            Content::Bytes(range) => (base.offset, Some(base.recipe(range))),
            Content::Text(range) => {
                let latin1: Arc<dyn LazyTensor> = Arc::new(Latin1 { of: base.recipe(range), length });
                (base.offset, Some(latin1))
            }
            Content::Short(text) => {
                let bytes = self.short.entry((pickle_no, text)).or_insert_with(|| {
                    let text = pickles[pickle_no].text(Value::Text(text)).unwrap_or_default();
                    text.chars().map(|c| u8::try_from(c).unwrap_or_default()).collect()
                });
                let inline: Arc<dyn LazyTensor> = Arc::new(Inline(bytes.clone()));
                (base.offset, Some(inline))
            }
            Content::Nothing => (base.offset, None),
        };
        Place { offset, length, inflated, big_endian }
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
