//! GGUF headers: what is accepted is read exactly, and what the format forbids is refused.

use crate::common::gguf::{Gguf, array, array_of, entry, plain, rich, text, u16, u32, val, with_key};
use crate::common::{Kind, accepted, assert_refused, malformed, open};
use atomizer_core::formats::{Detail, detect};
use atomizer_core::metadata::{Array, Value};
use atomizer_core::model::{Format, Model};
use proptest::prelude::*;

/// `enum ggml_type` with weights and bytes of a block, from `GGML_QUANT_SIZES` of gguf-py 0.19.0
/// (Q8_1 from ggml's `block_q8_1`: gguf-py counts its two halves as floats).
const GGML_TYPES: [(u32, &str, u64, u64); 35] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

fn find<'a>(model: &'a Model, key: &str) -> &'a Value {
    let (_, value) = model.metadata.iter().find(|(name, _)| name == key).unwrap();
    value
}

fn list(element: &'static str, count: u64, head: impl Into<Vec<Value>>) -> Value {
    Value::Array(Array { element, count, head: head.into() })
}

#[test]
fn every_value_type_is_read() {
    let model = accepted(&rich().build());
    assert_eq!(model.architecture, "llama");
    for (key, value) in [
        ("general.alignment", Value::Uint(64)),
        ("u8", Value::Uint(255)),
        ("i8", Value::Int(-1)),
        ("u16", Value::Uint(65_535)),
        ("i16", Value::Int(-2)),
        ("i32", Value::Int(-3)),
        ("f32", Value::F32(0.1)),
        ("bool", Value::Bool(true)),
        ("text", Value::Text("grüße".into())),
        ("u64", Value::Uint(u64::MAX)),
        ("i64", Value::Int(i64::MIN)),
        ("f64", Value::F64(1e300)),
        (
            "nested",
            list("array", 2, [list("uint8", 2, [Value::Uint(1), Value::Uint(2)]), list("uint8", 0, [])]),
        ),
    ] {
        assert_eq!(find(&model, key), &value, "{key}");
    }
    let Value::Array(words) = find(&model, "words") else {
        panic!("no array");
    };
    assert_eq!((words.element, words.count, words.head.len()), ("string", 40, 40));
    assert_eq!(words.head[39], Value::Text("word 39".into()));
}

#[test]
fn a_summary_counts_what_it_does_not_show() {
    let long_text = "x".repeat(5000);
    let file = rich().key("texts", array(8, &vec![text(&long_text); 17])).build();
    let (full, summary) = (accepted(&file), open(&file, Detail::Summary).unwrap());
    assert_eq!(format!("{:?}", summary.tensors), format!("{:?}", full.tensors));
    for (key, count) in [("words", 40), ("scores", 50), ("texts", 17)] {
        let (Value::Array(all), Value::Array(some)) = (find(&full, key), find(&summary, key)) else {
            panic!("{key} is not an array");
        };
        assert_eq!((all.count, some.count), (count, count), "{key}");
        assert!(!some.head.is_empty() && (some.head.len() as u64) < count, "{key}");
    }
    let (Value::Array(all), Value::Array(some)) = (find(&full, "texts"), find(&summary, "texts")) else {
        panic!("no array");
    };
    assert_eq!(all.head[16], Value::Text(long_text));
    let Value::Text(shown) = &some.head[0] else {
        panic!("no text");
    };
    assert!((1..5000).contains(&shown.len()));
}

#[test]
fn every_ggml_type_takes_its_bytes() {
    for (id, name, weights, bytes) in GGML_TYPES {
        let length = 6 * bytes;
        let file = Gguf::new()
            .tensor(entry("t", &[2 * weights, 3], id, 32))
            .data(vec![9; 32 + length as usize])
            .build();
        let model = accepted(&file);
        let tensor = &model.tensors[0];
        assert_eq!(tensor.dtype.name(), name);
        assert_eq!(tensor.byte_length, length, "{name}");
        assert_eq!(tensor.offset, file.len() as u64 - length, "{name}");
        assert_eq!(tensor.weight_count, 6 * weights, "{name}");
        malformed(&file[..file.len() - 1], "the file has");
        if weights > 1 {
            let half = Gguf::new().tensor(entry("t", &[weights / 2, 2], id, 0)).data([9; 400]);
            malformed(&half.build(), "blocks of");
        }
    }
}

