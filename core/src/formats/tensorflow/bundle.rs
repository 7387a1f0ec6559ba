//! A checkpoint: an index (`NAME.index`, a table of entries) and shards of data
//! (`NAME.data-00000-of-00002`). A tensor's name is its key in the index, exactly as
//! `tf.train.load_checkpoint` reports it; names that the object graph has for it are metadata.
//!
//! A partitioned variable is one tensor, as for the official reader, where its slices are in one
//! shard. Where they are in several, each slice is a tensor: `NAME[0:4,0:8]`, begin and end on
//! every axis.
//!
//! The checksums of the index are verified when it is read. Those of the data take reading all weights,
//! which is for [`checksums`]' caller.
//! Source: tensorflow/core/protobuf/tensor_bundle.proto and tensor_bundle.cc; for slices
//! tensor_slice.proto and saved_tensor_slice_util.cc.

use super::slices::{Slice, slice_of_key, whole};
use super::tensor::{DataType, data_type, empty, shape};
use super::{object_graph, sstable};
use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::formats::checksum::{Checksum, Stored};
use crate::formats::containers::protobuf::{Payload, Span, Wire};
use crate::formats::error::{ParseError, malformed, missing, too_large, unsupported};
use crate::formats::files::FileSet;
use crate::formats::limits::{MAX_DIMS, MAX_FILES, check_tensor_count};
use crate::formats::support::lazy::ByteSwapped;
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::model::Tensor;
use crate::source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The entry that holds the object graph.
const OBJECT_GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";

/// Most slices of one variable: each is compared with each. Partitioners make one for each server.
const MAX_SLICES: usize = 1024;

/// The index's first entry: `BundleHeaderProto`.
#[derive(Debug, Clone, Copy)]
struct Header {
    /// Number of files with data.
    shards: u64,
    /// The data's numbers have their first byte last.
    big_endian: bool,
    /// Version of the format.
    producer: u64,
}

/// One entry of the index: `BundleEntryProto`.
#[derive(Debug, Default)]
struct Entry {
    dtype: u64,
    shape: Vec<u64>,
    shard: u64,
    offset: u64,
    size: u64,
    /// Masked CRC-32C of the data.
    checksum: Option<u32>,
    /// The slices that a partitioned variable is made of; its data are in their entries.
    slices: Vec<Slice>,
}

/// The name of a shard.
fn shard_name(prefix: &str, shard: u64, count: u64) -> String {
    format!("{prefix}.data-{shard:05}-of-{count:05}")
}

/// The names of the shards of a checkpoint whose index has the name `index`.
pub fn shard_names(index: &str, source: &dyn Source) -> Result<Vec<String>, ParseError> {
    let count = header(source)?.shards;
    let prefix = index.strip_suffix(".index").unwrap_or(index);
    Ok((0..count).map(|shard| shard_name(prefix, shard, count)).collect())
}

/// The header of an index: the entry of the empty key, which is the first.
fn header(source: &dyn Source) -> Result<Header, ParseError> {
    let mut header = None;
    sstable::read(source, |key, value| {
        header = key.is_empty().then(|| read_header(value)).transpose()?;
        Ok(false)
    })?;
    header.ok_or_else(|| malformed!("the checkpoint's index does not begin with its header"))
}

fn read_header(value: &[u8]) -> Result<Header, ParseError> {
    let mut header = Header { shards: 0, big_endian: false, producer: 0 };
    let (mut wire, mut rest) = (Wire::new(&value), Span::all(&value));
    while let Some(field) = wire.next(&mut rest)? {
        match (field.number, field.payload) {
            (1, Payload::Varint(shards)) => header.shards = shards,
            (1, _) => {
                return Err(unsupported!(
                    "the checkpoint is of TensorFlow's first format, from before 2016: save it again with a newer one"
                ));
            }
            (2, Payload::Varint(endianness)) => header.big_endian = endianness == 1,
            (3, Payload::Bytes) => {
                let mut version = field.span;
                while let Some(field) = wire.next(&mut version)? {
                    if field.number == 1 {
                        header.producer = field.varint()?;
                    }
                }
            }
            _ => {}
        }
    }
    if header.shards == 0 || header.shards > MAX_FILES as u64 {
        return Err(malformed!(
            "the checkpoint has {} shards (1 to {MAX_FILES} are possible)",
            header.shards as i64
        ));
    }
    Ok(header)
}

