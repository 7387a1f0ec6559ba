//! Models of several files: the parts of a split GGUF, and the shards that an index names.

use crate::common::gguf::{Gguf, entry, plain, u16, val};
use crate::common::safetensors::{index, one};
use crate::common::zip::{archive, deflate, deflated};
use crate::common::{Folder, Kind, assert_refused, open_files};
use crate::testdata;
use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use atomizer_core::model::Model;
use atomizer_core::source::SourceError;
use std::path::Path;

fn open(path: &Path) -> Result<Model, ParseError> {
    formats::parse(&formats::open_path(path)?, None, Detail::Summary)
}

/// Every tensor's name with the number of its file.
fn places(model: &Model) -> Vec<(&str, usize)> {
    model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.file_no)).collect()
}

/// The parts of a split model, with one tensor each.
fn parts(claims: &[(u16, u16)], total: i32) -> Vec<Vec<u8>> {
    claims
        .iter()
        .enumerate()
        .map(|(part, (number, count))| {
            Gguf::new()
                .key("split.no", u16(*number))
                .key("split.count", u16(*count))
                .key("split.tensors.count", val(5, total.to_le_bytes()))
                .tensor(entry(format!("t{part}"), &[4], 0, 0))
                .data([part as u8; 16])
                .build()
        })
        .collect()
}

fn open_parts(parts: &[Vec<u8>]) -> Result<Model, ParseError> {
    let files: Vec<_> = parts.iter().map(|bytes| ("part.gguf", &bytes[..])).collect();
    open_files(&files)
}

#[test]
fn the_parts_of_a_split_model_fit_together() {
    let good = parts(&[(0, 3), (1, 3), (2, 3)], 3);
    let model = open_parts(&good).unwrap();
    assert_eq!(places(&model), [("t0", 0), ("t1", 1), ("t2", 2)]);

    let refused = |files: &[Vec<u8>], words: &str| {
        assert_refused(open_parts(files), Kind::Malformed, words);
    };
    refused(&parts(&[(0, 3), (2, 3), (1, 3)], 3), "split.no 2");
    refused(&parts(&[(1, 2), (2, 2)], 2), "split.no 1");
    refused(&parts(&[(0, 2), (1, 3)], 2), "split.count 3");
    refused(&parts(&[(0, 2), (1, 2)], 3), "3 tensors");
    refused(&good[..2], "split.count 3");
    refused(&[parts(&[(0, 2)], 2), vec![plain().build()]].concat(), "split.no nothing");
    let mut same = parts(&[(0, 2), (1, 2)], 2);
    let name = same[1].windows(2).position(|bytes| bytes == b"t1").unwrap();
    same[1][name + 1] = b'0';
    refused(&same, "\"t0\" is listed twice");
    let other = vec![one("x")];
    refused(&[parts(&[(0, 2)], 2), other].concat(), "starts with \"GGUF\"");
}

#[test]
fn a_split_model_is_opened_by_any_of_its_parts() {
    let folder = Folder::new("split");
    let paths: Vec<_> = (1..)
        .zip(parts(&[(0, 3), (1, 3), (2, 3)], 3))
        .map(|(number, bytes)| folder.write(&format!("m-{number:05}-of-00003.gguf"), &bytes))
        .collect();
    for path in &paths {
        assert_eq!(open(path).unwrap().tensors.len(), 3);
    }
    std::fs::remove_file(&paths[1]).unwrap();
    assert_refused(open(&paths[0]), Kind::Source, "m-00002-of-00003.gguf");
    let many = folder.write("huge-00001-of-09999.gguf", &plain().build());
    assert_refused(open(&many), Kind::TooLarge, "the model has 9999 parts (at most 512)");
}

#[test]
fn an_error_names_its_file_and_format() {
    let starts = |result: Result<Model, ParseError>, start: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
    };
    let (a, mut b) = (one("t1"), one("t2"));
    b.truncate(b.len() - 1);
    let both = index(&[("t1", "a"), ("t2", "b.safetensors")]);
    let damaged = open_index(&both, &[("a", &a), ("b.safetensors", &b)]);
    starts(damaged, "SafeTensors file \"b.safetensors\": tensor \"t2\" lies at");
    let twice = open_index(&index(&[("t1", "b.safetensors")]), &[("a", &a), ("b.safetensors", &a)]);
    starts(twice, "SafeTensors file \"b.safetensors\": tensor \"t1\" is listed twice");
    let absent = open_index(&index(&[("t1", "c")]), &[("a", &a)]);
    starts(absent, "SafeTensors file \"model.safetensors.index.json\": the index says");
    let mut good = parts(&[(0, 2), (1, 2)], 2);
    good[1].truncate(30);
    let cut = open_files(&[("x-1.gguf", &good[0]), ("x-2.gguf", &good[1])]);
    starts(cut, "GGUF file \"x-2.gguf\": ");
    let unnamed = FileSet::unnamed(Box::new(&b[..]));
    starts(formats::parse(&unnamed, None, Detail::Summary), "SafeTensors: tensor \"t2\" lies at");
    starts(open_files(&[("y", b"nothing known")]), "file \"y\": the content is of no known model format");
}

