//! NumPy's files: headers, orders, archives, and damaged ones. Files of the official writer are
//! compared in `manifests.rs`.

use crate::common::zip::{archive, deflated, stored};
use crate::common::{Kind, accepted, assert_refused, bytes_of, malformed, open, survives_damage};
use crate::testdata;
use atomizer_core::formats::Detail;
use atomizer_core::formats::safety::{Verdict, safety_report};
use atomizer_core::metadata::to_json;
use atomizer_core::model::Format;
use proptest::prelude::*;

fn array(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let length = header.len();
    let length = if version == 1 {
        (length as u16).to_le_bytes().to_vec()
    } else {
        (length as u32).to_le_bytes().to_vec()
    };
    [b"\x93NUMPY", &[version, 0][..], &length, header.as_bytes(), data].concat()
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}   \n")
}

#[test]
fn single_arrays() {
    let data: Vec<u8> = (0..24).collect();
    for version in 1..=3 {
        let file = array(version, &header("<f4", false, "(2, 3)"), &data);
        let model = accepted(&file);
        assert_eq!((model.format, model.tensors[0].name.as_str()), (Format::NumPy, "array"));
        assert_eq!(model.tensors[0].shape, [2, 3]);
        assert!(model.tensors[0].lazy.is_none());
        assert_eq!(bytes_of(&model, "array", &file), data);
    }
    // Python 2 wrote long integers; spaces and double quotes are Python's too.
    for shape in ["(2L, 3L)", "( 2 ,3 )", "[2]", "(2)", "2"] {
        let result = open(&array(1, &header("<f4", false, shape), &data), Detail::Full);
        assert_eq!(result.is_ok(), shape.contains(','), "{shape}");
    }
    let quotes = r#"{"shape":(6,),"descr":"<f4","fortran_order":False}"#;
    assert_eq!(accepted(&array(1, quotes, &data)).tensors[0].shape, [6]);
    let transposed = array(1, &header(">i2", true, "(3, 4)"), &data);
    let expected: Vec<u8> =
        (0..3u8).flat_map(|r| (0..4u8).flat_map(move |c| [2 * (c * 3 + r) + 1, 2 * (c * 3 + r)])).collect();
    assert_eq!(bytes_of(&accepted(&transposed), "array", &transposed), expected);
}

#[test]
fn bad_headers_are_refused() {
    let data = [0; 24];
    for (text, words) in [
        ("", "it ends early"),
        ("{", "a key is not text"),
        ("{}", "lacks descr"),
        ("()", "not a dictionary"),
        ("{'descr': '<f4', 'fortran_order': False}", "lacks descr"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "\"-\" starts no literal"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "is too large"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}", "2^63 weights"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}", "does not fit the 24 bytes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': ('a',)}", "its shape"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", "\"fortran_order\""),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "there twice"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "its entry \"x\""),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + 1", "follows it"),
        ("{'descr': __import__('os').system('true'), 'shape': (2,)}", "starts no literal"),
        ("{'descr': '<f4' 'fortran_order': False}", "a comma is missing"),
        ("{'descr' '<f4'}", "has no value"),
        ("{'descr': '<f\\4'}", "an escape"),
    ] {
        malformed(&array(1, text, &data), words);
    }
    malformed(&array(1, &format!("{{'shape': {}", "(".repeat(5000)), &data), "nested deeper");
    let many = format!("({})", "1,".repeat(65));
    malformed(&array(1, &header("<f4", false, &many), &data), "its shape");
    let mut long = array(2, &header("<f4", false, "(6,)"), &data);
    long[8..12].copy_from_slice(&(70_000u32).to_le_bytes());
    assert_refused(open(&long, Detail::Full), Kind::TooLarge, "header has 70000 bytes");
    long[8..12].copy_from_slice(&(60_000u32).to_le_bytes());
    malformed(&long, "header has 60000 bytes");
    assert_refused(open(&array(4, "{}", &data), Detail::Full), Kind::Unsupported, "version 4");
}

#[test]
fn what_is_no_array_of_numbers_is_named() {
    let number = array(1, &header("<f4", false, "(1,)"), &[0; 4]);
    let record =
        "{'descr': [('a', '<f4'), ('b', [('c', '<i2', (2,))])], 'fortran_order': False, 'shape': (1,)}";
    let file = archive(&[
        stored("good.npy", &number),
        stored("objects.npy", &array(1, &header("|O", false, "(1,)"), b"\x80\x02N.")),
        stored("record.npy", &array(1, record, &[0; 8])),
        stored("text.npy", &array(1, &header("<U5", false, "(1,)"), &[0; 20])),
        stored("readme.txt", b"not read"),
    ]);
    let model = accepted(&file);
    assert_eq!(model.tensors.len(), 1);
    let json = to_json(&model.metadata);
    for words in
        ["objects: an array of Python objects", "record: of the type record", "text: of the type <U5"]
    {
        assert!(json.contains(words), "{json}");
    }
    let broken = archive(&[stored("good.npy", &number), stored("bad.npy", b"\x93NUMPY")]);
    assert_refused(open(&broken, Detail::Full), Kind::Malformed, "entry \"bad.npy\"");
    let none = archive(&[stored(".npy", b"nothing")]);
    assert_refused(open(&none, Detail::Full), Kind::Malformed, "no array");
}

/// `numpy.load` takes an entry for an array by its content.
#[test]
fn entries_need_no_suffix() {
    let array_of = |number: u8| array(1, &header("|u1", false, "(1,)"), &[number]);
    let file = archive(&[
        stored("w.npy", &array_of(1)),
        stored("plain", &array_of(2)),
        stored("both.npy", &array_of(3)),
        stored("both", &array_of(4)),
        stored("old.npy.bak", &array_of(5)),
        stored("objects", &array(1, &header("|O", false, "(1,)"), b"\x80\x02N.")),
        stored("readme", b"no"),
    ]);
    let model = accepted(&file);
    let names: Vec<&str> = model.tensors.iter().map(|tensor| &tensor.name[..]).collect();
    assert_eq!(names, ["w", "plain", "both.npy", "both", "old.npy.bak"]);
    assert_eq!(model.unlisted().0, 1);
}

#[test]
fn a_file_of_the_official_writer_holds_a_pickle() {
    let path = testdata("models/numpy.npz");
    let report = safety_report(&atomizer_core::formats::open_path(&path).unwrap(), &[], &mut || {});
    assert_eq!(report.verdict(), Verdict::Safe, "{report:?}");
    assert!(report.findings.iter().any(|found| found.what.contains("multiarray")));
}

#[test]
fn damage_is_survived() {
    let big = array(1, &header(">f4", true, "(2, 3)"), &[7; 24]);
    survives_damage(&array(1, &header("<f4", false, "(2, 3)"), &[7; 24]), true);
    survives_damage(&big, true);
    survives_damage(&archive(&[stored("a.npy", &big), deflated("b.npy", &big)]), true);
}

proptest! {
    #[test]
    fn any_header_is_survived(text in "[\\{\\}\\(\\)\\[\\]',:0-9 a-zA-Z<>|\"\\\\]{0,80}") {
        let _ = open(&array(1, &text, &[0; 8]), Detail::Full);
    }
}
