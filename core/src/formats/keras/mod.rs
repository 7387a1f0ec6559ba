//! Keras: HDF5 files (`.h5`, `.hdf5`, `.weights.h5`) and archives (`.keras`) with such a file in them.
//! A configuration is text here: it is never built, imported or run. From its JSON come the names of
//! classes and the number of layers, and nothing else.
//! Source: Keras `legacy/saving/legacy_h5_format.py` and `saving/saving_lib.py` (`ShardedH5IOStore`).

use crate::byte_range::ByteRange;
use crate::formats::containers::hdf5::{self, Contents, Dataset, Region};
use crate::formats::containers::zip::{self, Entry, Method};
use crate::formats::error::{ParseError, malformed, unsupported};
use crate::formats::files::{FileSet, check_group_index};
use crate::formats::limits::check_tensor_count;
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::lazy::Inline;
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Array, Detail, Metadata, UNLISTED, Value};
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::Arc;

/// The entry of an archive that holds the weights.
const WEIGHTS: &str = "model.weights.h5";
/// The entry that describes the model.
const CONFIG: &str = "config.json";
/// The entry that tells the version and the date.
const METADATA: &str = "metadata.json";
/// Longest configuration that is read. A ResNet's has 0.4 MB.
const MAX_CONFIG_BYTES: u64 = 16 << 20;
/// Longest `metadata.json`. Real ones have 64 bytes.
const MAX_METADATA_BYTES: u64 = 64 << 10;
/// Largest deflated HDF5 file that is held in memory, as it can't be read at positions. Keras stores
/// its archives' entries, so that none is deflated.
const MAX_HELD_BYTES: u64 = 64 << 20;

/// The reader of Keras' files, which are TensorFlow's by their format.
pub(super) struct Keras;

impl FormatReader for Keras {
    fn format(&self) -> Format {
        Format::TensorFlow
    }

    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(content.head.starts_with(hdf5::SIGNATURE))
    }

    fn sniff_archive(&self, entries: &[String]) -> bool {
        entries.iter().any(|name| name == WEIGHTS)
    }

    /// Anything may stand in a user block, before the HDF5 file itself.
    fn sniff_last(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(hdf5::is_hdf5(content.source)?)
    }

    /// `….weights.json`, of weights that were saved in parts.
    fn has_shard_index(&self) -> bool {
        true
    }

    fn parse(&self, files: &FileSet, detail: Detail) -> Result<Model, ParseError> {
        parse(files, detail)
    }
}

/// The content of one file.
#[derive(Default)]
struct Parsed {
    metadata: Metadata,
    tensors: Vec<Tensor>,
    skipped: Option<Array>,
}

/// Parses the files of one model, each an HDF5 file or an archive with one in it.
fn parse(files: &FileSet, detail: Detail) -> Result<Model, ParseError> {
    let mut metadata = Metadata::new();
    let mut tensors: Vec<Tensor> = Vec::new();
    let mut unlisted = Array { element: "string", count: 0, head: Vec::new() };
    for file_no in files.data_files() {
        let parsed = parse_file(files.source(file_no), file_no, detail)
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
        check_tensor_count((tensors.len() + parsed.tensors.len()) as u64)?;
        tensors.extend(parsed.tensors);
        for (key, value) in parsed.metadata {
            if !metadata.iter().any(|(known, _)| *known == key) {
                metadata.push((key, value));
            }
        }
        if let Some(skipped) = parsed.skipped {
            unlisted.count += skipped.count;
            // All of a short one, and none behind one that is not whole.
            if unlisted.head.len() as u64 == unlisted.count - skipped.count {
                unlisted.head.extend(skipped.head);
            }
        }
    }
    check_group_index(files, &tensors)?;
    if unlisted.count > 0 {
        metadata.push((UNLISTED.to_owned(), Value::Array(unlisted)));
    }
    Ok(Model::new(Format::TensorFlow, metadata, tensors))
}

fn parse_file(source: &dyn Source, file_no: usize, detail: Detail) -> Result<Parsed, ParseError> {
    let (contents, described) = if hdf5::is_hdf5(source)? {
        let whole = ByteRange::new(0, source.len());
        let region = Region { of: Arc::new(whole), in_file: true, range: whole };
        let contents = hdf5::read(source, region, detail)?;
        let described = describe_attribute(&contents);
        (contents, described)
    } else {
        archive(source, detail)?
    };
    let Contents { mut attributes, datasets, skipped } = contents;
    attributes.extend(described);
    let tensors = datasets.into_iter().map(|dataset| tensor(dataset, file_no)).collect();
    Ok(Parsed { metadata: attributes, tensors, skipped })
}

fn tensor(dataset: Dataset, file_no: usize) -> Tensor {
    let Dataset { path, shape, dtype, offset, byte_length, weight_count, lazy } = dataset;
    Tensor { name: path, shape, dtype, file_no, offset, byte_length, weight_count, lazy, affine: None }
}

/// What the attribute `model_config` tells.
fn describe_attribute(contents: &Contents) -> Metadata {
    match contents.attributes.iter().find(|(key, _)| key == "model_config") {
        Some((_, Value::Text(text))) if text.len() as u64 <= MAX_CONFIG_BYTES => describe(text.as_bytes()),
        _ => Metadata::new(),
    }
}