#[test]
fn other_type_numbers_are_unsupported() {
    for id in (0..100).chain([1 << 16, u32::MAX]) {
        if GGML_TYPES.iter().all(|row| row.0 != id) {
            let file = Gguf::new().tensor(entry("t", &[256], id, 0)).data([0; 4096]);
            assert_refused(open(&file.build(), Detail::Summary), Kind::Unsupported, "unknown ggml type");
        }
    }
}

#[test]
fn dimensions_are_turned_round_and_bytes_found() {
    let file = rich();
    let bytes = file.build();
    let model = accepted(&bytes);
    let found: Vec<_> = model
        .tensors
        .iter()
        .map(|tensor| {
            (
                tensor.name.as_str(),
                &tensor.shape[..],
                tensor.offset - file.data_start() as u64,
                tensor.byte_length,
            )
        })
        .collect();
    // In the order of their bytes, not of their entries.
    assert_eq!(
        found,
        [
            ("scalar", &[][..], 0, 4),
            ("empty", &[7, 0], 64, 0),
            ("blk.0.attn_q.weight", &[3, 64], 128, 108),
            ("cube", &[5, 4, 3, 2], 256, 240),
        ]
    );
}

#[test]
fn versions_2_and_3_read_alike() {
    let three = rich();
    let two = Gguf { version: 2, ..three.clone() };
    let (two, three) = (accepted(&two.build()), accepted(&three.build()));
    assert_eq!(
        (two.metadata, format!("{:?}", two.tensors)),
        (three.metadata, format!("{:?}", three.tensors))
    );
}

#[test]
fn alignment_moves_the_data() {
    let unaligned = plain();
    assert_eq!(accepted(&unaligned.build()).tensors[0].offset % 32, 0);
    for alignment in [1, 8, 16, 64, 4096] {
        let file = Gguf::new()
            .aligned(alignment)
            .tensor(entry("a", &[1], 24, 0))
            .tensor(entry("b", &[1], 24, alignment.into()))
            .data(vec![1; alignment as usize + 1]);
        let tensors = accepted(&file.build()).tensors;
        assert_eq!(tensors[0].offset, file.data_start() as u64, "{alignment}");
        assert_eq!(tensors[1].offset - tensors[0].offset, u64::from(alignment));
    }
    for offset in [8, 31, 33] {
        let mut file = plain().data([0; 64]);
        file.tensors[0].offset = offset;
        malformed(&file.build(), "not a multiple of the alignment 32");
    }
}

#[test]
fn impossible_alignments_are_refused() {
    for alignment in [0, 3, u32::MAX] {
        let file = plain().key("general.alignment", u32(alignment));
        malformed(&file.build(), "power of two");
    }
    let huge = plain().key("general.alignment", u32(1 << 31));
    malformed(&huge.build(), "tensor data would start");
    for value in [u16(32), text("32"), val(5, 32i32.to_le_bytes()), array(4, &[u32(32)])] {
        let file = plain().key("general.alignment", value);
        malformed(&file.build(), "must be a uint32");
    }
}

#[test]
fn names_are_unique() {
    malformed(&plain().key("k", u32(1)).key("k", u32(1)).build(), "\"k\" is listed twice");
    let twice = plain().tensor(entry("t", &[4], 0, 32)).data([0; 48]);
    malformed(&twice.build(), "\"t\" is listed twice");
}

#[test]
fn tensors_share_no_bytes() {
    let overlap = |entries: &[(&str, u64, u64)]| {
        entries
            .iter()
            .fold(Gguf::new(), |file, (name, length, offset)| {
                file.tensor(entry(*name, &[*length], 24, *offset))
            })
            .data([0; 256])
            .build()
    };
    accepted(&overlap(&[("a", 32, 0), ("b", 64, 32)]));
    malformed(&overlap(&[("a", 33, 0), ("b", 64, 32)]), "inside tensor \"a\"");
    malformed(&overlap(&[("b", 64, 32), ("a", 33, 0)]), "inside tensor \"a\"");
    malformed(&overlap(&[("a", 64, 0), ("b", 64, 0)]), "inside tensor \"a\"");
    malformed(&overlap(&[("a", 200, 0), ("b", 1, 32), ("c", 1, 64)]), "inside tensor");
    // Tensors without bytes lie anywhere, and hide nothing.
    accepted(&overlap(&[("a", 64, 0), ("none", 0, 0), ("nothing", 0, 32)]));
    malformed(&overlap(&[("a", 200, 0), ("none", 0, 32), ("b", 1, 64)]), "inside tensor \"a\"");
}

