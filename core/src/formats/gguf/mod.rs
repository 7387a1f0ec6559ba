//! GGUF, versions 2 and 3, little-endian, single or split.
//! Source: ggml `docs/gguf.md`; split files: llama.cpp `tools/gguf-split`.

mod fork;

use crate::dtype::Dtype;
use crate::formats::error::{ParseError, malformed, too_large, unsupported};
use crate::formats::files::{FileSet, FirstFile, Siblings};
use crate::formats::limits::{MAX_FILES, check_tensor_count, weight_count};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::header_reader::HeaderReader;
use crate::metadata::{Array, Detail, MAX_JSON_BYTES, Metadata, Value, json_string_bytes};
use crate::model::{Format, Model, Tensor};
use crate::source::Source;
use std::collections::HashSet;

/// The first four bytes of every GGUF file.
const MAGIC: &[u8; 4] = b"GGUF";

/// ggml's own limit, `GGML_MAX_DIMS`.
const MAX_DIMS: u32 = 4;
/// Longest key or tensor name: the format's own limit for keys.
const MAX_NAME_BYTES: u64 = 65_535;
/// Longest single text value. Real ones (chat templates) have some kilobytes; jsonb takes 256 MiB.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Longest name of an architecture; real ones have a dozen bytes.
const MAX_ARCHITECTURE_BYTES: usize = 255;
/// Arrays of arrays are allowed by the format and unused; real files have depth 1.
const MAX_ARRAY_DEPTH: u32 = 4;
/// Arrays up to this length are shown whole in a summary.
const SHORT_ARRAY: u64 = 16;
/// Elements of a longer array that a summary shows, and the longest text among them.
const SUMMARY_ELEMENTS: u64 = 4;
const SUMMARY_TEXT_BYTES: u64 = 1024;
/// Alignment of tensor data where the header does not say.
const DEFAULT_ALIGNMENT: u64 = 32;

/// `enum gguf_metadata_value_type`, with the bytes of one value (0: it varies).
const VALUE_TYPES: [(&str, u64); 13] = [
    ("uint8", 1),
    ("int8", 1),
    ("uint16", 2),
    ("int16", 2),
    ("uint32", 4),
    ("int32", 4),
    ("float32", 4),
    ("bool", 1),
    ("string", 0),
    ("array", 0),
    ("uint64", 8),
    ("int64", 8),
    ("float64", 8),
];
const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// The reader of GGUF.
pub(super) struct Gguf;

impl FormatReader for Gguf {
    fn format(&self) -> Format {
        Format::Gguf
    }

    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(content.head.starts_with(MAGIC))
    }

    /// The parts of a split model, by their names.
    fn siblings(&self, file: &FirstFile) -> Result<Siblings, ParseError> {
        let Some((stem, count)) = split_name(file.name()) else { return Ok(Siblings::None) };
        if count as usize > MAX_FILES {
            return Err(too_large!("the model has {count} parts (at most {MAX_FILES})"));
        }
        let part = |part| format!("{stem}-{part:05}-of-{count:05}.gguf");
        Ok(Siblings::Beside((1..=count).map(part).collect()))
    }

    fn parse(&self, files: &FileSet, detail: Detail) -> Result<Model, ParseError> {
        parse(files, &files.data_files(), detail)
    }
}

/// Takes `stem-00002-of-00003.gguf` apart: the stem and the number of parts.
fn split_name(name: &str) -> Option<(&str, u32)> {
    let rest = name.strip_suffix(".gguf")?;
    let (rest, count) = rest.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let five_digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !five_digits(part) || !five_digits(count) {
        return None;
    }
    let (part, count): (u32, u32) = (part.parse().ok()?, count.parse().ok()?);
    (1..=count).contains(&part).then_some((stem, count))
}

/// Parses a single file, or all parts of a split one in order.
fn parse(files: &FileSet, data_files: &[usize], detail: Detail) -> Result<Model, ParseError> {
    let mut model: Option<Model> = None;
    for (part, &file_no) in data_files.iter().enumerate() {
        let parse_part = || {
            let (metadata, tensors) = parse_file(files.source(file_no), file_no, detail)?;
            check_split(&metadata, part, data_files.len())?;
            Ok((metadata, tensors))
        };
        let (metadata, tensors) =
            parse_part().map_err(|error: ParseError| error.in_file(files.given_name(file_no)))?;
        match &mut model {
            None => {
                let mut first = Model::new(Format::Gguf, metadata, tensors);
                if let Some(name) = architecture(&first.metadata) {
                    first.architecture = name.to_owned();
                }
                model = Some(first);
            }
            Some(model) => {
                check_tensor_count((model.tensors.len() + tensors.len()) as u64)?;
                model.tensors.extend(tensors);
            }
        }
    }
    let model = model.ok_or_else(|| malformed!("a model needs at least one file"))?;
    if data_files.len() > 1
        && let Some(total) = integer(&model.metadata, "split.tensors.count")
        && total != model.tensors.len() as u64
    {
        return Err(malformed!(
            "split.tensors.count says {total} tensors, but the {} parts hold {}",
            data_files.len(),
            model.tensors.len()
        ));
    }
    Ok(model)
}

