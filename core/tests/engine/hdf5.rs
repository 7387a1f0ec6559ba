//! HDF5 and `.keras` beyond their tensors: metadata, what is left out, hostile and damaged files, and
//! what opening and reading may cost.

use crate::common::processor_time::ProcessorTime;
use crate::common::{Kind, assert_refused, assert_sane, fits_a_log, manifest, open, peak};
use crate::{root, testdata};
use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use atomizer_core::metadata::{Value, to_json};
use atomizer_core::model::Model;
use atomizer_core::source::{Source, SourceError};
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

fn folder() -> PathBuf {
    testdata("hdf5")
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// Names of all goldens.
fn goldens() -> Vec<String> {
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".h5") || name.ends_with(".keras"));
    names.sort();
    names
}

fn value<'m>(model: &'m Model, key: &str) -> &'m Value {
    &model.metadata.iter().find(|(name, _)| name == key).unwrap_or_else(|| panic!("no {key}")).1
}

fn text(model: &Model, key: &str) -> String {
    match value(model, key) {
        Value::Text(text) => text.clone(),
        other => panic!("{key} is {other:?}"),
    }
}

#[test]
fn attributes_of_all_types() {
    for name in ["types-earliest.h5", "types-latest.h5"] {
        let model = open(&golden(name), Detail::Full).unwrap();
        assert_eq!(text(&model, "keras_version"), "2.15.0");
        assert_eq!(text(&model, "backend"), "tensorflow");
        assert_eq!(*value(&model, "number"), Value::Int(-7));
        assert_eq!(*value(&model, "yes"), Value::F32(1.0));
        let json: serde_json::Value = serde_json::from_str(&to_json(&model.metadata)).unwrap();
        assert_eq!(json["fixed"], serde_json::json!(["a", "bc", "def"]));
        assert_eq!(json["big_endian"], serde_json::json!([1.5, -2.5]));
        assert_eq!(json["layer_names"][19], "layer_19");
        assert!(json.get("nothing").is_none());
        // A summary shows the first elements of a long list.
        let model = open(&golden(name), Detail::Summary).unwrap();
        let Value::Array(names) = value(&model, "layer_names") else { panic!() };
        assert_eq!((names.count, names.head.len()), (20, 4));
    }
}

#[test]
fn attributes_in_a_heap() {
    for name in ["many-links-earliest.h5", "many-links-latest.h5", "many-links-v110.h5"] {
        let model = open(&golden(name), Detail::Full).unwrap();
        assert_eq!(text(&model, "attribute_11"), "value 11");
        assert_eq!(text(&model, "huge"), "h".repeat(5000));
        assert_eq!(text(&model, "keras_version"), "3.0.0");
    }
}

#[test]
fn what_is_no_tensor_is_told() {
    for name in ["types-earliest.h5", "types-latest.h5"] {
        let model = open(&golden(name), Detail::Full).unwrap();
        let Value::Array(notes) = value(&model, "unlisted_tensors") else { panic!() };
        let notes: Vec<String> = notes.head.iter().map(|note| format!("{note:?}")).collect();
        for words in [
            "other/null: a dataset without an element",
            "other/fixed_text: a dataset of text",
            "other/text: a dataset of text",
            "other/compound: a dataset of compound values of 12 bytes",
            "other/not_complex: a dataset of compound values of 8 bytes",
            "other/opaque: a dataset of opaque values of 2 bytes",
            "other/sequences: a dataset of sequences of any length",
            "other/arrays: a dataset of arrays of 12 bytes",
            "other/references: a dataset of references of 8 bytes",
            "links/soft: a soft link to \\\"/scalar\\\"",
            "links/dangling: a soft link to \\\"/nowhere\\\"",
            "links/external: a link to another file, which is never opened",
            "links/hard_group/le_f4: another link to \\\"links/hard\\\"",
            "types: another link to \\\"links/hard_group\\\"",
            "a_named_type: a data type",
        ] {
            assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:#?}");
        }
    }
}

#[test]
fn archives_are_described_and_not_run() {
    for name in ["stored.keras", "deflated.keras"] {
        let bytes = golden(name);
        let model = open(&bytes, Detail::Full).unwrap();
        assert_sane(&model, bytes.len());
        assert_eq!(text(&model, "keras.class_name"), "Sequential");
        assert_eq!(text(&model, "keras.name"), "tiny");
        assert_eq!(*value(&model, "keras.layers"), Value::Uint(2));
        assert_eq!(text(&model, "keras_version"), "3.15.1");
        assert_eq!(text(&model, "date_saved"), "2026-11-25@00:00:00");
        // Contiguous values of a stored entry stand in the archive as they are.
        let plain = model.tensors.iter().filter(|tensor| tensor.lazy.is_none()).count();
        assert_eq!(plain, if name == "stored.keras" { 2 } else { 0 });
    }
}