fn read_entry(value: &[u8]) -> Result<Entry, ParseError> {
    let mut entry = Entry::default();
    let (mut wire, mut rest) = (Wire::new(&value), Span::all(&value));
    while let Some(field) = wire.next(&mut rest)? {
        match field.number {
            1 => entry.dtype = field.varint()?,
            2 => entry.shape = shape(&mut wire, field.bytes()?)?,
            3 => entry.shard = field.varint()?,
            4 => entry.offset = field.varint()?,
            5 => entry.size = field.varint()?,
            6 if matches!(field.payload, Payload::Fixed32) => {
                let mut bytes = [0; 4];
                wire.source().read_at(field.span.offset, &mut bytes)?;
                entry.checksum = Some(u32::from_le_bytes(bytes));
            }
            7 => {
                if entry.slices.len() == MAX_SLICES {
                    return Err(too_large!("a variable has more than {MAX_SLICES} slices"));
                }
                entry.slices.push(read_slice(&mut wire, field.bytes()?)?);
            }
            _ => {}
        }
    }
    Ok(entry)
}

/// A `TensorSliceProto`: begin and length of each axis, both left out for a whole one.
fn read_slice(wire: &mut Wire, message: Span) -> Result<Slice, ParseError> {
    let (mut slice, mut rest) = (Slice::new(), message);
    while let Some(field) = wire.next(&mut rest)? {
        if field.number == 1 {
            let (mut begin, mut length, mut extent) = (0, None, field.bytes()?);
            while let Some(field) = wire.next(&mut extent)? {
                match field.number {
                    1 => begin = field.varint()?,
                    2 => length = Some(field.varint()?),
                    _ => {}
                }
            }
            if slice.len() == MAX_DIMS {
                return Err(malformed!("a slice has more than {MAX_DIMS} dimensions"));
            }
            slice.push((begin, length));
        }
    }
    Ok(slice)
}

/// Names of what is not listed, and why.
type Unlisted = Vec<(String, String)>;

/// A checkpoint whose entries are being placed.
struct Checkpoint<'f, 's> {
    files: &'f FileSet<'s>,
    header: Header,
    prefix: &'f str,
    tensors: Vec<Tensor>,
    /// Partitioned variables: data type, shape and slices of each.
    partitioned: BTreeMap<String, (Dtype, Vec<u64>, Vec<Slice>)>,
    /// The data of slices, by name.
    pieces: BTreeMap<String, Vec<(Slice, Tensor)>>,
    /// Entries without weights: names and reasons.
    unlisted: Unlisted,
}

/// The checksums of all weights of a checkpoint of which file `index_no` is the index.
pub fn checksums(files: &FileSet, index_no: usize) -> Result<Vec<Checksum>, ParseError> {
    let checkpoint = Checkpoint::new(files, index_no)?;
    let mut found = Vec::new();
    sstable::read(files.source(index_no), |key, value| {
        let entry = if key.is_empty() { Entry::default() } else { read_entry(value)? };
        if let Some(stored) = entry.checksum.filter(|_| entry.size > 0) {
            let name =
                slice_of_key(key).map_or_else(|| String::from_utf8_lossy(key).into(), |(name, _)| name);
            // The checksum of texts is of something else than their bytes.
            if let Ok(DataType::Weights(_)) = data_type(entry.dtype, &name) {
                let (file_no, range) = checkpoint.locate(&name, &entry)?;
                let stored = Stored::Crc32c(sstable::unmask(stored));
                found.push(Checksum { name, file_no, bytes: Arc::new(range), length: range.len, stored });
            }
        }
        Ok(true)
    })?;
    Ok(found)
}

/// Parses the checkpoint of which file `index_no` is the index: its variables, and what is none of numbers, by name
/// and reason.
pub fn read(
    files: &FileSet,
    index_no: usize,
    metadata: &mut MetadataBuilder,
) -> Result<(Vec<Tensor>, Unlisted), ParseError> {
    let index = files.source(index_no);
    let mut checkpoint = Checkpoint::new(files, index_no)?;
    metadata.count("checkpoint.shards", checkpoint.header.shards)?;
    metadata.count("checkpoint.producer", checkpoint.header.producer)?;
    if checkpoint.header.big_endian {
        metadata.text("checkpoint.endianness", "big".into())?;
    }
    let mut graph = None;
    sstable::read(index, |key, value| {
        if key == OBJECT_GRAPH.as_bytes() {
            graph = Some(checkpoint.locate(OBJECT_GRAPH, &read_entry(value)?)?);
        } else if !key.is_empty() {
            checkpoint.entry(key, read_entry(value)?)?;
        }
        Ok(true)
    })?;
    checkpoint.join_slices()?;
    let Checkpoint { tensors, unlisted, header: Header { big_endian, .. }, .. } = checkpoint;
    // The lengths of a text's tensor are in the writer's order of bytes too, and not worth turning.
    if let Some((file_no, range)) = graph.filter(|_| !big_endian) {
        object_graph::note(files.source(file_no), Span { offset: range.offset, end: range.end() }, metadata)?;
    }
    Ok((tensors, unlisted))
}

