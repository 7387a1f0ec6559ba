//! The malformed and malicious files of `../shared/hostile`, which are not part of the repository:
//! every one is refused or accepted as its manifest says, and none is trusted.

use crate::common::{Kind, assert_sane, fits_a_log, kind};
use crate::root;
use atomizer_core::formats::{self, Detail, ParseError};
use atomizer_core::metadata::Value;
use atomizer_core::model::Model;
use std::path::{Path, PathBuf};

/// Where the files lie; says so when they are absent.
fn folder() -> Option<PathBuf> {
    let folder = root().join("../shared/hostile");
    if folder.join("manifest.json").exists() {
        return Some(folder);
    }
    println!("SKIPPED: {} is absent", folder.display());
    None
}

fn open(path: &Path, detail: Detail) -> Result<Model, ParseError> {
    formats::parse(&formats::open_path(path)?, None, detail)
}

/// "reject or default 32" leaves it open, as "bounded" does; a plain "reject" does not.
fn may_accept(expect: &str) -> bool {
    !expect.starts_with("reject") || expect.contains(" or ")
}

/// A plain "accept" is a duty.
fn may_refuse(expect: &str) -> bool {
    !expect.starts_with("accept") || expect.contains("reject")
}

#[derive(serde::Deserialize)]
struct Entry {
    name: String,
    format: String,
    wrong: String,
    expect: String,
}

#[test]
fn every_file_is_treated_as_its_manifest_says() {
    let Some(folder) = folder() else {
        return;
    };
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let entries: Vec<Entry> = serde_json::from_slice(&manifest).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for entry in &entries {
        let path = folder.join(&entry.name);
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        let ours = matches!(
            entry.format.as_str(),
            "gguf"
                | "safetensors"
                | "onnx"
                | "tensorflow"
                | "tensorflow GraphDef"
                | "hdf5"
                | "keras"
                | "torch"
        );
        for detail in [Detail::Summary, Detail::Full] {
            let what = format!("{} ({}): {}", entry.name, entry.wrong, entry.expect);
            match open(&path, detail) {
                Ok(model) => {
                    assert!(ours && may_accept(&entry.expect), "accepted {what}");
                    assert_sane(&model, length);
                    accepted += 1;
                }
                Err(error) => {
                    assert!(fits_a_log(&error.to_string()), "{what}: {error}");
                    if ours {
                        assert!(may_refuse(&entry.expect), "refused {what}: {error}");
                        let kind = kind(&error);
                        let expected = match entry.name.as_str() {
                            // The folder has no file "w16.bin": tests/onnx.rs opens the first with it.
                            "onnx/ext_unknown_key.onnx" | "onnx/link/ext_symlink.onnx" => {
                                kind == Kind::Source
                            }
                            "tf/splat_bomb.pb" => kind == Kind::TooLarge,
                            // Some are malformed, some too large, some ask for what is not supported.
                            _ if matches!(entry.format.as_str(), "hdf5" | "keras" | "torch") => {
                                kind != Kind::Source
                            }
                            _ => kind == Kind::Malformed,
                        };
                        assert!(expected, "{what}: {error} ({kind:?})");
                    } else {
                        assert_ne!(kind(&error), Kind::Source, "{what}: {error}");
                    }
                    refused += 1;
                }
            }
        }
    }
    println!("{} files: {accepted} times accepted, {refused} times refused", entries.len());
    assert!(accepted > 0 && refused > 0);
    // A pickle that ran would have made this.
    assert!(!std::env::temp_dir().join("models_hostile_canary").exists());
}

#[test]
fn metadata_is_kept_and_not_believed() {
    let Some(folder) = folder() else {
        return;
    };
    let values = |name: &str, key: &str| -> (Model, Value) {
        let model = open(&folder.join("gguf").join(name), Detail::Full).unwrap();
        let value = model.metadata.iter().find(|(name, _)| name == key).unwrap().1.clone();
        (model, value)
    };
    // Scores are floats by convention; the file says bytes, and so do we.
    let (_, scores) = values("scores_wrong_type.gguf", "tokenizer.ggml.scores");
    assert!(matches!(scores, Value::Array(array) if array.element == "uint8" && array.count == 3));
    // Nothing is computed from a block count.
    let (model, count) = values("block_count_lie.gguf", "llama.block_count");
    assert_eq!(count, Value::Uint(u32::MAX.into()));
    assert_eq!(model.parameter_count(), 64);
    // A template stays the text that it is.
    let (_, template) = values("jinja_template.gguf", "tokenizer.chat_template");
    assert!(matches!(template, Value::Text(text) if text.contains("{{") || text.contains("{%")));
}