#[test]
fn rows_in_one_piece_are_plain() {
    for name in ["chunks-earliest.h5", "chunks-latest.h5"] {
        let model = open(&golden(name), Detail::Full).unwrap();
        let is_plain = |name: &str| {
            let tensor = model.tensors.iter().find(|tensor| tensor.name == name).unwrap();
            tensor.lazy.is_none()
        };
        assert!(is_plain("one/plain"));
        assert!(!is_plain("one/gzip") && !is_plain("fixed/plain") && !is_plain("fixed/big_endian_rows"));
    }
}

#[test]
fn any_range_can_be_read() {
    for name in goldens() {
        let bytes = golden(&name);
        let file = &&bytes[..];
        let model = open(&bytes, Detail::Summary).unwrap();
        for tensor in model.tensors.iter().filter(|tensor| tensor.byte_length < 2000) {
            let whole = manifest::bytes(tensor, file, usize::MAX).unwrap();
            assert_eq!(manifest::bytes(tensor, file, 7).unwrap(), whole, "{name} {}", tensor.name);
            let source = tensor.open(file).unwrap();
            // From back to front, across rows of chunks and elements.
            for from in (0..whole.len()).rev().step_by(13) {
                let n = (whole.len() - from).min(29);
                let mut some = vec![0; n];
                source.read_at(from as u64, &mut some).unwrap();
                assert_eq!(some, whole[from..from + n], "{name} {} from {from}", tensor.name);
            }
            assert!(source.read_at(source.len(), &mut [0]).is_err());
        }
    }
}

/// What opening may hold besides the file's own length.
const ALLOWANCE: usize = 4 << 20;

/// Opens a file that may be anything, and reads all of its tensors. Gives the names, shapes and types,
/// or `None` when it was refused.
#[track_caller]
fn survives(bytes: &[u8]) -> Option<Vec<String>> {
    let start = ProcessorTime::start();
    let (result, peak) = peak::measure(|| open(bytes, Detail::Full));
    assert!(peak <= 4 * bytes.len() + ALLOWANCE, "{} bytes cost {peak}", bytes.len());
    let found = match result {
        Ok(model) => {
            assert_sane(&model, bytes.len());
            // Bytes in chunks of one, as some goldens have them, take a while.
            for tensor in model.tensors.iter().filter(|tensor| tensor.byte_length < 100_000) {
                let mut buffer = vec![0; tensor.byte_length as usize];
                let (read, peak) = peak::measure(|| {
                    let source = tensor.open(&bytes)?;
                    source.read_at(0, &mut buffer)
                });
                assert!(
                    peak <= 2 * bytes.len() + 3 * buffer.len() + ALLOWANCE,
                    "{} cost {peak}",
                    tensor.name
                );
                if let Err(error) = read {
                    assert!(matches!(error, SourceError::Malformed(_)), "{error:?}");
                    assert!(fits_a_log(&error.to_string()));
                }
            }
            let describe = |tensor: &atomizer_core::model::Tensor| {
                format!("{} {:?} {}", tensor.name, tensor.shape, tensor.dtype.name())
            };
            Some(model.tensors.iter().map(describe).collect())
        }
        Err(error) => {
            assert!(fits_a_log(&error.to_string()), "{error:?}");
            None
        }
    };
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    found
}

#[test]
fn every_truncation_is_refused() {
    for name in goldens() {
        let bytes = golden(&name);
        // All lengths of short files, and a sample of the long ones'.
        let step = bytes.len() / 1000 + 1;
        for length in (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(200)..bytes.len()) {
            assert!(survives(&bytes[..length]).is_none(), "{name}: {length} of {}", bytes.len());
        }
    }
}

#[test]
fn every_byte_may_be_another() {
    for name in goldens() {
        let mut bytes = golden(&name);
        // Since version 1.8 of the library, all structures but the global heap have checksums. There the
        // text stands that makes opaque values weights.
        let checked = |mut found: Vec<String>| {
            found.retain(|line| !line.contains("opaque_bf16"));
            found
        };
        let whole = checked(survives(&bytes).unwrap());
        let has_checksums = ["latest", "v110", "deep", "far"].iter().any(|word| name.contains(word));
        let step = bytes.len() / 600 + 1;
        for position in (0..bytes.len()).step_by(step) {
            let old = bytes[position];
            for new in [old ^ 1, old ^ 0x80, 0xff, 0] {
                bytes[position] = new;
                let found = survives(&bytes);
                if has_checksums && let Some(found) = found {
                    assert!(checked(found) == whole, "{name}: byte {position} is {new} instead of {old}");
                }
            }
            bytes[position] = old;
        }
    }
}

