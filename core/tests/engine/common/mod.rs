//! What the tests of the engine share: builders of files, ways to open them, and what must hold
//! for whatever a parser accepts. Nothing here uses the engine's own tables or arithmetic.

pub mod gguf;
pub mod manifest;
pub mod numbers;
pub mod peak;
pub mod processor_time;
pub mod protobuf;
pub mod safetensors;
pub mod table;
pub mod torch;
pub mod zip;

use atomizer_core::formats::{self, Detail, FileSet, ParseError, ParseErrorKind};
use atomizer_core::metadata::to_json;
use atomizer_core::model::Model;
use atomizer_core::source::Source;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Opens one file's bytes.
pub fn open(bytes: &[u8], detail: Detail) -> Result<Model, ParseError> {
    formats::parse(&FileSet::single("model", Box::new(bytes)), None, detail)
}

/// Opens several files in the order given.
pub fn open_files(files: &[(&str, &[u8])]) -> Result<Model, ParseError> {
    let files =
        files.iter().map(|(name, bytes)| ((*name).to_owned(), Box::new(*bytes) as Box<dyn Source>)).collect();
    formats::parse(&FileSet::from_files(files), None, Detail::Summary)
}

/// Opens bytes that must be accepted, whatever the detail; gives the full model.
pub fn accepted(bytes: &[u8]) -> Model {
    assert_sane(&open(bytes, Detail::Summary).unwrap(), bytes.len());
    let model = open(bytes, Detail::Full).unwrap();
    assert_sane(&model, bytes.len());
    model
}

/// The kinds of refusal, which become the SQLSTATE.
#[derive(Debug, PartialEq)]
pub enum Kind {
    Malformed,
    Unsupported,
    TooLarge,
    Source,
}

pub fn kind(error: &ParseError) -> Kind {
    match error.kind() {
        ParseErrorKind::Malformed(_) => Kind::Malformed,
        ParseErrorKind::Unsupported(_) => Kind::Unsupported,
        ParseErrorKind::TooLarge(_) => Kind::TooLarge,
        ParseErrorKind::Source(_) => Kind::Source,
    }
}

/// Asserts a refusal of this kind whose message holds `words`.
#[track_caller]
pub fn assert_refused<T>(result: Result<T, ParseError>, expected: Kind, words: &str) {
    let Err(error) = result else {
        panic!("accepted, though it should say \"{words}\"");
    };
    let message = error.to_string();
    assert_eq!(kind(&error), expected, "{message}");
    assert!(message.contains(words), "\"{message}\" does not say \"{words}\"");
    assert!(fits_a_log(&message), "{message:?}");
}

/// Asserts that bytes are malformed, whatever the detail.
#[track_caller]
pub fn malformed(bytes: &[u8], words: &str) {
    for detail in [Detail::Summary, Detail::Full] {
        assert_refused(open(bytes, detail), Kind::Malformed, words);
    }
}

/// A message goes through C strings into a log: short, and without a zero byte.
pub fn fits_a_log(message: &str) -> bool {
    message.len() <= 1100 && !message.contains('\0')
}

/// What must hold for every model that was accepted, however hostile its file.
#[track_caller]
pub fn assert_sane(model: &Model, file_length: usize) {
    let mut names = HashSet::new();
    let mut ranges = Vec::new();
    for tensor in &model.tensors {
        assert!(names.insert(&tensor.name), "\"{}\" is there twice", tensor.name);
        assert!(!tensor.name.is_empty() && !tensor.name.contains('\0'));
        // Extents become bigint.
        assert!(tensor.shape.iter().all(|extent| i64::try_from(*extent).is_ok()));
        let product = tensor.shape.iter().map(|extent| u128::from(*extent)).product::<u128>();
        assert_eq!(u128::from(tensor.weight_count), product);
        // What is computed, or in a file of its own, stands nowhere in this one.
        if tensor.lazy.is_some() || tensor.file_no > 0 {
            continue;
        }
        let end = u128::from(tensor.offset) + u128::from(tensor.byte_length);
        assert!(end <= file_length as u128, "\"{}\" ends at {end}", tensor.name);
        if tensor.byte_length > 0 {
            ranges.push((u128::from(tensor.offset), end));
        }
    }
    for (i, one) in ranges.iter().enumerate() {
        for two in &ranges[..i] {
            assert!(one.1 <= two.0 || two.1 <= one.0, "tensors share bytes: {one:?} and {two:?}");
        }
    }
    serde_json::from_str::<serde_json::Value>(&to_json(&model.metadata)).expect("metadata is JSON");
    assert!(!model.architecture.is_empty() && !model.architecture.contains('\0'));
}

/// Reads every tensor of a model from its first file: an error, but never a panic or too many bytes.
/// Gives the tensors that can be read.
pub fn read_all(model: &Model, file: &dyn Source) -> Vec<String> {
    let reads = |tensor: &&atomizer_core::model::Tensor| {
        let Ok(source) = tensor.open(file) else { return false };
        assert_eq!(source.len(), tensor.byte_length, "{}", tensor.name);
        let mut piece = vec![0; 1000];
        (0..source.len().min(1 << 20)).step_by(piece.len()).all(|position| {
            let n = (source.len() - position).min(piece.len() as u64) as usize;
            source.read_at(position, &mut piece[..n]).is_ok()
        })
    };
    model.tensors.iter().filter(|tensor| tensor.file_no == 0).filter(reads).map(|t| t.name.clone()).collect()
}

/// Bytes that look random and are the same in every run.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// A folder of its own for one test, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("atomizer-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The bytes of a tensor of a one-file model.
pub fn bytes_of(model: &Model, name: &str, file: &[u8]) -> Vec<u8> {
    let tensor = model.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let source = tensor.open(&file).unwrap();
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Opens every shorter version of a file, and versions with one byte changed: no panic, and what is
/// accepted can be read or says why not. A cut must be refused where `cuts_fail`.
pub fn survives_damage(file: &[u8], cuts_fail: bool) {
    for length in 0..file.len() {
        let result = open(&file[..length], Detail::Full);
        assert!(!cuts_fail || result.is_err(), "accepted with {length} of {} bytes", file.len());
        try_to_read(result, &file[..length]);
    }
    let mut damaged = file.to_vec();
    for position in 0..file.len() {
        for change in [0x01, 0x80, 0xff] {
            damaged[position] ^= change;
            try_to_read(open(&damaged, Detail::Full), &damaged);
            damaged[position] ^= change;
        }
    }
}

fn try_to_read(result: Result<Model, ParseError>, file: &[u8]) {
    match result {
        Err(error) => assert!(fits_a_log(&error.to_string()), "{error}"),
        Ok(model) => {
            assert_sane(&model, file.len());
            for tensor in &model.tensors {
                let Ok(source) = tensor.open(&file) else {
                    continue;
                };
                assert_eq!(source.len(), tensor.byte_length);
                let mut buffer = [0; 4096];
                let n = source.len().min(4096) as usize;
                if let Err(error) = source.read_at(0, &mut buffer[..n]) {
                    assert!(fits_a_log(&error.to_string()), "{error}");
                }
            }
        }
    }
}