fn find<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a Value> {
    metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn integer(metadata: &Metadata, key: &str) -> Option<u64> {
    match find(metadata, key)? {
        Value::Uint(value) => Some(*value),
        Value::Int(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

/// The architecture's name, if it can be one.
fn architecture(metadata: &Metadata) -> Option<&str> {
    let Some(Value::Text(name)) = find(metadata, "general.architecture") else {
        return None;
    };
    let plain = (1..=MAX_ARCHITECTURE_BYTES).contains(&name.len()) && !name.contains(char::is_control);
    plain.then_some(name)
}

/// A part of a split model says which one it is; one part alone may be opened too.
fn check_split(metadata: &Metadata, part: usize, parts: usize) -> Result<(), ParseError> {
    if parts == 1 {
        return Ok(());
    }
    let (number, count) = (integer(metadata, "split.no"), integer(metadata, "split.count"));
    if number != Some(part as u64) || count != Some(parts as u64) {
        let show = |value: Option<u64>| value.map_or("nothing".into(), |value| value.to_string());
        return Err(malformed!(
            "part {} of {parts} has split.no {} and split.count {}",
            part + 1,
            show(number),
            show(count)
        ));
    }
    Ok(())
}

fn parse_file(
    source: &dyn Source,
    file_no: usize,
    detail: Detail,
) -> Result<(Metadata, Vec<Tensor>), ParseError> {
    let mut reader = HeaderReader::new(source);
    let magic: [u8; 4] = reader.array("the magic")?;
    if magic != *MAGIC {
        return Err(malformed!("a GGUF file starts with \"GGUF\", this one with bytes {magic:02x?}"));
    }
    let version = reader.u32("the version")?;
    match version {
        2 | 3 => {}
        1 => {
            return Err(unsupported!("version 1 is not supported: convert the file to version 3"));
        }
        _ if matches!(version.swap_bytes(), 1..=3) => {
            return Err(unsupported!("big-endian files are not supported"));
        }
        _ => {
            return Err(unsupported!("version {version} is not supported (2 and 3 are)"));
        }
    }
    let tensor_count = reader.u64("the number of tensors")?;
    let key_count = reader.u64("the number of metadata keys")?;
    // The shortest key takes 8 + 1 + 4 + 1 bytes, the shortest tensor 8 + 1 + 4 + 4 + 8.
    check_count(&reader, key_count, 14, "metadata keys")?;
    check_count(&reader, tensor_count, 25, "tensors")?;
    check_tensor_count(tensor_count)?;

    let mut metadata = Metadata::new();
    let mut keys = HashSet::new();
    let mut budget = Budget { detail, left: MAX_JSON_BYTES as u64 };
    for _ in 0..key_count {
        let key = name(&mut reader, "a metadata key")?;
        budget.charge(&key, &key)?;
        let type_id = reader.u32("a value type")?;
        let value = value(&mut reader, &key, type_id, &mut budget, 0)?;
        if !keys.insert(key.clone()) {
            return Err(malformed!("metadata key \"{key}\" is listed twice"));
        }
        if key == "general.alignment" && type_id != UINT32 {
            return Err(malformed!(
                "general.alignment must be a uint32, not {}",
                VALUE_TYPES[type_id as usize].0
            ));
        }
        metadata.push((key, value));
    }
    let alignment = integer(&metadata, "general.alignment").unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() {
        return Err(malformed!("general.alignment must be a power of two, not {alignment}"));
    }

    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        tensors.push(tensor(&mut reader, file_no)?);
    }
    let data_start = reader
        .position()
        .checked_next_multiple_of(alignment)
        .filter(|start| *start <= source.len() || tensors.iter().all(|tensor| tensor.byte_length == 0))
        .ok_or_else(|| {
            malformed!(
                "tensor data would start at a multiple of {alignment} behind byte {}, but the file has {} bytes",
                reader.position(),
                source.len()
            )
        })?
        .min(source.len());
    fork::refuse(source, &tensors, data_start, alignment)?;
    for tensor in &mut tensors {
        place(tensor, data_start, alignment, source.len())?;
    }
    Ok((metadata, tensors))
}

/// Refuses a count for which the rest of the file is too short, before anything is allocated.
fn check_count(reader: &HeaderReader, count: u64, min_bytes: u64, what: &str) -> Result<(), ParseError> {
    if count > reader.remaining() / min_bytes {
        return Err(malformed!(
            "the header says {count} {what}, but the file has only {} bytes left for them",
            reader.remaining()
        ));
    }
    Ok(())
}

fn name(reader: &mut HeaderReader, what: &str) -> Result<String, ParseError> {
    let position = reader.position();
    let length = reader.u64(what)?;
    if length > MAX_NAME_BYTES {
        return Err(malformed!(
            "{what} at byte {position} has a length of {length} bytes (at most {MAX_NAME_BYTES})"
        ));
    }
    let bytes = reader.take(length, what)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed!("{what} at byte {position} is not UTF-8: {error}"))?;
    if text.is_empty() || text.contains('\0') {
        return Err(malformed!("{what} at byte {position} is empty or holds a zero byte"));
    }
    Ok(text.to_owned())
}

/// How much of the keys and values may still be kept, in memory and in one jsonb.
struct Budget {
    detail: Detail,
    left: u64,
}

impl Budget {
    /// Charges for a key or a value; `text` is what it holds besides a fixed part.
    fn charge(&mut self, text: &str, key: &str) -> Result<(), ParseError> {
        let cost = size_of::<Value>() as u64 + json_string_bytes(text);
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            too_large!(
                "the header's keys and values are too large for one jsonb, from metadata key \"{key}\" on"
            )
        })?;
        Ok(())
    }
}

