//! Tests of the reader of protobuf, against bytes written by hand.

use super::numbers::{Coding, Form, Numbers, Seen};
use super::*;
use crate::formats::error::ParseErrorKind;
use crate::lazy_tensor::LazyTensor;
use proptest::prelude::*;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn key(number: u64, wire_type: u64) -> Vec<u8> {
    varint(number << 3 | wire_type)
}

fn packed(number: u64, payload: &[u8]) -> Vec<u8> {
    [key(number, 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

fn fields(bytes: &[u8]) -> Result<Vec<(u32, Payload, u64)>, ParseError> {
    let mut wire = Wire::new(&bytes);
    let mut message = Span::all(&bytes);
    let mut found = Vec::new();
    while let Some(field) = wire.next(&mut message)? {
        found.push((field.number, field.payload, field.span.len()));
    }
    Ok(found)
}

#[test]
fn fields_of_every_type() {
    let bytes = [
        [key(1, 0), varint(u64::MAX)].concat(),
        [key(2, 1), vec![7; 8]].concat(),
        packed(3, &[9; 100_000]),
        [key(536_870_911, 5), vec![1; 4]].concat(),
        packed(5, &[]),
    ]
    .concat();
    let expected = [
        (1, Payload::Varint(u64::MAX), 10),
        (2, Payload::Fixed64, 8),
        (3, Payload::Bytes, 100_000),
        (536_870_911, Payload::Fixed32, 4),
        (5, Payload::Bytes, 0),
    ];
    assert_eq!(fields(&bytes).unwrap(), expected);
    for cut in (0..bytes.len()).filter(|cut| !(30..99_000).contains(cut)) {
        let found = fields(&bytes[..cut]);
        assert!(found.is_err() || found.unwrap().len() < expected.len(), "{cut}");
    }
}

#[test]
fn what_no_message_holds() {
    let refused = |bytes: &[u8], words: &str| {
        let error = fields(bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&[0x00], "no field");
    refused(&[0x06], "no field");
    refused(&[0x0f], "no field");
    refused(&[0x80; 11], "no field");
    refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "no field");
    refused(&[0x0b, 0x0c], "is a group");
    refused(&[0x08], "does not end");
    refused(&[[0x08].as_slice(), &[0xff; 10]].concat(), "does not end");
    refused(&[0x0a, 0x05, 1, 2], "takes 5 bytes, but what it stands in ends after 2 more");
    refused(&[[0x0a].as_slice(), &varint(u64::MAX)].concat(), "takes 18446744073709551615 bytes");
    refused(&[0x0d, 1, 2, 3], "takes 4 bytes");
    refused(&[0x09, 1, 2, 3], "takes 8 bytes");
}

#[test]
fn a_part_ends_where_the_whole_says() {
    // A message of 3 bytes that claims a field of 2 inside it: the field would end outside.
    let bytes = [0x0a, 0x03, 0x0a, 0x02, 0x01, 0x02];
    let source = &bytes[..];
    let mut wire = Wire::new(&source);
    let mut outer = Span::all(&source);
    let mut inner = wire.next(&mut outer).unwrap().unwrap().bytes().unwrap();
    assert_eq!(inner, Span { offset: 2, end: 5 });
    assert!(wire.next(&mut inner).unwrap_err().to_string().contains("ends after 1 more"));
}

#[test]
fn texts_are_bounded_and_utf8() {
    let mut bytes = vec![b'x'; 20 << 20];
    bytes[9_999] = 0xff;
    let source = &bytes[..];
    let mut wire = Wire::new(&source);
    assert_eq!(wire.text(Span { offset: 5, end: 9 }, "it").unwrap(), "xxxx");
    assert_eq!(wire.text(Span { offset: 10_000, end: 90_000 }, "it").unwrap().len(), 80_000);
    assert!(
        wire.text(Span { offset: 9_000, end: 10_000 }, "it").unwrap_err().to_string().contains("not UTF-8")
    );
    let error = wire.text(Span::all(&source), "it").unwrap_err();
    assert!(matches!(error.kind(), ParseErrorKind::TooLarge(_)));
    assert!(wire.is(Span { offset: 1, end: 3 }, "xx").unwrap());
    assert!(!wire.is(Span { offset: 1, end: 3 }, "xxx").unwrap());
    assert!(!wire.is(Span { offset: 9_998, end: 10_000 }, "xx").unwrap());
}

/// Reads a whole source in pieces of `step` bytes.
fn read(source: &dyn Source, step: usize) -> Result<Vec<u8>, SourceError> {
    let mut bytes = vec![0; source.len() as usize];
    for (index, piece) in bytes.chunks_mut(step).enumerate() {
        source.read_at((index * step) as u64, piece)?;
    }
    Ok(bytes)
}

fn numbers(bytes: &[u8], coding: Coding, form: Form, count: u64, fill: bool) -> Numbers {
    Numbers { message: Span { offset: 0, end: bytes.len() as u64 }, field: 7, coding, form, count, fill }
}

#[test]
fn missing_elements_repeat_the_last_one() {
    let bytes = packed(7, &[1, 2, 3]);
    let source = &bytes[..];
    let open = |count, fill| numbers(&bytes, Coding::Varint, Form::for_width(2), count, fill);
    let filled = open(6, true);
    let filled = filled.open(&source).unwrap();
    for step in 1..13 {
        assert_eq!(read(&*filled, step).unwrap(), [1, 0, 2, 0, 3, 0, 3, 0, 3, 0, 3, 0]);
    }
    let exact = open(6, false);
    let error = read(&*exact.open(&source).unwrap(), 4).unwrap_err().to_string();
    assert!(error.contains("ends after 3 elements, but the tensor has 6"), "{error}");
    let short = open(2, true);
    let error = read(&*short.open(&source).unwrap(), 4).unwrap_err().to_string();
    assert!(error.contains("more elements than the tensor, which has 2"), "{error}");
    // Without any number at all, they are zeros.
    let none = Numbers { field: 8, ..open(3, true) };
    assert_eq!(read(&*none.open(&source).unwrap(), 4).unwrap(), [0; 6]);
}

#[test]
fn a_huge_filling_is_read_at_its_end_at_once() {
    let bytes = packed(7, &[5]);
    let source = &bytes[..];
    let recipe = numbers(&bytes, Coding::Varint, Form::for_width(4), 1 << 60, true);
    let open = recipe.open(&source).unwrap();
    let mut last = [0; 9];
    open.read_at((1 << 62) - 9, &mut last).unwrap();
    assert_eq!(last, [0, 5, 0, 0, 0, 5, 0, 0, 0]);
    assert!(open.read_at((1 << 62) - 8, &mut last).is_err());
}

#[test]
fn a_recipe_does_not_fit_a_shorter_file() {
    let bytes = packed(7, &[1, 2, 3]);
    let recipe = numbers(&bytes, Coding::Varint, Form::for_width(1), 3, false);
    let shorter = &bytes[..bytes.len() - 1];
    assert!(matches!(recipe.open(&shorter), Err(SourceError::OutOfRange { .. })));
}

proptest! {
    /// Numbers packed, single and in several runs come out the same, however they are read.
    #[test]
    fn any_numbers_in_any_runs(
        runs in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u64>(), 0..9)), 0..6),
        width in prop::sample::select(vec![1u8, 2, 4, 8]),
        boolean: bool,
        steps in prop::collection::vec((0usize..200, 0usize..40), 1..20),
    ) {
        let mut bytes = Vec::new();
        for (in_one, run) in &runs {
            bytes.extend(packed(6, b"other"));
            if *in_one {
                bytes.extend(packed(7, &run.iter().flat_map(|number| varint(*number)).collect::<Vec<_>>()));
            } else {
                run.iter().for_each(|number| bytes.extend([key(7, 0), varint(*number)].concat()));
            }
        }
        let all: Vec<u64> = runs.into_iter().flat_map(|(_, run)| run).collect();
        let expected: Vec<u8> = all
            .iter()
            .flat_map(|number| {
                let number = if boolean { u64::from(*number != 0) } else { *number };
                number.to_le_bytes()[..usize::from(width)].to_vec()
            })
            .collect();
        let source = &bytes[..];
        let (mut wire, mut message, mut seen) = (Wire::new(&source), Span::all(&source), Seen::default());
        while let Some(field) = wire.next(&mut message).unwrap() {
            if field.number == 7 {
                seen.add(&field, Coding::Varint).unwrap();
            }
        }
        prop_assert!((seen.min()..=seen.max()).contains(&(all.len() as u64)));
        let form = Form { width, lanes: 1, boolean };
        let recipe = numbers(&bytes, Coding::Varint, form, all.len() as u64, false);
        let open = recipe.open(&source).unwrap();
        for (offset, length) in steps {
            let mut piece = vec![0; length];
            let range = offset..offset + length;
            match expected.get(range.clone()) {
                Some(expected) => {
                    open.read_at(offset as u64, &mut piece).unwrap();
                    prop_assert_eq!(&piece[..], expected);
                }
                None => prop_assert!(open.read_at(offset as u64, &mut piece).is_err()),
            }
        }
    }

    /// No bytes make the reader panic or read without end.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = fields(&bytes);
        let source = &bytes[..];
        for coding in [Coding::Varint, Coding::Fixed32, Coding::Fixed64] {
            let form = Form { width: 4, lanes: 2, boolean: false };
            let recipe = Numbers { field: 1, ..numbers(&bytes, coding, form, 9, true) };
            let _ = read(&*recipe.open(&source).unwrap(), 7);
        }
    }
}