/// Blocks of 128 weights in 34 bytes under the number of ggml's Q2_0, as a fork wrote them.
#[test]
fn blocks_of_a_fork_are_refused() {
    let file = |rows: &[(u64, usize)], of: fn(usize) -> Vec<u8>| {
        let (mut file, mut data) = (Gguf::new(), Vec::new());
        for (number, (weights, bytes)) in rows.iter().enumerate() {
            file = file.tensor(entry(format!("t{number}"), &[*weights], 42, data.len() as u64));
            data.extend(of(*bytes));
            data.resize(data.len().next_multiple_of(32), 0);
        }
        file.data(data).build()
    };
    let noise = |bytes: usize| (0..bytes).map(|byte| byte as u8 | 1).collect();
    // As long as they are the next tensor, or the end of the file, is too near.
    malformed(&file(&[(128 * 15, 34 * 15)], noise), "a fork of ggml");
    malformed(&file(&[(128 * 30, 34 * 30), (128, 34)], noise), "a fork of ggml");
    malformed(&file(&[(128, 34), (128 * 300, 34 * 300)], noise), "a fork of ggml");
    // Short ones fit, but for the zeros behind them.
    malformed(&file(&[(128, 34)], noise), "a fork of ggml");
    malformed(&file(&[(128 * 4, 34 * 4), (128 * 7, 34 * 7), (128 * 14, 34 * 14)], noise), "a fork of ggml");
    // ggml's own, of any length; what is zero throughout is the same in both.
    for blocks in [1, 2, 3, 4, 8, 14, 28, 30, 600] {
        accepted(&file(&[(64 * blocks, 18 * blocks as usize), (128, 36)], noise));
    }
    accepted(&file(&[(128, 34)], |bytes| vec![0; bytes]));
    accepted(&file(&[(64, 18), (128, 34)], noise));
}

#[test]
fn tensors_lie_within_the_file() {
    for offset in [32, 1 << 40, 1 << 63, u64::MAX - 31] {
        let mut file = plain();
        file.tensors[0].offset = offset;
        malformed(&file.build(), "but the file has");
    }
    let mut longer = plain();
    longer.tensors[0].dims = vec![5];
    malformed(&longer.build(), "has 20 bytes at offset 0");
}

#[test]
fn shapes_that_wrap_are_refused() {
    for dims in [
        &[1 << 32, 1 << 32][..],
        &[4_398_046_511_105, 4_194_304],
        &[u64::MAX / 4],
        &[u64::MAX],
        &[1 << 63],
        &[1 << 62, 4],
        &[1 << 16, 1 << 16, 1 << 16, 1 << 16],
        &[(1 << 62) + 1],
        // No weights at all, but extents that no bigint holds.
        &[0, 1 << 63],
        &[u64::MAX, 0],
    ] {
        let file = Gguf::new().tensor(entry("t", dims, 0, 0)).data([0; 64]);
        malformed(&file.build(), "tensor \"t\"");
    }
}

#[test]
fn only_four_dimensions() {
    accepted(&Gguf::new().tensor(entry("t", &[1, 1, 1, 1], 0, 0)).data([0; 4]).build());
    malformed(&Gguf::new().tensor(entry("t", &[1; 5], 0, 0)).data([0; 4]).build(), "5 dimensions");
    let mut file = plain();
    file.tensors[0].claimed_dims = Some(u32::MAX);
    malformed(&file.build(), "4294967295 dimensions");
}

#[test]
fn counts_are_checked_against_the_file() {
    for count in [100, 1 << 40, 1 << 60, 1 << 63, u64::MAX] {
        let mut tensors = plain();
        tensors.claimed_tensors = Some(count);
        malformed(&tensors.build(), &format!("{count} tensors"));
        let mut keys = plain();
        keys.claimed_keys = Some(count);
        malformed(&keys.build(), &format!("{count} metadata keys"));
    }
}

#[test]
fn lengths_are_checked_against_the_file() {
    for length in [1 << 17, 1 << 32, 1 << 40, 1 << 63, u64::MAX - 7, u64::MAX] {
        let lie = |bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
        malformed(&with_key(val(8, lie(b"x"))), "the file ends after");
        malformed(&with_key(array_of(8, 1, &lie(b"x"))), "the file ends after");
        // Behind the elements that a summary shows.
        let late = [text("x").bytes.repeat(10), lie(b"x"), vec![0; 99]].concat();
        malformed(&with_key(array_of(8, 20, &late)), "the file ends after");
        // The key's own length, and a tensor's name's.
        for position in [24, plain().header().len() - 33] {
            let mut file = if position == 24 { plain().key("k", u32(0)) } else { plain() }.build();
            assert_eq!(file[position], 1, "the length of a name");
            file[position..position + 8].copy_from_slice(&length.to_le_bytes());
            malformed(&file, "has a length of");
        }
    }
}