fn value(
    reader: &mut HeaderReader,
    key: &str,
    type_id: u32,
    budget: &mut Budget,
    depth: u32,
) -> Result<Value, ParseError> {
    let value = match type_id {
        0 => Value::Uint(reader.array::<1>(key)?[0].into()),
        1 => Value::Int((reader.array::<1>(key)?[0] as i8).into()),
        2 => Value::Uint(u16::from_le_bytes(reader.array(key)?).into()),
        3 => Value::Int(i16::from_le_bytes(reader.array(key)?).into()),
        4 => Value::Uint(reader.u32(key)?.into()),
        5 => Value::Int(i32::from_le_bytes(reader.array(key)?).into()),
        6 => Value::F32(f32::from_le_bytes(reader.array(key)?)),
        7 => Value::Bool(reader.array::<1>(key)?[0] != 0),
        STRING => Value::Text(text(reader, key, MAX_TEXT_BYTES)?),
        ARRAY => array(reader, key, budget, depth)?,
        10 => Value::Uint(reader.u64(key)?),
        11 => Value::Int(i64::from_le_bytes(reader.array(key)?)),
        12 => Value::F64(f64::from_le_bytes(reader.array(key)?)),
        _ => {
            return Err(malformed!("metadata key \"{key}\" has the unknown value type {type_id}"));
        }
    };
    budget.charge(if let Value::Text(text) = &value { text } else { "" }, key)?;
    Ok(value)
}

fn text(reader: &mut HeaderReader, key: &str, max: u64) -> Result<String, ParseError> {
    let length = reader.u64(key)?;
    if length > max && length <= reader.remaining() {
        return Err(too_large!("the text of metadata key \"{key}\" has {length} bytes (at most {max})"));
    }
    Ok(String::from_utf8_lossy(reader.take(length, key)?).into_owned())
}

fn array(reader: &mut HeaderReader, key: &str, budget: &mut Budget, depth: u32) -> Result<Value, ParseError> {
    if depth == MAX_ARRAY_DEPTH {
        return Err(too_large!("metadata key \"{key}\" nests arrays deeper than {MAX_ARRAY_DEPTH}"));
    }
    let type_id = reader.u32(key)?;
    let count = reader.u64(key)?;
    let Some(&(element, width)) = VALUE_TYPES.get(type_id as usize) else {
        return Err(malformed!("metadata key \"{key}\" is an array of the unknown type {type_id}"));
    };
    // A string takes 8 bytes at least, an array 12.
    let min_bytes = match type_id {
        STRING => 8,
        ARRAY => 12,
        _ => width,
    };
    check_count(reader, count, min_bytes, &format!("elements of \"{key}\""))?;

    let wanted = match budget.detail {
        Detail::Full => count,
        Detail::Summary if count <= SHORT_ARRAY => count,
        Detail::Summary => SUMMARY_ELEMENTS,
    };
    let mut head = Vec::new();
    for _ in 0..wanted {
        if budget.detail == Detail::Summary && type_id == STRING {
            let length = reader.u64(key)?;
            let shown = length.min(SUMMARY_TEXT_BYTES);
            let text = String::from_utf8_lossy(reader.take(shown, key)?).into_owned();
            budget.charge(&text, key)?;
            head.push(Value::Text(text));
            reader.skip(length - shown, key)?;
        } else {
            head.push(value(reader, key, type_id, budget, depth + 1)?);
        }
    }
    skip_elements(reader, key, type_id, count - wanted, depth)?;
    Ok(Value::Array(Array { element, count, head }))
}

