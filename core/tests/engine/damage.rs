//! Damaged files: cut short, changed byte by byte, filled with lies about lengths. None makes a
//! parser panic, or allocate more than the file is worth.

use crate::common::{assert_sane, fits_a_log, gguf, open, peak, read_all, safetensors};
use crate::testdata;
use atomizer_core::formats::{Detail, ParseError};
use atomizer_core::model::Model;
use proptest::prelude::*;

/// What opening may allocate besides the file's own length.
const ALLOWANCE: usize = 4 << 20;

/// Opens bytes that may be anything: the answer is a sane model or a tidy message, at a fair price.
#[track_caller]
fn survives(bytes: &[u8], detail: Detail) -> Result<Model, ParseError> {
    let (result, peak) = peak::measure(|| open(bytes, detail));
    assert!(peak <= bytes.len() + ALLOWANCE, "{} bytes cost {peak}", bytes.len());
    match &result {
        Ok(model) => assert_sane(model, bytes.len()),
        Err(error) => assert!(fits_a_log(&error.to_string()), "{error:?}"),
    }
    result
}

/// A rich file of each format, and where its header ends.
fn files() -> [(usize, Vec<u8>); 2] {
    let gguf = gguf::rich();
    [(gguf.header().len(), gguf.build()), safetensors::rich()]
}

#[test]
fn the_whole_files_are_accepted() {
    for (_, bytes) in files() {
        assert!(survives(&bytes, Detail::Full).unwrap().tensors.len() > 3);
    }
}

#[test]
fn every_truncation_is_refused() {
    for (_, bytes) in files() {
        for length in 0..bytes.len() {
            for detail in [Detail::Summary, Detail::Full] {
                let result = survives(&bytes[..length], detail);
                assert!(result.is_err(), "{length} of {} bytes", bytes.len());
            }
        }
    }
}

#[test]
fn every_byte_of_a_header_may_be_another() {
    for (header, bytes) in files() {
        let mut damaged = bytes.clone();
        for offset in 0..header {
            let old = bytes[offset];
            let near = [old ^ 1, old ^ 0x20, old.wrapping_add(1)];
            for value in [0, 1, 9, 0x7f, 0x80, 0xff, b'"', b'{'].into_iter().chain(near) {
                damaged[offset] = value;
                for detail in [Detail::Summary, Detail::Full] {
                    let _ = survives(&damaged, detail);
                }
            }
            damaged[offset] = old;
        }
    }
}

#[test]
fn every_number_of_a_gguf_may_be_a_large_one() {
    // Sizes that an allocation would be granted, over a file with room for some of them.
    let header = gguf::rich().header();
    let mut bytes = header.clone();
    bytes.resize(2 << 20, 0);
    for length in [1u64 << 20, 1 << 24, 1 << 28, 1 << 31, 1 << 33, 1 << 63, u64::MAX] {
        for (offset, width) in (4..header.len() - 8).flat_map(|offset| [(offset, 4), (offset, 8)]) {
            bytes[offset..offset + width].copy_from_slice(&length.to_le_bytes()[..width]);
            let _ = survives(&bytes, Detail::Summary);
            bytes[offset..offset + width].copy_from_slice(&header[offset..offset + width]);
        }
    }
}

#[test]
fn every_number_of_a_safetensors_may_be_another() {
    let (header, bytes) = safetensors::rich();
    let text = std::str::from_utf8(&bytes[8..header]).unwrap();
    for (offset, _) in text.match_indices(|c: char| c.is_ascii_digit()) {
        for number in ["4294967296", "9223372036854775808", "18446744073709551615", "1e9", "-1", "0.5"] {
            let text = [&text[..offset], number, &text[offset + 1..]].concat();
            let _ = survives(&safetensors::file(text, &bytes[header..]), Detail::Full);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_damage_is_survived(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (header, mut bytes) in files() {
            for (offset, value) in &damage {
                bytes[offset.index(header)] = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let result = survives(&bytes, Detail::Full);
            prop_assert!(cut.is_none() || result.is_err() || bytes.len() > header);
        }
    }

    /// A small file with bytes changed, removed or added is refused, or it is sound and can be read.
    #[test]
    fn any_damage_of_graphs_and_checkpoints(
        name in prop::sample::select(vec!["small-all.onnx", "small-all.pb", "small-keras.index"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut file = std::fs::read(testdata("models").join(name)).unwrap();
        for (offset, byte, how) in changes {
            let offset = offset.index(file.len());
            match how {
                0 => { file.remove(offset); }
                1 => file.insert(offset, byte),
                _ => file[offset] = byte,
            }
        }
        if let Ok(model) = survives(&file, Detail::Full) {
            read_all(&model, &&file[..]);
        }
    }
}
