//! safetensors, single or sharded. The crate `safetensors` knows the header's entries and checks
//! that they cover the data without holes; this reads the header alone, refuses what the crate lets
//! pass (names listed twice), and says which tensor is wrong.
//! Source: safetensors' README, "Format".

use crate::dtype::Dtype;
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::files::{FileSet, check_shard_index};
use crate::formats::limits::{MAX_DIMS, check_tensor_count, weight_count};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::header_reader::HeaderReader;
use crate::formats::support::unique_map::UniqueMap;
use crate::metadata::{Detail, MAX_JSON_BYTES, Metadata, Value, json_string_bytes};
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use safetensors::tensor::{Metadata as Header, TensorInfo};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// The format's own cap on the header.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The header's entry that is not a tensor.
const METADATA_KEY: &str = "__metadata__";

/// The reader of safetensors.
pub(super) struct SafeTensors;

impl FormatReader for SafeTensors {
    fn format(&self) -> Format {
        Format::SafeTensors
    }

    /// The header's length is followed by its JSON.
    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(content.head.get(8) == Some(&b'{'))
    }

    fn has_shard_index(&self) -> bool {
        true
    }

    fn parse(&self, files: &FileSet, _detail: Detail) -> Result<Model, ParseError> {
        parse(files)
    }
}

/// Parses a single file, or all shards that an index names.
fn parse(files: &FileSet) -> Result<Model, ParseError> {
    let (mut metadata, mut keys, mut json_bytes) = (Metadata::new(), HashSet::new(), 0);
    let mut tensors = Vec::new();
    for file_no in files.data_files() {
        let (pairs, found) = parse_file(files.source(file_no), file_no)
            .map_err(|error| error.in_file(files.given_name(file_no)))?;
        for (key, text) in pairs {
            if !keys.insert(key.clone()) {
                continue;
            }
            json_bytes += json_string_bytes(&key) + json_string_bytes(&text) + 2;
            if json_bytes > MAX_JSON_BYTES as u64 {
                return Err(too_large!(
                    "the metadata of all files are too large for one jsonb, from key \"{key}\" on"
                ));
            }
            metadata.push((key, Value::Text(text)));
        }
        check_tensor_count((tensors.len() + found.len()) as u64)?;
        tensors.extend(found);
    }
    check_shard_index(files, &tensors)?;
    Ok(Model::new(Format::SafeTensors, metadata, tensors))
}

/// Pairs of metadata, and the tensors, of one file.
type Parsed = (Vec<(String, String)>, Vec<Tensor>);

fn parse_file(source: &dyn Source, file_no: usize) -> Result<Parsed, ParseError> {
    let mut reader = HeaderReader::new(source);
    let header_length = reader.u64("the header's length")?;
    if header_length > reader.remaining() {
        return Err(malformed!(
            "the header's length is {header_length} bytes, but the file ends after {} more",
            reader.remaining()
        ));
    }
    if header_length > MAX_HEADER_BYTES {
        return Err(too_large!("the header has {header_length} bytes (at most {MAX_HEADER_BYTES})"));
    }
    let bytes = reader.take(header_length, "the header")?;
    let text = std::str::from_utf8(bytes).map_err(|error| malformed!("the header is not UTF-8: {error}"))?;
    if !text.starts_with('{') {
        return Err(malformed!("the header does not start with \"{{\""));
    }
    let entries: RawEntries =
        serde_json::from_str(text).map_err(|error| malformed!("the header is not valid: {error}"))?;
    let data_start = 8 + header_length;
    let data_length = source.len() - data_start;

    let mut infos = entries.tensors;
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let mut tensors = Vec::with_capacity(infos.len());
    for (name, info) in &infos {
        tensors.push(tensor(name, info, file_no, data_start, data_length)?);
    }
    let header = Header::new(None, infos).map_err(|error| malformed!("{error}"))?;
    if header.data_len() as u64 != data_length {
        return Err(malformed!(
            "the tensors end at byte {} of the data, but the file has {data_length} bytes of data",
            header.data_len()
        ));
    }
    Ok((entries.metadata, tensors))
}

fn tensor(
    name: &str,
    info: &TensorInfo,
    file_no: usize,
    data_start: u64,
    data_length: u64,
) -> Result<Tensor, ParseError> {
    let (start, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    if name.is_empty() || name.contains('\0') {
        return Err(malformed!("a tensor's name is empty or holds a zero byte"));
    }
    if info.shape.len() > MAX_DIMS {
        return Err(malformed!("tensor \"{name}\" has {} dimensions (at most {MAX_DIMS})", info.shape.len()));
    }
    if start > end || end > data_length {
        return Err(malformed!(
            "tensor \"{name}\" lies at bytes {start} to {end} of the data, but the file has {data_length} bytes of data"
        ));
    }
    let dtype_name = format!("{:?}", info.dtype);
    let dtype = Dtype::from_name(&dtype_name)
        .ok_or_else(|| unsupported!("tensor \"{name}\" has the unknown data type {dtype_name}"))?;
    let shape: Vec<u64> = info.shape.iter().map(|&extent| extent as u64).collect();
    let weight_count = weight_count(name, &shape)?;
    let byte_length = dtype.byte_length(weight_count);
    if byte_length != Some(end - start) {
        return Err(malformed!(
            "tensor \"{name}\" of shape {shape:?} and type {dtype_name} takes {} bytes, but the header gives it {}",
            byte_length.map_or("no whole number of".into(), |length| length.to_string()),
            end - start
        ));
    }
    Ok(Tensor {
        name: name.to_owned(),
        shape,
        dtype,
        file_no,
        offset: data_start + start,
        byte_length: end - start,
        weight_count,
        lazy: None,
        affine: None,
    })
}

/// The header's entries as they stand: a map that remembers what is listed twice.
struct RawEntries {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, TensorInfo)>,
}

impl<'de> Deserialize<'de> for RawEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawEntries;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawEntries, A::Error> {
                let mut entries = RawEntries { metadata: Vec::new(), tensors: Vec::new() };
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA_KEY {
                        entries.metadata = map.next_value::<UniqueMap<String>>()?.0;
                    } else {
                        entries.tensors.push((name.clone(), map.next_value()?));
                    }
                    if let Some(name) = seen.replace(name) {
                        return Err(serde::de::Error::custom(format!("\"{name}\" is listed twice")));
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
