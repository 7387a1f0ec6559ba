//! safetensors headers and indexes of shards: what is accepted is read exactly, what the format
//! forbids is refused, and nothing in a file makes the parser panic or allocate without measure.

mod common;

use atomizer_core::formats::{self, Detail, ParseError};
use atomizer_core::metadata::{MAX_JSON_BYTES, Value, to_json};
use atomizer_core::model::{Format, Model};
use common::safetensors::{entry, file, header, index, one};
use common::{Kind, accepted, assert_refused, assert_sane, malformed, open, open_files, peak};
use proptest::prelude::*;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: peak::Counting = peak::Counting;

/// What opening may allocate besides the file's own length.
const ALLOWANCE: usize = 4 << 20;

/// Every type, with weights and bytes of the smallest number of them that fills whole bytes.
const DTYPES: [(&str, u64, u64); 22] = [
    ("BOOL", 1, 1),
    ("F4", 2, 1),
    ("F6_E2M3", 4, 3),
    ("F6_E3M2", 4, 3),
    ("U8", 1, 1),
    ("I8", 1, 1),
    ("F8_E5M2", 1, 1),
    ("F8_E4M3", 1, 1),
    ("F8_E8M0", 1, 1),
    ("F8_E4M3FNUZ", 1, 1),
    ("F8_E5M2FNUZ", 1, 1),
    ("I16", 1, 2),
    ("U16", 1, 2),
    ("F16", 1, 2),
    ("BF16", 1, 2),
    ("I32", 1, 4),
    ("U32", 1, 4),
    ("F32", 1, 4),
    ("C64", 1, 8),
    ("F64", 1, 8),
    ("I64", 1, 8),
    ("U64", 1, 8),
];