#[test]
fn array_counts_are_checked_against_the_file() {
    for type_id in 0..=12 {
        // The last wraps to one element when it is multiplied by 8.
        for count in [1000, 1 << 61, 1 << 63, u64::MAX, (1 << 61) + 1] {
            malformed(&with_key(array_of(type_id, count, &[0; 16])), "elements of \"k\"");
            let inner = array_of(type_id, count, &[0; 16]);
            malformed(&with_key(array_of(9, 1, &inner.bytes)), "elements of \"k\"");
        }
    }
}

#[test]
fn unknown_value_types_are_refused() {
    for type_id in [13, 14, 255, 1 << 31, u32::MAX] {
        malformed(&with_key(val(type_id, [0; 8])), "type");
        malformed(&with_key(array_of(type_id, 0, &[])), "type");
        malformed(&with_key(array_of(9, 1, &array_of(type_id, 1, &[0; 8]).bytes)), "type");
    }
}

#[test]
fn arrays_nest_a_few_deep() {
    let nest = |depth: usize| {
        let outer = array_of(9, 1, &[]).bytes.repeat(depth - 1);
        val(9, [outer, array(0, &[val(0, [5])]).bytes].concat())
    };
    accepted(&with_key(nest(4)));
    for depth in [5, 100, 100_000] {
        let file = with_key(nest(depth));
        for detail in [Detail::Summary, Detail::Full] {
            assert_refused(open(&file, detail), Kind::TooLarge, "deeper");
        }
    }
    // Elements that a summary steps over are looked at too.
    let mut elements = vec![array(0, &[]); 20];
    elements[19] = nest(4);
    assert_refused(open(&with_key(array(9, &elements)), Detail::Summary), Kind::TooLarge, "deeper");
}

#[test]
fn names_are_text() {
    for name in [&b"\xff"[..], b"caf\xc3", b"\xed\xa0\x80", b"\xc0\x80"] {
        malformed(&plain().key(name, u32(1)).build(), "not UTF-8");
        malformed(&Gguf::new().tensor(entry(name, &[4], 0, 0)).data([0; 16]).build(), "not UTF-8");
    }
    for name in [&b""[..], b"\0", b"a\0b"] {
        // Bytes behind, so that an empty name is refused for itself and not for its shortness.
        malformed(&plain().key(name, u32(1)).data([0; 99]).build(), "zero byte");
        let unnamed = Gguf::new().tensor(entry(name, &[4], 0, 0)).data([0; 99]);
        malformed(&unnamed.build(), "zero byte");
    }
}

#[test]
fn texts_may_be_any_bytes() {
    let file = plain()
        .key("latin", text(b"caf\xe9!"))
        .key("zero", text(b"a\0b"))
        .key("none", text(b""))
        .key("list", array(8, &[text(b"\xff"), text(b"b")]));
    let model = accepted(&file.build());
    assert_eq!(find(&model, "latin"), &Value::Text("caf\u{fffd}!".into()));
    assert_eq!(find(&model, "zero"), &Value::Text("a\0b".into()));
    assert_eq!(find(&model, "none"), &Value::Text(String::new()));
    let texts = [Value::Text("\u{fffd}".into()), Value::Text("b".into())];
    assert_eq!(find(&model, "list"), &list("string", 2, texts));
}

#[test]
fn an_architecture_is_a_name() {
    let architecture = |value| {
        let file = plain().key("general.architecture", value).build();
        accepted(&file).architecture
    };
    assert_eq!(architecture(text("gemma3")), "gemma3");
    for value in [text(""), text("a\0b"), text("line\nbreak"), text("x".repeat(10_000)), u32(7)] {
        assert_eq!(architecture(value), "unknown");
    }
}

#[test]
fn what_is_no_gguf() {
    let refused = |bytes: &[u8], words: &str| {
        assert_refused(open(bytes, Detail::Summary), Kind::Unsupported, words);
    };
    refused(b"", "no known model format");
    refused(b"GGU", "no known model format");
    refused(b"GGML\x03\0\0\0", "no known model format");
    let version = |version| Gguf { version, ..plain() }.build();
    refused(&version(0), "version 0");
    refused(&version(1), "version 1");
    refused(&version(4), "version 4");
    for big in [1, 2, 3u32] {
        refused(&version(big.swap_bytes()), "big-endian");
    }
    malformed(b"GGUF", "the version");
    assert_eq!(detect(&&plain().build()[..]).unwrap(), Format::Gguf);
}