impl<'f, 's> Checkpoint<'f, 's> {
    fn new(files: &'f FileSet<'s>, index_no: usize) -> Result<Self, ParseError> {
        let name = files.name(index_no);
        Ok(Self {
            files,
            header: header(files.source(index_no))?,
            prefix: name.strip_suffix(".index").unwrap_or(name),
            tensors: Vec::new(),
            partitioned: BTreeMap::new(),
            pieces: BTreeMap::new(),
            unlisted: Vec::new(),
        })
    }

    /// Where the data of an entry are.
    fn locate(&self, name: &str, entry: &Entry) -> Result<(usize, ByteRange), ParseError> {
        let shards = self.header.shards;
        if entry.shard >= shards {
            return Err(malformed!("\"{name}\" is in shard {}, but there are {shards}", entry.shard as i64));
        }
        let file = shard_name(self.prefix, entry.shard, shards);
        let file_no = self.files.find(&file).ok_or_else(|| missing(name, &file))?;
        let length = self.files.source(file_no).len();
        if entry.offset.checked_add(entry.size).is_none_or(|end| end > length) {
            return Err(malformed!(
                "\"{name}\" has {} bytes at byte {} of \"{file}\", but that file has {length}",
                entry.size,
                entry.offset
            ));
        }
        Ok((file_no, ByteRange::new(entry.offset, entry.size)))
    }

    fn entry(&mut self, key: &[u8], entry: Entry) -> Result<(), ParseError> {
        check_tensor_count((self.tensors.len() + self.pieces.len() + self.partitioned.len()) as u64)?;
        if let Some((name, slice)) = slice_of_key(key) {
            if let DataType::Weights(dtype) = data_type(entry.dtype, &name)? {
                let tensor = self.tensor(name.clone(), entry, dtype)?;
                self.pieces.entry(name).or_default().push((slice, tensor));
            }
            return Ok(());
        }
        let name = std::str::from_utf8(key).ok().filter(|name| !name.contains('\0')).ok_or_else(|| {
            malformed!("a key of the checkpoint is not a name: {:?}", String::from_utf8_lossy(key))
        })?;
        let DataType::Weights(dtype) = data_type(entry.dtype, name)? else {
            self.unlisted.push((name.to_owned(), "a variable that is no number".into()));
            return Ok(());
        };
        if entry.slices.is_empty() {
            let tensor = self.tensor(name.to_owned(), entry, dtype)?;
            self.tensors.push(tensor);
        } else {
            self.partitioned.insert(name.to_owned(), (dtype, entry.shape, entry.slices));
        }
        Ok(())
    }

    /// The tensor of an entry that has data.
    fn tensor(&self, name: String, entry: Entry, dtype: Dtype) -> Result<Tensor, ParseError> {
        let (file_no, range) = self.locate(&name, &entry)?;
        let mut tensor = empty(name, entry.shape, dtype)?;
        if range.len != tensor.byte_length {
            return Err(malformed!(
                "tensor \"{}\" of shape {:?} and type {} takes {} bytes, but the checkpoint has {}",
                tensor.name,
                tensor.shape,
                dtype.name(),
                tensor.byte_length,
                range.len
            ));
        }
        (tensor.file_no, tensor.offset) = (file_no, range.offset);
        let width = match dtype {
            Dtype::C64 => 4,
            Dtype::C128 => 8,
            dtype => dtype.info().block_bytes as usize,
        };
        if self.header.big_endian && width > 1 && !range.is_empty() {
            tensor.lazy = Some(Arc::new(ByteSwapped { of: Arc::new(range), element_bytes: width }));
        }
        Ok(tensor)
    }

    /// Makes partitioned variables of their slices.
    fn join_slices(&mut self) -> Result<(), ParseError> {
        for (name, (dtype, shape, slices)) in std::mem::take(&mut self.partitioned) {
            let mut pieces = self.pieces.remove(&name).unwrap_or_default();
            let variable = empty(name, shape, dtype)?;
            if pieces.len() != slices.len() || pieces.iter().any(|(_, piece)| piece.dtype != dtype) {
                return Err(malformed!(
                    "variable \"{}\" has {} slices of type {}, but the checkpoint has {} that fit",
                    variable.name,
                    slices.len(),
                    dtype.name(),
                    pieces.iter().filter(|(_, piece)| piece.dtype == dtype).count()
                ));
            }
            if let Some(joined) = whole(&variable, &pieces)? {
                self.tensors.push(joined);
                continue;
            }
            for (slice, piece) in &mut pieces {
                let axes: Vec<String> = slice
                    .iter()
                    .zip(&piece.shape)
                    .map(|((begin, _), extent)| format!("{begin}:{}", begin.saturating_add(*extent)))
                    .collect();
                piece.name = format!("{}[{}]", piece.name, axes.join(","));
            }
            self.tensors.extend(pieces.into_iter().map(|(_, piece)| piece));
        }
        match self.pieces.keys().next() {
            Some(name) => Err(malformed!("the checkpoint has slices of \"{name}\", but no such variable")),
            None => Ok(()),
        }
    }
}
