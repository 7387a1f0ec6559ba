//! Opening a model reads its header and nothing else, however large its file.

use crate::common::gguf::{Gguf, array_of, entry, string, text};
use crate::common::torch::{dict, legacy, torch_zip};
use crate::common::{Folder, safetensors};
use atomizer_core::formats::{self, Detail, FileSet};
use atomizer_core::model::Model;
use atomizer_core::source::{FileSource, Source, SourceError};
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;

/// A file that counts the bytes and the calls it is read with.
struct Counted {
    file: FileSource,
    bytes: Rc<Cell<u64>>,
    calls: Rc<Cell<u64>>,
}

impl Source for Counted {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.bytes.set(self.bytes.get() + buf.len() as u64);
        self.calls.set(self.calls.get() + 1);
        self.file.read_at(offset, buf)
    }
}

/// Opens a file; gives the model with the bytes and calls it took.
fn open(path: &Path, detail: Detail) -> (Model, u64, u64) {
    let (bytes, calls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let file = FileSource::open(path).unwrap();
    let source = Counted { file, bytes: bytes.clone(), calls: calls.clone() };
    let model = formats::parse(&FileSet::single("model", Box::new(source)), None, detail).unwrap();
    (model, bytes.get(), calls.get())
}

/// Writes a header and makes the file as long as its tensors say, without writing them.
fn sparse(folder: &Folder, name: &str, header: &[u8], length: u64) -> std::path::PathBuf {
    let path = folder.write(name, header);
    File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
    path
}

const DATA: u64 = 64 << 20;

#[test]
fn a_large_safetensors_file() {
    let folder = Folder::new("cost-safetensors");
    let half = DATA / 2;
    let shape = format!("[{}]", half / 4);
    let header = safetensors::header(&[
        safetensors::entry("a", "F32", &shape, 0, half),
        safetensors::entry("b", "F32", &shape, half, DATA),
    ]);
    let bytes = safetensors::file(&header, &[]);
    let path = sparse(&folder, "large.safetensors", &bytes, bytes.len() as u64 + DATA);
    let (model, bytes, calls) = open(&path, Detail::Full);
    assert_eq!(model.tensors[1].byte_length, half);
    assert!(bytes < 1 << 20 && calls < 10, "{bytes} bytes in {calls} calls");
}

#[test]
fn a_large_gguf_file() {
    let folder = Folder::new("cost-gguf");
    let file = Gguf::new()
        .key("general.architecture", text("llama"))
        .tensor(entry("a", &[DATA / 8], 0, 0))
        .tensor(entry("b", &[DATA / 8], 0, DATA / 2));
    let path = sparse(&folder, "large.gguf", &file.build(), file.data_start() as u64 + DATA);
    let (model, bytes, calls) = open(&path, Detail::Full);
    assert_eq!(model.tensors[1].byte_length, DATA / 2);
    assert!(bytes < 1 << 20 && calls < 10, "{bytes} bytes in {calls} calls");
}

#[test]
fn a_vocabulary_is_read_once_and_in_large_pieces() {
    let folder = Folder::new("cost-vocabulary");
    let words: Vec<u8> = (0..200_000).flat_map(|i| string(format!("word {i}"))).collect();
    let tokens = array_of(8, 200_000, &words);
    let file = Gguf::new().key("tokenizer.ggml.tokens", tokens).tensor(entry("a", &[DATA], 24, 0));
    let header = file.header().len() as u64;
    let path = sparse(&folder, "vocabulary.gguf", &file.build(), file.data_start() as u64 + DATA);
    for detail in [Detail::Summary, Detail::Full] {
        let (_, bytes, calls) = open(&path, detail);
        assert!(bytes < header + (1 << 20), "{bytes} bytes for a header of {header}");
        assert!(calls < 50, "{calls} calls");
    }
}

#[test]
fn a_summary_steps_over_numbers_and_long_texts() {
    let folder = Folder::new("cost-summary");
    // 16 MB of numbers, and a few texts of 4 MB, in the header itself.
    let long = string(vec![b'x'; 4 << 20]);
    let file = Gguf::new()
        .key("scores", array_of(6, 4 << 20, &vec![0; 16 << 20]))
        .key("texts", array_of(8, 4, &long.repeat(4)))
        .tensor(entry("a", &[4], 24, 0))
        .data([0; 4]);
    let path = folder.write("summary.gguf", &file.build());
    let (model, bytes, calls) = open(&path, Detail::Summary);
    assert_eq!(model.tensors.len(), 1);
    assert!(bytes < 4 << 20 && calls < 50, "{bytes} bytes in {calls} calls");
}

#[test]
fn a_large_torch_file() {
    let folder = Folder::new("cost-torch");
    // Many storages, so that reading a buffer's worth at each would show.
    let (count, each) = (64, 1 << 20);
    let keys: Vec<String> = (0..count).map(|key| key.to_string()).collect();
    let data = vec![0; each];
    let pickle = dict(|pickle| {
        let bytes = |pickle: crate::common::torch::Pickle, key: &String| {
            pickle.text(key).tensor("ByteStorage", key, each as i64, 0, &[each as i64], &[1])
        };
        keys.iter().fold(pickle, bytes)
    });
    let zip: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &data[..])).collect();
    let old: Vec<(&str, u64, &[u8])> = zip.iter().map(|(key, bytes)| (*key, each as u64, *bytes)).collect();
    for (name, file) in [("large.pt", torch_zip(&pickle, &zip)), ("large-legacy.pt", legacy(&pickle, &old))] {
        let path = folder.write(name, &file);
        let (model, bytes, calls) = open(&path, Detail::Full);
        assert_eq!(model.tensors.len(), count);
        assert!(bytes < 2 << 20 && calls < 3 * count as u64 + 30, "{name}: {bytes} bytes in {calls} calls");
    }
}