#[test]
fn no_tensors_is_a_model_too() {
    let vocabulary = Gguf::new().key("general.architecture", text("llama"));
    // Writers leave the padding away when nothing follows.
    for file in [vocabulary.header(), vocabulary.build(), Gguf::new().build()] {
        assert!(accepted(&file).tensors.is_empty());
    }
    let empty = Gguf::new().tensor(entry("t", &[0], 0, 0));
    let tensors = accepted(&empty.header()).tensors;
    assert_eq!((tensors[0].weight_count, tensors[0].byte_length), (0, 0));
}

/// A value of any type but array, in the file and as it is read.
fn single() -> impl Strategy<Value = (crate::common::gguf::Val, Value)> {
    prop_oneof![
        any::<u8>().prop_map(|v| (val(0, [v]), Value::Uint(v.into()))),
        any::<i8>().prop_map(|v| (val(1, v.to_le_bytes()), Value::Int(v.into()))),
        any::<u16>().prop_map(|v| (u16(v), Value::Uint(v.into()))),
        any::<i16>().prop_map(|v| (val(3, v.to_le_bytes()), Value::Int(v.into()))),
        any::<u32>().prop_map(|v| (u32(v), Value::Uint(v.into()))),
        any::<i32>().prop_map(|v| (val(5, v.to_le_bytes()), Value::Int(v.into()))),
        any::<f32>().prop_map(|v| (val(6, v.to_le_bytes()), Value::F32(v))),
        any::<bool>().prop_map(|v| (val(7, [u8::from(v)]), Value::Bool(v))),
        any::<String>().prop_map(|v| (text(&v), Value::Text(v))),
        any::<u64>().prop_map(|v| (val(10, v.to_le_bytes()), Value::Uint(v))),
        any::<i64>().prop_map(|v| (val(11, v.to_le_bytes()), Value::Int(v))),
        any::<f64>().prop_map(|v| (val(12, v.to_le_bytes()), Value::F64(v))),
    ]
}

/// A value of any type; an array repeats one value.
fn any_value() -> impl Strategy<Value = (crate::common::gguf::Val, Value)> {
    const NAMES: [&str; 13] = [
        "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array",
        "uint64", "int64", "float64",
    ];
    single().prop_recursive(3, 30, 20, |inner| {
        (inner, 0..20usize).prop_map(|((element, value), count)| {
            let read = list(NAMES[element.type_id as usize], count as u64, vec![value; count]);
            (array(element.type_id, &vec![element; count]), read)
        })
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        values in prop::collection::vec(any_value(), 0..12),
        shapes in prop::collection::vec((prop::collection::vec(0..5u64, 0..=4), 0..34usize), 0..12),
        alignment in 3..9u32,
    ) {
        let mut file = Gguf::new().aligned(1 << alignment);
        for (i, (value, _)) in values.iter().enumerate() {
            file = file.key(format!("key {i}"), value.clone());
        }
        let mut expected = Vec::new();
        for (i, (dims, row)) in shapes.into_iter().enumerate() {
            let (id, name, weights, bytes) = GGML_TYPES[row];
            // A scalar is one weight, which is not a whole block.
            let mut dims = if dims.is_empty() && weights > 1 { vec![1] } else { dims };
            let blocks: u64 = dims.iter().product();
            if let Some(row) = dims.first_mut() {
                *row *= weights;
            }
            let offset = file.data.len().next_multiple_of(1 << alignment);
            file.data.resize(offset + (blocks * bytes) as usize, 0);
            file = file.tensor(entry(format!("tensor {i}"), &dims, id, offset as u64));
            dims.reverse();
            expected.push((format!("tensor {i}"), dims, name, offset, blocks * bytes));
        }
        let start = file.data_start();
        let model = accepted(&file.build());
        let mut found: Vec<_> = model.tensors.into_iter().map(|tensor| {
            let offset = tensor.offset as usize - start;
            (tensor.name, tensor.shape, tensor.dtype.name(), offset, tensor.byte_length)
        }).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        let read: Vec<_> = model.metadata.into_iter().skip(1).map(|(_, value)| value).collect();
        let written: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, written);
    }
}