#[test]
fn every_number_may_be_a_large_one() {
    // The old structures have no checksums: any number in them is believed until it is contradicted.
    for name in ["narrow.h5", "types-earliest.h5", "chunks-earliest.h5", "stored.keras"] {
        let original = golden(name);
        let mut bytes = original.clone();
        bytes.resize(original.len() + (1 << 20), 0);
        let step = original.len() / 500 + 1;
        for position in (8..original.len() - 8).step_by(step) {
            for (width, number) in
                [(2, 0xffff), (4, 1 << 20), (4, u32::MAX.into()), (8, 1 << 33), (8, u64::MAX - 7)]
            {
                bytes[position..position + width].copy_from_slice(&u64::to_le_bytes(number)[..width]);
                let _ = survives(&bytes);
                bytes[position..position + width].copy_from_slice(&original[position..position + width]);
            }
        }
    }
}

/// A hostile file of the shared folder; says so when it is absent.
fn hostile(name: &str) -> Option<Vec<u8>> {
    let path = root().join("../shared/hostile").join(name);
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        println!("skipped: {name} is absent");
    }
    bytes
}

#[test]
fn hostile_files_are_refused_for_what_they_are() {
    for (name, kind, words) in [
        ("h5/btree_cycle.h5", Kind::Malformed, "the file has a loop"),
        ("h5/snod_cycle.h5", Kind::Malformed, "the file has a loop"),
        ("h5/ohdr_msg_size.h5", Kind::Malformed, "65535 bytes"),
        ("h5/ohdr_cont_self.h5", Kind::Malformed, "the file has a loop"),
        ("h5/external_storage.h5", Kind::Unsupported, "in other files"),
        ("h5/virtual_dataset.h5", Kind::Unsupported, "in other files"),
        ("h5/shape_bomb.h5", Kind::TooLarge, "takes more than 268435456 bytes"),
        ("keras/weights_external.keras", Kind::Unsupported, "in other files"),
    ] {
        if let Some(bytes) = hostile(name) {
            assert_refused(open(&bytes, Detail::Full), kind, words);
        }
    }
}

#[test]
fn values_that_are_not_stored_have_a_limit() {
    let bytes = golden("not-stored.hdf5");
    assert!(bytes.len() < 2000);
    assert_refused(
        open(&bytes, Detail::Full),
        Kind::TooLarge,
        "4398046511104 bytes of dataset \"w\" are not stored",
    );
}

#[test]
fn hostile_files_that_hold_tensors_are_data() {
    for (name, tensors) in [
        ("h5/00_control_valid.h5", 1),
        ("h5/00_control_latest.h5", 1),
        ("h5/heap_free_list.h5", 1),
        ("h5/external_link.h5", 0),
        ("h5/hard_link_cycle.h5", 0),
        ("keras/00_control_valid.keras", 1),
        ("keras/lambda.keras", 1),
        ("keras/module_import.keras", 1),
        ("keras/config_bomb.keras", 1),
    ] {
        if let Some(bytes) = hostile(name) {
            let found =
                survives(&bytes).unwrap_or_else(|| panic!("{name}: {:?}", open(&bytes, Detail::Full)));
            assert_eq!(found.len(), tensors, "{name}");
        }
    }
}

#[test]
fn a_bomb_takes_its_chunk_and_no_more() {
    let Some(bytes) = hostile("h5/gzip_bomb.h5") else {
        return;
    };
    let (model, peak) = peak::measure(|| open(&bytes, Detail::Full).unwrap());
    assert!(peak < 1 << 20, "{peak}");
    let tensor = &model.tensors[0];
    assert_eq!(tensor.byte_length, 64 << 20);
    let mut end = [1; 4];
    let file = &bytes[..];
    let ((), peak) = peak::measure(|| tensor.open(&file).unwrap().read_at((64 << 20) - 4, &mut end).unwrap());
    assert_eq!(end, [0; 4]);
    assert!(peak < 65 << 20, "{peak}");
}

/// A file that counts what is read of it.
struct Counted {
    bytes: Vec<u8>,
    read: Rc<Cell<u64>>,
}

impl Source for Counted {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.read.set(self.read.get() + buf.len() as u64);
        (&self.bytes[..]).read_at(offset, buf)
    }
}

#[test]
fn opening_reads_structures_and_no_values() -> Result<(), ParseError> {
    // A golden with 64 MB behind it, as if its values were that large.
    for name in ["types-latest.h5", "chunks-latest.h5", "stored.keras"] {
        let mut bytes = golden(name);
        let length = bytes.len() as u64;
        if name.ends_with(".h5") {
            bytes.resize(bytes.len() + (64 << 20), 0);
        }
        let read = Rc::new(Cell::new(0));
        let source = Counted { bytes, read: read.clone() };
        formats::parse(&FileSet::single("model", Box::new(source)), None, Detail::Full)?;
        assert!(read.get() < 2 * length + (128 << 10), "{name}: {} of {length}", read.get());
    }
    Ok(())
}
