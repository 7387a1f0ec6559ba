//! A folder as a model: which of its files are the weights, and what comes with them.

use crate::common::gguf::plain;
use crate::common::safetensors::{file, index, one};
use crate::common::{Folder, Kind, assert_refused};
use atomizer_core::formats::safety::{Verdict, safety_report};
use atomizer_core::formats::{self, Detail, FileRole, FileSet, ParseError};

/// The names of a folder's files in their order, those that are companions behind a `+`.
fn names(folder: &Folder) -> Result<Vec<String>, ParseError> {
    let files = formats::open_path(folder.path())?;
    // Whatever is beside the weights, they are parsed.
    formats::parse(&files, None, Detail::Summary)?;
    let sign = |file_no| if files.role(file_no) == FileRole::Companion { "+" } else { "" };
    Ok((0..files.len()).map(|file_no| format!("{}{}", sign(file_no), files.name(file_no))).collect())
}

#[track_caller]
fn refused(folder: &Folder, kind: Kind, words: &str, hint: &str) {
    let result = names(folder);
    let found = result.as_ref().err().and_then(|error| error.hint()).unwrap_or_default().to_owned();
    assert_refused(result, kind, words);
    assert!(found.contains(hint), "\"{found}\" does not say \"{hint}\"");
}

#[test]
fn weights_are_found_by_their_content_and_bring_what_is_beside_them() {
    let folder = Folder::new("folder-single");
    folder.write("weights", &one("a"));
    // Byte 9 of a safetensors file is a brace, too.
    folder.write("config.json", b"{\"abc\": {\"x\": 1}}");
    folder.write("added.json", b"");
    folder.write("tokenizer.json", b"{}");
    folder.write(".gitattributes", b"hidden");
    std::fs::create_dir_all(folder.path().join("1_Pooling")).unwrap();
    std::fs::create_dir_all(folder.path().join(".git")).unwrap();
    folder.write("1_Pooling/config.json", b"{}");
    folder.write(".git/weights", &one("b"));
    let expected = ["weights", "+1_Pooling/config.json", "+added.json", "+config.json", "+tokenizer.json"];
    assert_eq!(names(&folder).unwrap(), expected);

    // The path of a file is that file alone, as ever.
    assert_eq!(formats::open_path(&folder.path().join("weights")).unwrap().len(), 1);
}

#[test]
fn shards_come_by_their_index_and_parts_by_their_names() {
    let folder = Folder::new("folder-shards");
    folder.write("model.safetensors.index.json", &index(&[("a", "z.safetensors"), ("b", "b.safetensors")]));
    folder.write("z.safetensors", &one("a"));
    folder.write("b.safetensors", &one("b"));
    folder.write("README.md", b"# x\n");
    let expected = ["model.safetensors.index.json", "b.safetensors", "z.safetensors", "+README.md"];
    assert_eq!(names(&folder).unwrap(), expected);
    // What the index does not name is a model of its own.
    folder.write("c.safetensors", &one("c"));
    refused(
        &folder,
        Kind::Unsupported,
        "has 2 models",
        "\"model.safetensors.index.json\", \"c.safetensors\".",
    );
}

#[test]
fn several_models_are_refused_by_name() {
    let folder = Folder::new("folder-several");
    folder.write("a.gguf", &plain().build());
    folder.write("b.gguf", &plain().build());
    folder.write("README.md", b"# both\n");
    refused(&folder, Kind::Unsupported, "has 2 models, not one", "\"a.gguf\", \"b.gguf\"");
    std::fs::remove_file(folder.path().join("b.gguf")).unwrap();
    assert_eq!(names(&folder).unwrap(), ["a.gguf", "+README.md"]);

    // A pickle of settings might be of torch's format; one that is, but has no tensor, is no model either. (Protocol 2: None.)
    folder.write("args.bin", b"\x80\x02N.");
    folder.write("empty", &file("{}", b""));
    assert_eq!(names(&folder).unwrap(), ["a.gguf", "+README.md", "+args.bin", "+empty"]);
}

#[test]
fn a_folder_without_weights_says_where_some_are() {
    let folder = Folder::new("folder-none");
    folder.write("model_index.json", b"{}");
    refused(&folder, Kind::Unsupported, "has no model", "");
    std::fs::create_dir(folder.path().join("unet")).unwrap();
    folder.write("unet/weights.safetensors", &one("a"));
    refused(&folder, Kind::Unsupported, "has no model", "\"unet/weights.safetensors\"");
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let folder = Folder::new("folder-links");
    folder.write("model.safetensors", &one("a"));
    let link = folder.path().join("config.json");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    refused(&folder, Kind::Malformed, "\"config.json\" is a link", "cp -rL");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    refused(&folder, Kind::Malformed, "\"config.json\" is a link", "cp -rL");
    std::fs::remove_file(&link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&link).status().unwrap().success());
    refused(&folder, Kind::Source, "not a regular file", "");
}

#[test]
fn companions_are_small_and_few() {
    let folder = Folder::new("folder-caps");
    folder.write("model.safetensors", &one("a"));
    let sparse = |name: &str, length: u64| {
        std::fs::File::create(folder.path().join(name)).unwrap().set_len(length).unwrap();
    };
    sparse("flax_model.msgpack", (64 << 20) + 1);
    refused(
        &folder,
        Kind::TooLarge,
        "\"flax_model.msgpack\" beside the weights has 67108865 bytes",
        "Move it out",
    );
    for number in 0..4 {
        sparse(&format!("m{number}"), 64 << 20);
    }
    sparse("flax_model.msgpack", 0);
    assert_eq!(names(&folder).unwrap().len(), 6);
    sparse("z", 1);
    refused(&folder, Kind::TooLarge, "up to \"z\", have 268435457 bytes", "Move it out");
    sparse("m0", 0);
    for number in 0..512 {
        sparse(&format!("n{number}"), 0);
    }
    refused(&folder, Kind::TooLarge, "files (at most 512 beside the weights)", "Move it out");
}

#[test]
fn the_report_reads_pickles_beside_the_weights() {
    let folder = Folder::new("folder-pickles");
    folder.write("model.safetensors", &one("a"));
    folder.write("config.json", b"{}");
    folder.write("README.md", b"# x\n");
    let report =
        |folder: &Folder| safety_report(&formats::open_path(folder.path()).unwrap(), &[], &mut || {});
    assert_eq!(report(&folder).verdict(), Verdict::Safe);
    folder.write("tokenizer.pkl", b"cos\nsystem\n.");
    folder.write("modeling_x.py", b"import os\n");
    folder.write("args", b"\x80\x02cposix\nsystem\n.");
    let found: Vec<_> = report(&folder).findings.into_iter().map(|found| (found.place, found.what)).collect();
    let found: Vec<_> = found.iter().map(|(place, what)| (place.as_str(), what.as_str())).collect();
    assert_eq!(
        found,
        [
            ("tokenizer.pkl, byte 0", "os.system"),
            ("args, byte 2", "posix.system"),
            ("modeling_x.py", "Python source")
        ]
    );
}

#[test]
fn readers_do_not_see_companions() {
    let source = |bytes: &'static [u8]| Box::new(bytes) as Box<dyn atomizer_core::source::Source>;
    let weights: &'static [u8] = Vec::leak(file("{}", b""));
    let files = FileSet::from_roles([
        ("model.safetensors".to_owned(), FileRole::Weights, source(weights)),
        ("x.index.json".to_owned(), FileRole::Companion, source(b"no index")),
    ]);
    assert!(formats::parse(&files, None, Detail::Summary).unwrap().tensors.is_empty());
}