#[test]
fn an_error_while_a_tensor_is_read_names_both() {
    let values: Vec<u8> = (0..2048u32).map(|i| (i * i % 251) as u8).collect();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2048,), }";
    let array =
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat();
    let mut file = archive(&[deflated("w.npy", &array)]);
    let stream = deflate(&array);
    let start = file.windows(stream.len()).position(|bytes| bytes == stream).unwrap();
    file[start + stream.len() - 3] ^= 0x10;
    let files = FileSet::single("x.npz", Box::new(&file[..]));
    let model = formats::parse(&files, None, Detail::Summary).unwrap();
    let source = files.open_tensor(&model.tensors[0]).unwrap();
    let error = source.read_at(0, &mut vec![0; values.len()]).unwrap_err();
    assert!(error.to_string().starts_with("file \"x.npz\", tensor \"w\": "), "{error}");
    assert!(matches!(error.cause(), SourceError::Malformed(_)), "{error:?}");
}

fn open_index(index: &[u8], shards: &[(&str, &[u8])]) -> Result<Model, ParseError> {
    let files: Vec<_> =
        [("model.safetensors.index.json", index)].into_iter().chain(shards.iter().copied()).collect();
    open_files(&files)
}

#[test]
fn shards_agree_with_their_index() {
    let (a, b) = (one("t1"), one("t2"));
    let shards = [("a", &a[..]), ("b", &b[..])];
    let model = open_index(&index(&[("t2", "b"), ("t1", "a")]), &shards).unwrap();
    // The index is file 0.
    assert_eq!(places(&model), [("t1", 1), ("t2", 2)]);

    let refused = |index: &[u8], words: &str| {
        assert_refused(open_index(index, &shards), Kind::Malformed, words);
    };
    refused(&index(&[("t1", "b"), ("t2", "b")]), "but it is in \"a\"");
    refused(&index(&[("t1", "a"), ("t2", "b"), ("t3", "b")]), "but it is in no file");
    refused(&index(&[("t1", "a"), ("t1", "a")]), "listed twice");
    refused(&index(&[]), "names 0 files");
    for json in [
        "",
        "{}",
        "[]",
        "null",
        "{\"weight_map\":{}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"t1\":7}}",
        "{\"weight_map\":{\"t1\":{}}}",
        "{\"weight_map\":{},\"weight_map\":{}}",
        "\u{feff}{}",
    ] {
        refused(json.as_bytes(), "the index of shards is not valid");
    }
    refused(b"{\"weight_map\":{\"t\xff\":\"a\"}}", "not valid");
    let deep = format!("{{\"weight_map\":{}", "{\"a\":".repeat(100_000));
    refused(deep.as_bytes(), "not valid");
    let same = [("a", &a[..]), ("b", &a[..])];
    assert_refused(open_index(&index(&[("t1", "b")]), &same), Kind::Malformed, "\"t1\" is listed twice");
}

#[test]
fn an_index_is_for_formats_that_have_one() {
    let gguf = Gguf::new().tensor(entry("t", &[4], 0, 0)).data([0; 16]).build();
    assert_refused(open_index(&index(&[("t", "a")]), &[("a", &gguf)]), Kind::Malformed, "GGUF file \"model");
}

#[test]
fn an_index_leads_to_files_beside_it() {
    let folder = Folder::new("index");
    folder.write("a", &one("t1"));
    folder.write("b", &one("t2"));
    let write_index = |bytes: &[u8]| folder.write("model.safetensors.index.json", bytes);
    let path = write_index(&index(&[("t1", "a"), ("t2", "b")]));
    assert_eq!(open(&path).unwrap().tensors.len(), 2);

    // A true file, only by a way that an index must not take.
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    folder.write("sub/c", &one("t1"));
    let absolute = folder.path().join("a");
    for name in [
        "sub/c",
        "./a",
        "sub/../a",
        "..",
        ".",
        "",
        "a/",
        "sub\\\\c",
        "..\\\\a",
        "a\\u0000",
        "model.safetensors.index.json",
        absolute.to_str().unwrap(),
    ] {
        let path = write_index(&index(&[("t1", name)]));
        assert_refused(open(&path), Kind::Malformed, "not a plain file name");
    }
    assert_refused(open(&write_index(&index(&[("t1", "gone")]))), Kind::Source, "gone");
    assert_refused(open(&write_index(&index(&[("t1", "sub")]))), Kind::Source, "not a regular file");
    let many: Vec<_> = (0..600).map(|i| (format!("t{i}"), format!("f{i}"))).collect();
    let many: Vec<_> = many.iter().map(|(tensor, file)| (&tensor[..], &file[..])).collect();
    assert_refused(open(&write_index(&index(&many))), Kind::Malformed, "names 600 files");
}