/// A file whose only entry has this text as its value, and 16 bytes of data.
fn with_info(info: &str) -> Vec<u8> {
    file(format!(r#"{{"t":{info}}}"#), &[7; 16])
}

/// A file of these entries over so many bytes of data.
fn with(entries: &[String], data: usize) -> Vec<u8> {
    file(header(entries), &vec![7; data])
}

/// A file with something of everything, short enough to be damaged byte by byte.
fn rich() -> (String, Vec<u8>) {
    let header = header(&[
        r#""__metadata__":{"format":"pt","note":"gr\u00fc\u00dfe\n"}"#.into(),
        entry("model.layers.1.b", "F16", "[2,3]", 16, 28),
        entry("model.layers.0.a", "F32", "[4]", 0, 16),
        entry("none", "I64", "[0,5]", 28, 28),
        entry("scalar", "U8", "[]", 28, 29),
        entry("nibbles", "F4", "[3,2]", 29, 32),
    ]);
    let bytes = file(&header, &common::noise(2, 32));
    (header, bytes)
}

#[test]
fn a_header_is_read() {
    let (header, bytes) = rich();
    let model = accepted(&bytes);
    let found: Vec<_> = model
        .tensors
        .iter()
        .map(|tensor| {
            (
                tensor.name.as_str(),
                tensor.dtype.name(),
                &tensor.shape[..],
                tensor.offset - 8 - header.len() as u64,
                tensor.byte_length,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("model.layers.0.a", "F32", &[4][..], 0, 16),
            ("model.layers.1.b", "F16", &[2, 3], 16, 12),
            ("none", "I64", &[0, 5], 28, 0),
            ("scalar", "U8", &[], 28, 1),
            ("nibbles", "F4", &[3, 2], 29, 3),
        ]
    );
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(model.metadata, [("format".into(), text("pt")), ("note".into(), text("grüße\n"))]);
}

#[test]
fn every_type_takes_its_bytes() {
    for (dtype, weights, bytes) in DTYPES {
        let shape = format!("[3,{weights}]");
        let model = accepted(&with(&[entry("t", dtype, &shape, 0, 3 * bytes)], 3 * bytes as usize));
        let tensor = &model.tensors[0];
        assert_eq!((tensor.dtype.name(), tensor.byte_length), (dtype, 3 * bytes));
        let short = 3 * bytes - 1;
        malformed(&with(&[entry("t", dtype, &shape, 0, short)], short as usize), "but the header gives it");
        if weights > 1 {
            malformed(&with(&[entry("t", dtype, "[1]", 0, 1)], 1), "takes no whole number of bytes");
        }
    }
}

#[test]
fn unknown_types_are_refused() {
    for dtype in ["f32", "F33", "", "Q4_0", "F32\\u0000", "float32", "C128"] {
        malformed(&with(&[entry("t", dtype, "[4]", 0, 16)], 16), "unknown variant");
    }
    malformed(&with_info(r#"{"dtype":7,"shape":[4],"data_offsets":[0,16]}"#), "not valid");
}

#[test]
fn names_are_unique() {
    let twice = [entry("w", "U8", "[16]", 0, 16), entry("w", "F32", "[4]", 0, 16)];
    malformed(&with(&twice, 16), "\"w\" is listed twice");
    let apart = [entry("w", "F32", "[4]", 0, 16), entry("\\u0077", "F32", "[4]", 16, 32)];
    malformed(&with(&apart, 32), "\"w\" is listed twice");
    let metadata = r#""__metadata__":{}"#.to_owned();
    malformed(&with(&[metadata.clone(), metadata], 0), "listed twice");
    malformed(&with(&[r#""__metadata__":{"a":"1","a":"1"}"#.into()], 0), "listed twice");
    malformed(
        &with_info(r#"{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}"#),
        "duplicate field",
    );
}

#[test]
fn the_data_is_covered_once_and_to_its_end() {
    let two = |a: (u64, u64), b: (u64, u64), data| {
        let tensor = |name, (start, end)| entry(name, "U8", &format!("[{}]", end - start), start, end);
        with(&[tensor("a", a), tensor("b", b)], data)
    };
    accepted(&two((0, 16), (16, 32), 32));
    accepted(&two((16, 32), (0, 16), 32));
    malformed(&two((0, 16), (17, 32), 32), "offset");
    malformed(&two((1, 16), (16, 32), 32), "offset");
    malformed(&two((0, 16), (15, 32), 32), "offset");
    malformed(&two((0, 16), (0, 16), 16), "offset");
    malformed(&two((0, 16), (16, 32), 33), "33 bytes of data");
    malformed(&two((0, 16), (16, 32), 31), "31 bytes of data");
    malformed(&file("{}", &[0]), "1 bytes of data");
    malformed(&with(&[entry("t", "F32", "[4]", 16, 0)], 16), "16 to 0");
}

#[test]
fn sizes_and_shapes_agree() {
    for (shape, words) in [
        ("[5]", "takes 20 bytes"),
        ("[3]", "takes 12 bytes"),
        ("[]", "takes 4 bytes"),
        ("[0]", "takes 0 bytes"),
        ("[1000000]", "takes 4000000 bytes"),
        ("[4611686018427387905]", "no whole number"),
        ("[9223372036854775808]", "2^63"),
        ("[4294967296,4294967296,4]", "2^63"),
        ("[4194305,4194305,211106198978564]", "2^63"),
        ("[0,18446744073709551615]", "2^63"),
        ("[9223372036854775808,0]", "2^63"),
    ] {
        malformed(&with(&[entry("t", "F32", shape, 0, 16)], 16), words);
    }
    malformed(&with(&[entry("t", "F32", &format!("[{}4]", "1,".repeat(64)), 0, 16)], 16), "65 dimensions");
    accepted(&with(&[entry("t", "F32", "[]", 0, 4)], 4));
    accepted(&with(&[entry("t", "F32", "[0]", 0, 0)], 0));
    assert!(accepted(&file("{}", &[])).tensors.is_empty());
}

#[test]
fn offsets_are_whole_numbers_of_this_file() {
    for offsets in
        ["[-1,16]", "[0,-16]", "[0,18446744073709551616]", "[0,1e400]", "[0,16.0]", "[0.5,16]", "[0,1.6e1]"]
    {
        malformed(
            &with_info(&format!(r#"{{"dtype":"F32","shape":[4],"data_offsets":{offsets}}}"#)),
            "not valid",
        );
    }
    for shape in ["[-4]", "[4.0]", "[1e2]", "[18446744073709551616]", "[null]", "[\"4\"]", "4", "null"] {
        malformed(&with(&[entry("t", "F32", shape, 0, 16)], 16), "not valid");
    }
    for end in [17, 1 << 32, 1 << 63, u64::MAX] {
        malformed(&with(&[entry("t", "U8", &format!("[{}]", end / 4), 0, end)], 16), "16 bytes of data");
    }
}

#[test]
fn the_header_lies_within_the_file_and_its_cap() {
    for length in [87, 1 << 20, 100_000_001, 1 << 40, 1 << 63, u64::MAX - 7, u64::MAX] {
        let mut bytes = one("t");
        bytes[..8].copy_from_slice(&u64::to_le_bytes(length));
        malformed(&bytes, "but the file ends after");
    }
    // A sparse source of one zero after another: what the length says is there, but too much.
    struct Zeros(Vec<u8>);
    impl atomizer_core::source::Source for Zeros {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), atomizer_core::source::SourceError> {
            for (byte, at) in buf.iter_mut().zip(offset as usize..) {
                *byte = self.0.get(at).copied().unwrap_or(0);
            }
            Ok(())
        }
    }
    for length in [100_000_001u64, 1 << 39] {
        let zeros = Zeros([&length.to_le_bytes()[..], b"{"].concat());
        let files = formats::FileSet::single("model", Box::new(zeros));
        let (result, peak) = peak::measure(|| formats::parse(&files, None, Detail::Summary));
        assert_refused(result, Kind::TooLarge, "at most 100000000");
        assert!(peak < ALLOWANCE, "{peak}");
    }
}

#[test]
fn names_and_texts() {
    let mut bytes = one("name");
    let at = bytes.windows(4).position(|bytes| bytes == b"name").unwrap();
    bytes[at] = 0xff;
    malformed(&bytes, "not UTF-8");
    malformed(&one("\\ud800"), "not valid");
    malformed(&one("a\nb"), "not valid");
    malformed(&one("a\\u0000b"), "zero byte");
    malformed(&one(""), "empty");
    let model = accepted(&one("\\u00e9\\ud83d\\ude00 \\n"));
    assert_eq!(model.tensors[0].name, "é😀 \n");
}

#[test]
fn the_metadata_are_texts() {
    for value in
        ["7", "null", "[]", "{}", "{\"k\":7}", "{\"k\":null}", "{\"k\":{}}", "[\"k\",\"v\"]", "\"k\""]
    {
        let result = open(&file(format!(r#"{{"__metadata__":{value}}}"#), &[]), Detail::Full);
        if value == "{}" {
            assert!(result.unwrap().metadata.is_empty());
        } else {
            assert_refused(result, Kind::Malformed, "not valid");
        }
    }
    let model = accepted(&file(r#"{"__metadata__":{"a\u0000":"b\u0000"}}"#, &[]));
    assert_eq!(to_json(&model.metadata), r#"{"a␀":"b␀"}"#);
}

#[test]
fn nested_and_broken_json() {
    for text in [
        "{",
        "{]",
        "{\"t\"}",
        "{\"t\":}",
        "{,}",
        "{}}",
        "{}{}",
        "{} x",
        "{\"t\":{}}",
        "{\"t\":[]}",
        "{\"t\":null}",
        "{\"t\":{\"dtype\":\"F32\"}}",
        "{'t':1}",
        "{\"a\":\"b\"}",
        "{//}",
        "{\"__metadata__\"",
    ] {
        malformed(&file(text, &[]), "not valid");
    }
    malformed(&file("{}\0", &[]), "not valid");
    accepted(&file("{}      \n", &[]));
    // What does not start like an object is no safetensors file at all.
    for text in [" {}", "[]", "\u{feff}{}", "\0{}"] {
        assert_refused(open(&file(text, &[]), Detail::Summary), Kind::Unsupported, "no known model format");
    }
    for (open_with, close_with) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = |depth: usize| format!("{}1{}", open_with.repeat(depth), close_with.repeat(depth));
        for depth in [10, 200, 100_000] {
            let deep = deep(depth);
            malformed(&with_info(&deep), "not valid");
            malformed(&with(&[entry("t", "F32", &deep, 0, 16)], 16), "not valid");
            malformed(&file(format!(r#"{{"__metadata__":{{"a":{deep}}}}}"#), &[]), "not valid");
            // Below a field that nobody knows: refused or passed over, but without a deep stack.
            let info = format!(r#"{{"x":{deep},"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#);
            if let Ok(model) = open(&with_info(&info), Detail::Summary) {
                assert_eq!(model.tensors[0].byte_length, 16);
            }
        }
    }
}

#[test]
fn messages_fit_a_log() {
    let long = "x".repeat(1 << 20);
    // `malformed` looks at each message's length and for zero bytes in it.
    malformed(&with(&[entry(&long, "F32", "[4]", 0, 16)], 15), "xxxx");
    malformed(&with(&[entry("t", &long, "[4]", 0, 16)], 16), "xxxx");
    let twice = [entry(&long, "F32", "[4]", 0, 16), entry(&long, "F32", "[4]", 16, 32)];
    malformed(&with(&twice, 32), "xxxx");
    let zero = [entry("a\\u0000", "F32", "[4]", 0, 16), entry("a\\u0000", "F32", "[4]", 16, 32)];
    malformed(&with(&zero, 32), "listed twice");
    malformed(&with(&[entry("\u{1F600}".repeat(300).as_str(), "F32", "[5]", 0, 16)], 16), "tensor");
}

#[test]
fn what_is_no_safetensors() {
    for bytes in [&b""[..], b"\0", b"{}", &2u64.to_le_bytes(), &[0; 100]] {
        assert_refused(open(bytes, Detail::Summary), Kind::Unsupported, "no known model format");
    }
    malformed(&[&0u64.to_le_bytes()[..], b"{}"].concat(), "does not start with");
    let files = formats::FileSet::single("model", Box::new(&b"GGUF\0\0\0\0{"[..]));
    assert_refused(
        formats::parse(&files, Some(Format::SafeTensors), Detail::Summary),
        Kind::Malformed,
        "the content is GGUF",
    );
}

#[test]
fn every_truncation_is_refused() {
    let (_, bytes) = rich();
    for length in 0..bytes.len() {
        let (result, peak) = peak::measure(|| open(&bytes[..length], Detail::Full));
        assert!(result.is_err(), "{length} of {} bytes", bytes.len());
        assert!(peak <= length + ALLOWANCE, "{length} bytes cost {peak}");
    }
}

#[test]
fn no_corruption_panics_or_costs_memory() {
    let (header, bytes) = rich();
    for (at, head) in common::corruptions(&bytes[..8 + header.len()]) {
        let bytes = [&head, &bytes[head.len()..]].concat();
        let (result, peak) = peak::measure(|| open(&bytes, Detail::Full));
        assert!(peak <= bytes.len() + ALLOWANCE, "byte {at}: {peak}");
        match result {
            Ok(model) => assert_sane(&model, bytes.len()),
            Err(error) => assert!(common::fits_a_log(&error.to_string()), "{error:?}"),
        }
    }
}

/// A header of so many pairs of metadata.
fn many_pairs(prefix: &str, count: usize) -> Vec<u8> {
    let pairs: Vec<String> = (0..count).map(|i| format!(r#""{prefix}{i}":"""#)).collect();
    file(format!(r#"{{"__metadata__":{{{}}}}}"#, pairs.join(",")), &[])
}

#[test]
fn many_names_take_no_longer_each() {
    // 300,000 names compared with each other would take minutes.
    let start = std::time::Instant::now();
    let count = 300_000;
    let metadata = many_pairs("k", count);
    assert_eq!(open(&metadata, Detail::Full).unwrap().metadata.len(), count);
    let tensors: Vec<String> =
        (0..count as u64).map(|i| entry(&format!("t{i}"), "U8", "[1]", i, i + 1)).collect();
    assert_eq!(open(&with(&tensors, count), Detail::Full).unwrap().tensors.len(), count);
    let (a, b) = (many_pairs("a", count), many_pairs("b", count));
    let shards = [("a", &a[..]), ("b", &b[..])];
    assert_eq!(open_files(&shards).unwrap().metadata.len(), 2 * count);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
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
    let found: Vec<_> = model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.file_no)).collect();
    // The index is file 0.
    assert_eq!(found, [("t1", 1), ("t2", 2)]);

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
fn an_index_leads_to_files_beside_it() {
    let folder = common::Folder::new("index");
    let open = |path: &Path| -> Result<Model, ParseError> {
        formats::parse(&formats::open_path(path)?, None, Detail::Summary)
    };
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
        assert_refused(open(&path), Kind::Malformed, "no plain file name");
    }
    assert_refused(open(&write_index(&index(&[("t1", "gone")]))), Kind::Source, "gone");
    assert_refused(open(&write_index(&index(&[("t1", "sub")]))), Kind::Source, "not a regular file");
    let many: Vec<_> = (0..600).map(|i| (format!("t{i}"), format!("f{i}"))).collect();
    let many: Vec<_> = many.iter().map(|(tensor, file)| (&tensor[..], &file[..])).collect();
    assert_refused(open(&write_index(&index(&many))), Kind::Malformed, "names 600 files");
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        tensors in prop::collection::vec(
            (any::<String>(), 0..DTYPES.len(), prop::collection::vec(0..4u64, 0..5)),
            0..12,
        ),
        metadata in prop::collection::btree_map(any::<String>(), any::<String>(), 0..5),
        order in any::<u64>(),
    ) {
        let mut entries = vec![format!(r#""__metadata__":{}"#, serde_json::to_string(&metadata).unwrap())];
        let (mut expected, mut at) = (Vec::new(), 0);
        for (i, (name, row, mut shape)) in tensors.into_iter().enumerate() {
            let (dtype, weights, bytes) = DTYPES[row];
            let length = shape.iter().product::<u64>() * bytes;
            shape.push(weights);
            let name = format!("{i} {}", name.replace('\0', "0"));
            let json = serde_json::to_string(&name).unwrap();
            entries.push(entry(&json[1..json.len() - 1], dtype, &format!("{shape:?}"), at, at + length));
            expected.push((name, dtype, shape, at, length));
            at += length;
        }
        let rotation = order as usize % entries.len();
        entries.rotate_left(rotation);
        let header = header(&entries);
        let model = accepted(&file(&header, &vec![0; at as usize]));
        let start = 8 + header.len() as u64;
        let mut found: Vec<_> = model.tensors.into_iter().map(|tensor| {
            (tensor.name, tensor.dtype.name(), tensor.shape, tensor.offset - start, tensor.byte_length)
        }).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        let pairs: Vec<_> = metadata.into_iter().map(|(key, text)| (key, Value::Text(text))).collect();
        prop_assert_eq!(model.metadata, pairs);
    }

    #[test]
    fn no_damage_panics_or_costs_memory(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (header, mut bytes) = rich();
        for (at, value) in damage {
            bytes[at.index(8 + header.len())] = value;
        }
        let (result, peak) = peak::measure(|| open(&bytes, Detail::Full));
        prop_assert!(peak <= bytes.len() + ALLOWANCE);
        if let Ok(model) = result {
            assert_sane(&model, bytes.len());
        }
    }
}
