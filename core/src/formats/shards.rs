//! The files of one model: a single file, the parts of a split GGUF, or the shards that an index of
//! safetensors or PyTorch files names.

use super::safetensors::UniqueMap;
use super::{ParseError, companions, graphs, malformed, too_large};
use crate::model::Tensor;
use crate::source::{FileSource, Source};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Most files of one model. Each keeps a descriptor open, and Postgres leaves a backend about 1000.
pub(super) const MAX_FILES: usize = 512;
/// Largest index of shards, as the cap on a safetensors header.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// What a file of a model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Tensors.
    Data,
    /// The names of tensors and of the files that hold them.
    Index,
    /// What the first file, a graph or the index of a checkpoint, leads to.
    Companion,
}

struct ModelFile<'a> {
    name: String,
    role: Role,
    source: Box<dyn Source + 'a>,
}

/// The open files of one model, in the order of their numbers.
pub struct FileSet<'a> {
    files: Vec<ModelFile<'a>>,
    index: Option<Vec<(String, String)>>,
}

impl<'a> FileSet<'a> {
    /// A model of one file.
    pub fn single(name: impl Into<String>, source: Box<dyn Source + 'a>) -> Self {
        Self { files: vec![ModelFile { name: name.into(), role: Role::Data, source }], index: None }
    }

    /// A model whose files are already known by name, such as one rebuilt from the store.
    ///
    /// # Errors
    /// [`ParseError`] when a file that is named as an index is none.
    pub fn of(files: Vec<(String, Box<dyn Source + 'a>)>) -> Result<Self, ParseError> {
        let mut set = Self { files: Vec::new(), index: None };
        let has_companions = match &files[..] {
            [(name, first), _, ..] => !is_index(name) && graphs::recognise(&**first)?.is_some(),
            _ => false,
        };
        for (name, source) in files {
            let role = match set.files.len() {
                1.. if has_companions => Role::Companion,
                _ if is_index(&name) => Role::Index,
                _ => Role::Data,
            };
            if role == Role::Index {
                set.index = Some(read_index(&*source)?);
            }
            set.files.push(ModelFile { name, role, source });
        }
        Ok(set)
    }

    /// Number of files, the index included.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True when there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The name of a file, from the folder of the model on.
    pub fn name(&self, file_no: usize) -> &str {
        &self.files[file_no].name
    }

    /// The bytes of a file.
    pub fn source(&self, file_no: usize) -> &dyn Source {
        &*self.files[file_no].source
    }

    /// The number of the file of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.files.iter().position(|file| file.name == name)
    }

    /// The numbers of the files that hold tensors.
    pub(super) fn data_files(&self) -> Vec<usize> {
        (0..self.files.len()).filter(|no| self.files[*no].role == Role::Data).collect()
    }

    /// Tensor names and the files that should hold them, where the model has an index.
    pub(super) fn index(&self) -> Option<&[(String, String)]> {
        self.index.as_deref()
    }
}

/// Every tensor of the index must be in the shard the index names.
pub(super) fn check_index(
    index: &[(String, String)],
    files: &FileSet,
    tensors: &[Tensor],
) -> Result<(), ParseError> {
    let held: HashMap<&str, usize> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.file_no)).collect();
    for (tensor, file) in index {
        let holder = held.get(tensor.as_str()).map(|file_no| files.name(*file_no));
        if holder != Some(file.as_str()) {
            return Err(malformed!(
                "the index says that tensor \"{tensor}\" is in \"{file}\", but it is {}",
                holder.map_or("in no file".into(), |holder| format!("in \"{holder}\""))
            ));
        }
    }
    Ok(())
}

fn is_index(name: &str) -> bool {
    name.ends_with(".index.json")
}

/// Opens the file at `path` with all files that belong to it: the other parts of a split GGUF
/// (`…-00001-of-00003.gguf`), the shards that an index names (`….safetensors.index.json`,
/// `pytorch_model.bin.index.json`), the external data of an ONNX model, a SavedModel's folder (by its
/// own path or that of its `saved_model.pb`), or the files of a TensorFlow checkpoint (by its index,
/// or by what the names of its files begin with).
///
/// # Errors
/// [`ParseError::Source`] when a file cannot be read, [`ParseError::Malformed`] for a bad index.
pub fn open_path(path: &Path) -> Result<FileSet<'static>, ParseError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let open = |name: &str| -> Result<(String, Box<dyn Source>), ParseError> {
        Ok((name.to_owned(), Box::new(FileSource::open(&path.with_file_name(name))?)))
    };
    if is_index(&name) {
        let (_, source) = open(&name)?;
        let shards: BTreeSet<String> = read_index(&*source)?.into_iter().map(|(_, file)| file).collect();
        let mut files = vec![(name, source)];
        for shard in &shards {
            files.push(open(shard)?);
        }
        return FileSet::of(files);
    }
    if let Some((stem, count)) = split_name(&name) {
        if count as usize > MAX_FILES {
            return Err(too_large!("the model has {count} parts (at most {MAX_FILES})"));
        }
        let files = (1..=count)
            .map(|part| open(&format!("{stem}-{part:05}-of-{count:05}.gguf")))
            .collect::<Result<_, _>>()?;
        return FileSet::of(files);
    }
    FileSet::of(companions::gather(path, name)?)
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

/// Reads `weight_map` of an index. The names of shards must be plain file names: an
/// index may not lead out of its own folder.
fn read_index(source: &dyn Source) -> Result<Vec<(String, String)>, ParseError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: UniqueMap<String>,
    }
    if source.len() > MAX_INDEX_BYTES {
        return Err(too_large!("the index has {} bytes (at most {MAX_INDEX_BYTES})", source.len()));
    }
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| malformed!("the index of shards is not valid: {error}"))?;
    let pairs = index.weight_map.0;
    for (tensor, file) in &pairs {
        let plain = !file.is_empty()
            && file != "."
            && file != ".."
            && !file.contains(['/', '\\', '\0'])
            && !is_index(file);
        if !plain {
            return Err(malformed!(
                "the index says that tensor \"{tensor}\" is in \"{file}\", which is no plain file name"
            ));
        }
    }
    let shards = pairs.iter().map(|(_, file)| file).collect::<BTreeSet<_>>().len();
    if shards == 0 || shards > MAX_FILES {
        return Err(malformed!("the index names {shards} files (1 to {MAX_FILES} are possible)"));
    }
    Ok(pairs)
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

    #[test]
    fn an_index_may_not_leave_its_folder() {
        for file in ["../x.safetensors", "/etc/passwd", "a/b", "", "..", "a\\b", "x.index.json"] {
            let json = serde_json::json!({"weight_map": {"t": file}}).to_string();
            assert!(matches!(read_index(&json.as_bytes()), Err(ParseError::Malformed(_))), "{file}");
        }
        let twice = r#"{"weight_map": {"t": "a", "t": "b"}}"#;
        assert!(read_index(&twice.as_bytes()).unwrap_err().to_string().contains("listed twice"));
    }
}