#[test]
fn an_index_of_a_variant_takes_its_own_shards_alone() {
    let folder = Folder::new("index-variant");
    for (name, tensor) in [("m-1.safetensors", "t1"), ("m-2.safetensors", "t2")] {
        folder.write(name, &one(tensor));
        folder.write(&name.replace(".safe", ".fp16.safe"), &one(tensor));
    }
    let shards = |variant: &str| {
        let names = ["m-1", "m-2"].map(|name| format!("{name}{variant}.safetensors"));
        index(&[("t1", &names[0]), ("t2", &names[1])])
    };
    let named = |path: &Path| {
        let files = formats::open_path(path).unwrap();
        formats::parse(&files, None, Detail::Summary).unwrap();
        (1..files.len()).map(|file_no| files.name(file_no).to_owned()).collect::<Vec<_>>()
    };
    for name in [
        "model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "model.fp16.safetensors.index.json",
        "weights.json",
        "shards",
    ] {
        let path = folder.write(name, &shards(".fp16"));
        assert_eq!(named(&path), ["m-1.fp16.safetensors", "m-2.fp16.safetensors"], "{name}");
        std::fs::remove_file(path).unwrap();
    }
    let plain = folder.write("model.safetensors.index.json", &shards(""));
    assert_eq!(named(&plain), ["m-1.safetensors", "m-2.safetensors"]);
    // A folder with one index and shards of another variant beside it has several models, and says so.
    let result = formats::open_path(folder.path()).map(|files| files.len());
    assert_refused(result, Kind::Unsupported, "has 3 models, not one");
    for name in ["m-1.fp16.safetensors", "m-2.fp16.safetensors"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    std::fs::rename(&plain, folder.path().join("any name.json")).unwrap();
    assert_eq!(formats::open_path(folder.path()).unwrap().len(), 3);
}

#[test]
fn an_index_of_another_name_stands_first() {
    let (a, b) = (one("t1"), one("t2"));
    let index = index(&[("t2", "b"), ("t1", "a")]);
    let files = [("any", &index[..]), ("a", &a[..]), ("b", &b[..])];
    assert_eq!(places(&open_files(&files).unwrap()), [("t1", 1), ("t2", 2)]);
    // JSON that is none is no index.
    for json in [&b"{\"weight_map\": 7}"[..], b"{\"weights\": {}}", b"{\"weight_map\": {\"t\": [7]}}"] {
        let folder = Folder::new("no-index");
        assert!(formats::open_path(&folder.write("x.json", json)).map_or(0, |files| files.len()) < 2);
    }
}

#[test]
fn a_tensor_may_be_in_one_of_several_shards() {
    let (a, b) = (one("t1"), one("t2"));
    let json = br#"{"weight_map": {"t1": ["a", "b"], "t2": "b"}}"#;
    let shards = [("a", &a[..]), ("b", &b[..])];
    assert_eq!(open_index(json, &shards).unwrap().tensors.len(), 2);
    let json = br#"{"weight_map": {"t1": ["b"], "t2": ["b"]}}"#;
    assert_refused(open_index(json, &shards), Kind::Malformed, "is in \"b\", but it is in \"a\"");
    let json = br#"{"weight_map": {"t1": ["../a"]}}"#;
    assert_refused(open_index(json, &shards), Kind::Malformed, "not a plain file name");
}

#[test]
fn groups_of_variables_are_in_the_shards_that_keras_names() {
    let read = |name: &str| std::fs::read(testdata("models").join(name)).unwrap();
    let shards = [0, 1].map(|number| format!("keras-sharded-split_0000{number}.weights.h5"));
    let bytes = shards.each_ref().map(|name| read(name));
    let open = |json: &[u8]| {
        open_files(&[("x.weights.json", json), (&shards[0], &bytes[0]), (&shards[1], &bytes[1])])
    };
    let json = String::from_utf8(read("keras-sharded-split.weights.json")).unwrap();
    let model = open(json.as_bytes()).unwrap();
    let of = |name: &str| model.tensors.iter().find(|tensor| tensor.name == name).unwrap().file_no;
    assert_eq!((of("layers/dense/vars/0"), of("layers/dense/vars/1")), (1, 2));
    let wrong = json.replace(
        "batch_normalization/vars\": [",
        "batch_normalization/vars\": [\"keras-sharded-split_00000.weights.h5\",",
    );
    assert_refused(open(wrong.as_bytes()), Kind::Malformed, "which has none");
    assert_refused(open(json.replace("/dense/", "/other/").as_bytes()), Kind::Malformed, "which has none");
}
