//! HDF5: a strict reader of what model files hold, and of nothing that leads out of a file. It reads
//! structures by positions, each of them once, so no loop of pointers can hold it, and its work is
//! bounded by the file's size. Values are not touched: datasets become ranges of the file, or recipes.
//! Written from the HDF5 File Format Specification, version 4.0, for superblocks 0 to 3. libhdf5 cannot
//! be used here: damaged files make it crash or loop, and it would take a server down with it.

mod arrays;
mod attribute;
mod btree_v1;
mod btree_v2;
mod checksum;
mod chunk_index;
mod chunked;
mod context;
mod dataset;
mod datatype;
mod datatype_class;
mod dense;
mod file;
mod filters;
mod fractal_heap;
mod global_heap;
mod group;
mod heap_collection;
mod messages;
mod object;
mod superblock;

use crate::byte_range::ByteRange;
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Array, Detail, MAX_JSON_BYTES, Metadata, Value, json_string_bytes};
use crate::source::{Source, SourceError};
use context::Context;
pub(crate) use dataset::Dataset;
use dataset::Outcome;
use file::File;
use group::Target;
use object::kind;
use std::collections::HashMap;
use std::sync::Arc;
pub(crate) use superblock::SIGNATURE;

/// Links and datasets that were left out are told one by one up to this number.
const MAX_LISTED: u64 = 1000;
/// So many of them in a summary.
const SUMMARY_LISTED: u64 = 16;

/// Where an HDF5 file stands: a part of a model's file, or of what a recipe makes of it.
pub(crate) struct Region {
    /// What holds the file's bytes; positions count from its first one.
    pub(crate) of: Arc<dyn LazyTensor>,
    /// True when positions in it are positions in the model's file.
    pub(crate) in_file: bool,
    /// The bytes.
    pub(crate) range: ByteRange,
}

/// What an HDF5 file holds.
pub(crate) struct Contents {
    /// The attributes of the root group.
    pub(crate) attributes: Metadata,
    /// All datasets of numbers.
    pub(crate) datasets: Vec<Dataset>,
    /// What else there is, in words; `None` when there is nothing.
    pub(crate) skipped: Option<Array>,
}

/// True when a source starts as an HDF5 file, or does so behind a user block.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
pub(crate) fn is_hdf5(source: &dyn Source) -> Result<bool, SourceError> {
    Ok(superblock::find(source, 0, source.len())?.is_some())
}

/// What was left out, in words.
#[derive(Default)]
struct SkippedObjects {
    count: u64,
    head: Vec<Value>,
}

impl SkippedObjects {
    fn add(&mut self, detail: Detail, path: &str, what: &str) {
        let max = if detail == Detail::Full { MAX_LISTED } else { SUMMARY_LISTED };
        self.count += 1;
        if self.count <= max {
            self.head.push(Value::Text(format!("{path}: {what}")));
        }
    }

    fn array(self) -> Option<Array> {
        let Self { count, head } = self;
        (count > 0).then_some(Array { element: "string", count, head })
    }
}

/// An object that was met.
struct Met {
    path: String,
    /// Links to it so far, and in all.
    links: u32,
    references: u32,
}

/// Reads an HDF5 file: all links from the root group on, in the order of their names. An object with
/// several names stands under the first.
///
/// # Errors
/// [`ParseError`] for whatever contradicts the format, and for data that are in other files.
pub(crate) fn read(source: &dyn Source, region: Region, detail: Detail) -> Result<Contents, ParseError> {
    let Region { of, in_file, range } = region;
    let (mut file, root) = superblock::open(source, range.offset, range.end())?;
    let mut context = Context::new(of, in_file);
    let (mut datasets, mut skipped) = (Vec::new(), SkippedObjects::default());
    let mut attributes = Metadata::new();
    let mut met: HashMap<u64, Met> = HashMap::new();
    let mut open = vec![(String::new(), root)];
    while let Some((path, address)) = open.pop() {
        if let Some(known) = met.get_mut(&address) {
            known.links += 1;
            if known.links > known.references {
                return Err(malformed!(
                    "\"{path}\" is \"{}\" again, but that has {} links: the file has a loop",
                    known.path,
                    known.references
                ));
            }
            skipped.add(detail, &path, &format!("another link to \"{}\"", known.path));
            continue;
        }
        if file.named_types.contains_key(&address) {
            skipped.add(detail, &path, "a data type");
            continue;
        }
        let object = object::read(&mut file, address)?;
        let references = object.references;
        if group::is_group(&object) {
            if path.is_empty() {
                attributes = root_attributes(&mut file, &object, detail)?;
            }
            let from = open.len();
            for link in group::links(&mut file, &object)? {
                let path = if path.is_empty() { link.name } else { format!("{path}/{}", link.name) };
                // Kept twice: as a path still to go, and as one that was met.
                file.charge(2 * path.len() as u64)?;
                match link.target {
                    Target::Object(address) => open.push((path, address)),
                    Target::Soft(to) => skipped.add(detail, &path, &format!("a soft link to \"{to}\"")),
                    Target::External => {
                        skipped.add(detail, &path, "a link to another file, which is never opened")
                    }
                    Target::Unknown(kind) => skipped.add(detail, &path, &format!("a link of type {kind}")),
                }
            }
            // The first name is the next to be taken.
            open[from..].reverse();
        } else if path.is_empty() {
            return Err(malformed!("the root of the HDF5 file is not a group"));
        } else if object.find(kind::LAYOUT).is_some() {
            match dataset::read(&mut file, &object, &path, &mut context)? {
                Outcome::Numbers(dataset) => datasets.push(dataset),
                Outcome::Skipped(what) => skipped.add(detail, &path, &what),
            }
            check_tensor_count(datasets.len() as u64)?;
        } else if object.find(kind::DATATYPE).is_some() {
            datatype::remember(&mut file, address, &object)?;
            skipped.add(detail, &path, "a data type");
            continue;
        } else {
            return Err(malformed!("\"{path}\" is neither a group nor a dataset nor a data type"));
        }
        met.insert(address, Met { path, links: 1, references });
    }
    context.check_stored()?;
    Ok(Contents { attributes, datasets, skipped: skipped.array() })
}

fn root_attributes(file: &mut File, root: &object::Object, detail: Detail) -> Result<Metadata, ParseError> {
    let mut metadata = Metadata::new();
    let mut bytes = 0;
    for attribute in attribute::all(file, root)? {
        let Some(value) = attribute.value(file, detail)? else {
            continue;
        };
        bytes += json_string_bytes(&attribute.name) + json_bytes(&value);
        if bytes > MAX_JSON_BYTES as u64 {
            return Err(too_large!(
                "the attributes are too large for one jsonb, from \"{}\" on",
                attribute.name
            ));
        }
        metadata.push((attribute.name, value));
    }
    Ok(metadata)
}

/// An upper bound of a value's JSON.
fn json_bytes(value: &Value) -> u64 {
    match value {
        Value::Text(text) => json_string_bytes(text) + 1,
        Value::Array(array) => 64 + array.head.iter().map(json_bytes).sum::<u64>(),
        _ => 32, // the longest numbers have 24 digits and signs
    }
}

#[cfg(test)]
mod tests;