/// Reads an archive: its HDF5 file, and what its two JSON entries tell.
fn archive(source: &dyn Source, detail: Detail) -> Result<(Contents, Metadata), ParseError> {
    let entries = zip::entries(source)?;
    let find = |name: &str| entries.iter().find(|entry| entry.name == name);
    let weights = find(WEIGHTS).ok_or_else(|| malformed!("the archive has no entry \"{WEIGHTS}\""))?;
    let contents = weights_of(source, weights, detail)?;
    let mut described = Metadata::new();
    if let Some(entry) = find(METADATA) {
        let bytes = entry.read(source, MAX_METADATA_BYTES)?;
        described.extend(read_metadata(&bytes));
    }
    match find(CONFIG) {
        Some(entry) if entry.length > MAX_CONFIG_BYTES => {
            // The tensors don't need it.
            described.push(("keras.config_bytes".to_owned(), Value::Uint(entry.length)));
        }
        Some(entry) => described.extend(describe(&entry.read(source, MAX_CONFIG_BYTES)?)),
        None => {}
    }
    Ok((contents, described))
}

fn weights_of(source: &dyn Source, entry: &Entry, detail: Detail) -> Result<Contents, ParseError> {
    if entry.method == Method::Stored {
        let of = Arc::new(ByteRange::new(0, source.len()));
        let range = ByteRange::new(entry.data_offset, entry.length);
        return hdf5::read(source, Region { of, in_file: true, range }, detail);
    }
    if entry.length > MAX_HELD_BYTES {
        return Err(unsupported!(
            "entry \"{WEIGHTS}\" is deflated and has {} bytes (at most {MAX_HELD_BYTES}): Keras stores it",
            entry.length
        ));
    }
    let bytes: Arc<[u8]> = entry.read(source, MAX_HELD_BYTES)?.into();
    let of: Arc<dyn LazyTensor> = Arc::new(Inline(bytes.clone()));
    let region = Region { of, in_file: false, range: ByteRange::new(0, entry.length) };
    hdf5::read(&&*bytes, region, detail)
}

/// The texts of `metadata.json`: `keras_version`, `date_saved`.
fn read_metadata(bytes: &[u8]) -> Metadata {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).unwrap_or_default();
    let texts = object.into_iter().filter_map(|(key, value)| match value {
        serde_json::Value::String(text) => Some((key, Value::Text(text))),
        _ => None,
    });
    texts.collect()
}

/// Class, name and number of layers of a configuration; nothing when it is not JSON.
fn describe(json: &[u8]) -> Metadata {
    let Ok(config) = serde_json::from_slice::<Config>(json) else {
        return Metadata::new();
    };
    let text = |key: &str, value: Option<String>| Some((key.to_owned(), Value::Text(value?)));
    [
        text("keras.class_name", config.class_name),
        text("keras.name", config.config.name),
        config.config.layers.map(|layers| ("keras.layers".to_owned(), Value::Uint(layers))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A model's configuration, as far as it is read.
#[derive(serde::Deserialize)]
struct Config {
    class_name: Option<String>,
    #[serde(default)]
    config: Inner,
}

/// What stands in `config`: a name and layers, or, up to Keras 2.2 in a `Sequential`, the layers alone.
#[derive(Default)]
struct Inner {
    name: Option<String>,
    layers: Option<u64>,
}

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Inner;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a configuration")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inner, A::Error> {
                let mut inner = Inner::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "name" => inner.name = map.next_value()?,
                        "layers" => inner.layers = Some(map.next_value::<Count>()?.0),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(inner)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Inner, A::Error> {
                Ok(Inner { name: None, layers: Some(count(seq)?) })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The number of elements of a list, none of which is kept.
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of layers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Count, A::Error> {
                Ok(Count(count(seq)?))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

fn count<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<u64, A::Error> {
    let mut count = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(json: &str) -> String {
        crate::metadata::to_json(&describe(json.as_bytes()))
    }

    #[test]
    fn configurations_of_all_ages() {
        assert_eq!(
            described(
                r#"{"module":"os","class_name":"Functional","config":{"name":"m","layers":[{},{"a":[1]}]}}"#
            ),
            r#"{"keras.class_name":"Functional","keras.name":"m","keras.layers":2}"#
        );
        assert_eq!(
            described(r#"{"class_name":"Sequential","config":[{"class_name":"Dense"},{},{}]}"#),
            r#"{"keras.class_name":"Sequential","keras.layers":3}"#
        );
        assert_eq!(described(r#"{"class_name":"Mine"}"#), r#"{"keras.class_name":"Mine"}"#);
        for json in ["", "[]", "{", "nothing", r#"{"class_name":7}"#, r#"{"config":{"layers":{}}}"#] {
            assert_eq!(described(json), "{}", "{json}");
        }
    }

    #[test]
    fn a_deep_configuration_costs_no_stack() {
        let deep =
            |open: &str, n: usize| format!(r#"{{"class_name":"x","config":{{"layers":{}"#, open.repeat(n));
        for open in ["[", r#"{"a":"#, r#"[{"a":"#] {
            assert_eq!(described(&deep(open, 1 << 20)), "{}");
        }
    }
}