/// Steps over array elements without keeping them.
fn skip_elements(
    reader: &mut HeaderReader,
    key: &str,
    type_id: u32,
    count: u64,
    depth: u32,
) -> Result<(), ParseError> {
    match type_id {
        STRING => {
            for _ in 0..count {
                let length = reader.u64(key)?;
                reader.skip(length, key)?;
            }
        }
        ARRAY => {
            // Nothing is kept of them, so a budget of zero elements does.
            let mut nothing = Budget { detail: Detail::Summary, left: MAX_JSON_BYTES as u64 };
            for _ in 0..count {
                array(reader, key, &mut nothing, depth + 1)?;
                nothing.left = MAX_JSON_BYTES as u64;
            }
        }
        // check_count has seen that this cannot overflow.
        _ => reader.skip(count * VALUE_TYPES[type_id as usize].1, key)?,
    }
    Ok(())
}

/// One tensor's entry; its offset is still relative to the data section.
fn tensor(reader: &mut HeaderReader, file_no: usize) -> Result<Tensor, ParseError> {
    let name = name(reader, "a tensor name")?;
    let dims = reader.u32(&name)?;
    if dims > MAX_DIMS {
        return Err(malformed!("tensor \"{name}\" has {dims} dimensions (at most {MAX_DIMS})"));
    }
    let mut shape = Vec::with_capacity(dims as usize);
    for _ in 0..dims {
        shape.push(reader.u64(&name)?);
    }
    // ggml counts dimensions from the innermost one; the framework's order is the reverse.
    shape.reverse();
    let type_id = reader.u32(&name)?;
    let offset = reader.u64(&name)?;
    let dtype = Dtype::from_ggml_id(type_id)
        .ok_or_else(|| unsupported!("tensor \"{name}\" has the unknown ggml type {type_id}"))?;
    let weight_count = weight_count(&name, &shape)?;
    let row = shape.last().copied().unwrap_or(1);
    let block = u64::from(dtype.info().block_weights);
    if !row.is_multiple_of(block) {
        return Err(malformed!(
            "tensor \"{name}\" has rows of {row} weights, but {} comes in blocks of {block}",
            dtype.name()
        ));
    }
    let byte_length = dtype
        .byte_length(weight_count)
        .ok_or_else(|| malformed!("tensor \"{name}\" of shape {shape:?} has more than 2^64 bytes"))?;
    Ok(Tensor { name, shape, dtype, file_no, offset, byte_length, weight_count, lazy: None, affine: None })
}

/// Turns a tensor's offset into a position in the file, if all of its bytes are there.
fn place(tensor: &mut Tensor, data_start: u64, alignment: u64, file_length: u64) -> Result<(), ParseError> {
    if !tensor.offset.is_multiple_of(alignment) {
        return Err(malformed!(
            "tensor \"{}\" lies at offset {}, which is not a multiple of the alignment {alignment}",
            tensor.name,
            tensor.offset
        ));
    }
    let start = data_start.checked_add(tensor.offset);
    let end = start.and_then(|start| start.checked_add(tensor.byte_length));
    match (start, end) {
        (Some(start), Some(end)) if end <= file_length => {
            tensor.offset = start;
            Ok(())
        }
        _ => Err(malformed!(
            "tensor \"{}\" has {} bytes at offset {} of the data from byte {data_start} on, but the file has {file_length} bytes",
            tensor.name,
            tensor.byte_length,
            tensor.offset
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_split_models() {
        assert_eq!(split_name("a-b-00002-of-00003.gguf"), Some(("a-b", 3)));
        for name in [
            "a-00004-of-00003.gguf",
            "a-00000-of-00003.gguf",
            "a-2-of-3.gguf",
            "a.gguf",
            "-of-.gguf",
            "a-00001-of-00003.bin",
        ] {
            assert_eq!(split_name(name), None, "{name}");
        }
    }
}
