//! The caps of the parsers: each holds before memory or time is spent on what lies above it.

use crate::common::gguf::{Gguf, array_of, plain, string, text, val, with_key};
use crate::common::processor_time::ProcessorTime;
use crate::common::safetensors::{self, file, with};
use crate::common::{Kind, assert_refused, open, open_files, peak};
use atomizer_core::formats::{self, Detail};
use atomizer_core::metadata::{MAX_JSON_BYTES, to_json};
use atomizer_core::source::{Source, SourceError};

/// A terabyte of zeros behind some bytes.
struct Zeros(Vec<u8>);

impl Source for Zeros {
    fn len(&self) -> u64 {
        1 << 40
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        for (byte, position) in buf.iter_mut().zip(offset as usize..) {
            *byte = self.0.get(position).copied().unwrap_or(0);
        }
        Ok(())
    }
}

/// Asserts that a terabyte that starts with `bytes` is too large, and that this costs nothing.
#[track_caller]
fn too_large(bytes: Vec<u8>, words: &str) {
    let files = formats::FileSet::single("model", Box::new(Zeros(bytes)));
    let (result, peak) = peak::measure(|| formats::parse(&files, None, Detail::Full));
    assert_refused(result, Kind::TooLarge, words);
    assert!(peak < 1 << 20, "{peak}");
}

#[test]
fn the_header_of_a_safetensors() {
    for length in [100_000_001u64, 1 << 39] {
        too_large([&length.to_le_bytes()[..], b"{"].concat(), "at most 100000000");
    }
}

#[test]
fn the_tensors_of_a_gguf() {
    for count in [4_000_000, 1 << 35] {
        let lie = Gguf { claimed_tensors: Some(count), ..Gguf::new() };
        too_large(lie.header(), &format!("{count} tensors"));
    }
}

#[test]
fn a_text_of_a_gguf() {
    for length in [(64u64 << 20) + 1, 1 << 39] {
        let mut header = Gguf::new().key("k", val(8, length.to_le_bytes())).header();
        too_large(header.clone(), "at most 67108864");
        // The same as an element of an array.
        header = Gguf::new().key("k", array_of(8, 1, &length.to_le_bytes())).header();
        too_large(header, "at most 67108864");
    }
}

#[test]
fn the_names_of_a_gguf() {
    let name = |length| plain().key("k".repeat(length), val(0, [1])).build();
    assert_eq!(open(&name(65_535), Detail::Summary).unwrap().metadata[0].0.len(), 65_535);
    crate::common::malformed(&name(65_536), "at most 65535");
}

#[test]
fn a_summary_does_not_keep_long_arrays() {
    let words = string("word").repeat(1_000_000);
    for value in [
        array_of(8, 1_000_000, &words),
        array_of(0, 8 << 20, &vec![1; 8 << 20]),
        array_of(9, 700_000, &array_of(0, 0, &[]).bytes.repeat(700_000)),
    ] {
        let file = with_key(value);
        let (model, peak) = peak::measure(|| open(&file, Detail::Summary));
        assert_eq!(model.unwrap().metadata.len(), 1);
        assert!(peak < 1 << 20, "{peak}");
    }
}

#[test]
fn metadata_is_refused_before_it_is_larger_than_jsonb() {
    // In memory an element is some dozens of bytes; as JSON, a control character is six.
    let numbers = with_key(array_of(0, 20 << 20, &vec![1; 20 << 20]));
    let texts = |count: usize, byte: u8, length: usize| {
        (0..count).fold(plain(), |file, i| file.key(format!("k{i}"), text(vec![byte; length]))).build()
    };
    for (file, detail) in [
        (numbers, Detail::Full),
        (texts(2, 1, 20 << 20), Detail::Summary),
        (texts(8, b'x', 30 << 20), Detail::Summary),
    ] {
        let (result, peak) = peak::measure(|| open(&file, detail));
        assert_refused(result, Kind::TooLarge, "one jsonb");
        assert!(peak < 700 << 20, "{peak}");
    }
    let model = open(&texts(1, 1, 20 << 20), Detail::Summary).unwrap();
    assert!((120 << 20..MAX_JSON_BYTES).contains(&to_json(&model.metadata).len()));
}

#[test]
fn the_metadata_of_all_shards_fit_one_jsonb() {
    let text = "x".repeat(80_000_000);
    let shard = |key: &str| file(format!(r#"{{"__metadata__":{{"{key}":"{text}"}}}}"#), &[]);
    let (a, b, c) = (shard("a"), shard("b"), shard("c"));
    let two = open_files(&[("a", &a), ("b", &b)]).unwrap();
    assert!(to_json(&two.metadata).len() < MAX_JSON_BYTES);
    assert_refused(open_files(&[("a", &a), ("b", &b), ("c", &c)]), Kind::TooLarge, "one jsonb");
}

/// A header of so many pairs of metadata.
fn many_pairs(prefix: &str, count: usize) -> Vec<u8> {
    let pairs: Vec<String> = (0..count).map(|i| format!(r#""{prefix}{i}":"""#)).collect();
    file(format!(r#"{{"__metadata__":{{{}}}}}"#, pairs.join(",")), &[])
}

#[test]
fn many_names_take_no_longer_each() {
    // 4 s of a core that does nothing else; 300,000 names compared with each other would take many minutes.
    let start = ProcessorTime::start();
    let count = 300_000;
    let metadata = many_pairs("k", count);
    assert_eq!(open(&metadata, Detail::Full).unwrap().metadata.len(), count);
    let tensors: Vec<String> =
        (0..count as u64).map(|i| safetensors::entry(&format!("t{i}"), "U8", "[1]", i, i + 1)).collect();
    assert_eq!(open(&with(&tensors, count), Detail::Full).unwrap().tensors.len(), count);
    let (a, b) = (many_pairs("a", count), many_pairs("b", count));
    let shards = [("a", &a[..]), ("b", &b[..])];
    assert_eq!(open_files(&shards).unwrap().metadata.len(), 2 * count);
    assert!(start.elapsed().as_secs() < 90, "{:?}", start.elapsed());
}
