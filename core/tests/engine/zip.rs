//! ZIP archives: what is read, and what is refused because two readers could understand it differently.

use crate::common::zip::{Entry, Local, archive, deflate, deflated, stored};
use crate::common::{Kind, assert_refused, noise, peak};
use atomizer_core::formats::containers::zip::{self, Method};
use atomizer_core::source::SourceError;
use proptest::prelude::*;

fn two() -> [Entry; 2] {
    [stored("model/a", b"stored bytes"), deflated("model/b", &[7; 5000])]
}

#[track_caller]
fn refused(entries: &[Entry], kind: Kind, words: &str) {
    let file = archive(entries);
    assert_refused(zip::entries(&&file[..]), kind, words);
}

fn read(file: &[u8], entry: &zip::Entry) -> Result<Vec<u8>, SourceError> {
    let source = entry.open(&file)?;
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn entries_are_listed_and_read() {
    let wide = two().map(|entry| Entry { zip64: true, ..entry });
    let described = two().map(|entry| Entry { flags: 8, ..entry });
    let described_wide = two().map(|entry| Entry { flags: 8, zip64: true, ..entry });
    for entries in [two(), wide, described, described_wide] {
        let file = archive(&entries);
        let found = zip::entries(&&file[..]).unwrap();
        assert_eq!(found.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["model/a", "model/b"]);
        assert_eq!(
            found.iter().map(|entry| entry.method).collect::<Vec<_>>(),
            [Method::Stored, Method::Deflated]
        );
        // Stored bytes stand in the file where the entry says.
        assert_eq!(file[found[0].data_offset as usize..][..12], *b"stored bytes");
        assert_eq!(read(&file, &found[0]).unwrap(), b"stored bytes");
        assert_eq!(read(&file, &found[1]).unwrap(), [7; 5000]);
        for entry in &found {
            entry.verify(&&file[..]).unwrap();
        }
        assert_eq!(found[1].read(&&file[..], 5000).unwrap(), [7; 5000]);
        assert_refused(found[1].read(&&file[..], 4999), Kind::TooLarge, "at most 4999");
    }
    assert!(zip::entries(&&archive(&[])[..]).unwrap().is_empty());
}

#[test]
fn a_comment_may_hold_the_mark_of_an_end() {
    let mut file = archive(&two());
    let comment = b"PK\x05\x06 is not an end record, and this one is long enough to be looked at as one";
    let place = file.len() - 2;
    file[place..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    file.extend(comment);
    assert_eq!(zip::entries(&&file[..]).unwrap().len(), 2);
    file.push(0);
    assert_refused(zip::entries(&&file[..]), Kind::Malformed, "no directory at its end");
}

#[test]
fn headers_that_disagree_are_refused() {
    let lie = |local: Local| Entry { local, ..stored("a", b"1234") };
    refused(
        &[lie(Local { name: Some(b"b".to_vec()), ..Local::default() })],
        Kind::Malformed,
        "calls itself \"b\"",
    );
    refused(&[lie(Local { method: Some(8), ..Local::default() })], Kind::Malformed, "stored otherwise");
    refused(&[lie(Local { crc: Some(1), ..Local::default() })], Kind::Malformed, "CRC-32 00000001");
    refused(&[lie(Local { length: Some(5), ..Local::default() })], Kind::Malformed, "5 bytes");
    refused(&[lie(Local { flags: Some(1), ..Local::default() })], Kind::Malformed, "stored otherwise");
    refused(&[lie(Local { flags: Some(8), ..Local::default() })], Kind::Malformed, "stored otherwise");
}

#[test]
fn impossible_entries_are_refused() {
    let one = || stored("a", b"1234");
    for flags in [1, 1 << 6, 1 << 13] {
        refused(&[Entry { flags, ..one() }], Kind::Unsupported, "is encrypted");
    }
    refused(&[Entry { flags: 1 << 5, ..one() }], Kind::Unsupported, "is a patch");
    refused(&[Entry { method: 12, ..one() }], Kind::Unsupported, "by method 12");
    refused(&[Entry { length: 5, ..one() }], Kind::Malformed, "cannot have 5 bytes, stored as 4");
    refused(&[Entry { method: 8, length: 4129, ..one() }], Kind::Malformed, "cannot have 4129 bytes");
    refused(&[one(), one()], Kind::Malformed, "\"a\" is there twice");
    refused(&[Entry { name: b"a\0b".to_vec(), ..one() }], Kind::Malformed, "zero byte");
    refused(&[Entry { name: b"".to_vec(), ..one() }], Kind::Malformed, "is empty");
    refused(&[Entry { name: b"\xff".to_vec(), ..one() }], Kind::Unsupported, "no UTF-8 name");
    refused(&[Entry { offset: Some(1 << 30), ..one() }], Kind::Malformed, "reaches into the directory");
    refused(&[Entry { offset: Some(u64::MAX - 8), zip64: true, ..one() }], Kind::Malformed, "reaches into");
    refused(&[Entry { offset: Some(1), ..one() }], Kind::Malformed, "no header at byte 1");
    refused(
        &[Entry { length: 1 << 40, compressed: 1 << 40, zip64: true, ..one() }],
        Kind::Malformed,
        "reaches into",
    );
}

#[test]
fn entries_may_not_share_bytes() {
    // The second entry's header and data lie inside the first one's data, as in a quine of bombs.
    let inner = archive(&[stored("b", b"inner")]);
    let end = inner.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let outer = stored("a", &inner[..end]);
    let data_offset = zip::entries(&&archive(std::slice::from_ref(&outer))[..]).unwrap()[0].data_offset;
    let second = Entry { offset: Some(data_offset), ..stored("b", b"inner") };
    refused(&[outer, second], Kind::Malformed, "\"b\" starts at byte");
}

#[test]
fn the_directory_must_be_as_its_end_says() {
    let good = archive(&two());
    let end = good.len() - 22;
    // WeightCounts, the disk's number, length and position of the directory.
    for (place, words) in [
        (end + 4, "several files"),
        (end + 8, "several files"),
        (end + 10, "several files"),
        (end + 12, "does not end where"),
        (end + 16, "does not end where"),
    ] {
        let mut file = good.clone();
        file[place] ^= 1;
        let kind = if words == "several files" { Kind::Unsupported } else { Kind::Malformed };
        assert_refused(zip::entries(&&file[..]), kind, words);
    }
    for (count, words) in [(1u8, "should end at byte"), (3, "ends within an entry")] {
        let mut file = good.clone();
        (file[end + 8], file[end + 10]) = (count, count);
        assert_refused(zip::entries(&&file[..]), Kind::Malformed, words);
    }
    // The two end records of zip64 must agree where the short one says anything.
    let wide = archive(&two().map(|entry| Entry { zip64: true, ..entry }));
    let mut file = wide.clone();
    let end = file.len() - 22;
    (file[end + 8], file[end + 10]) = (1, 1);
    assert_refused(zip::entries(&&file[..]), Kind::Malformed, "two end records differ");
    for place in end - 76..end - 20 {
        let mut file = wide.clone();
        file[place] ^= 0x55;
        // Versions and the maker's system mean nothing here.
        if !(end - 64..end - 60).contains(&place) {
            assert!(zip::entries(&&file[..]).is_err(), "byte {place} before {end}");
        }
    }
}

#[test]
fn too_many_entries() {
    let mut file = archive(&[Entry { zip64: true, ..stored("a", b"") }]);
    let place = file.len() - 22 - 20 - 56 + 24;
    for place in [place, place + 8] {
        file[place..place + 8].copy_from_slice(&(1u64 << 32).to_le_bytes());
    }
    let end = file.len() - 22;
    file[end + 8..end + 12].fill(0xff);
    assert_refused(zip::entries(&&file[..]), Kind::TooLarge, "4294967296 entries");
}

#[test]
fn damaged_streams_are_errors_when_they_are_read() {
    let bytes = noise(1, 3000);
    let stream = deflate(&bytes);
    let with = |stored: Vec<u8>, length: u64, crc: u32| Entry {
        compressed: stored.len() as u64,
        stored,
        length,
        crc,
        ..deflated("a", &bytes)
    };
    let crc = deflated("a", &bytes).crc;
    let longer = [&stream[..], b"more"].concat();
    for (entry, words) in [
        (with(stream.clone(), 3000, crc ^ 1), "has the CRC-32"),
        (with(stream.clone(), 2999, crc), "goes on behind its 2999 bytes"),
        (with(stream.clone(), 3001, crc), "ends after 3000 bytes"),
        (with(stream[..stream.len() - 1].to_vec(), 3000, crc), "is cut off"),
        (with(longer, 3000, crc), "compressed bytes"),
        (with(vec![0xff; 500], 3000, crc), "not a valid deflate stream"),
    ] {
        let file = archive(&[entry]);
        let entries = zip::entries(&&file[..]).unwrap();
        for result in [read(&file, &entries[0]).map(|_| ()), entries[0].verify(&&file[..])] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
    // A stored entry's checksum is compared where it is asked for.
    let lie = Local { crc: None, ..Local::default() };
    let file = archive(&[Entry { crc: 5, local: lie, ..stored("a", b"1234") }]);
    let entry = &zip::entries(&&file[..]).unwrap()[0];
    assert!(
        entry.verify(&&file[..]).unwrap_err().to_string().contains("instead of 00000005")
            || entry.verify(&&file[..]).unwrap_err().to_string().contains("the archive says 00000005")
    );
}

#[test]
fn a_bomb_costs_no_memory_and_goes_off_slowly() {
    let file = archive(&[deflated("bomb", &vec![0; 64 << 20])]);
    assert!(file.len() < 70_000);
    let (entries, peak) = peak::measure(|| zip::entries(&&file[..]).unwrap());
    assert!(peak < 1 << 20, "{peak}");
    let ((), peak) = peak::measure(|| entries[0].verify(&&file[..]).unwrap());
    assert!(peak < 1 << 20, "{peak}");
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    let good = archive(&two());
    for length in 0..good.len() {
        assert!(zip::entries(&&good[..length]).is_err(), "{length}");
    }
    let mut file = good.clone();
    for place in 0..file.len() {
        for change in 1..=255 {
            file[place] ^= change;
            if let Ok(entries) = zip::entries(&&file[..]) {
                for entry in entries {
                    let _ = read(&file, &entry);
                }
            }
            file[place] ^= change;
        }
    }
    assert_eq!(file, good);
}

proptest! {
    #[test]
    fn a_stream_is_read_in_any_order(
        seed in 0u64..1000,
        length in 1usize..200_000,
        reads in proptest::collection::vec((0.0f64..1.0, 0usize..70_000), 1..12),
    ) {
        // Half of it repeats, so that blocks of all kinds are there.
        let mut bytes = noise(seed, length);
        bytes[length / 2..].fill(3);
        let file = archive(&[deflated("a", &bytes)]);
        let entry = &zip::entries(&&file[..]).unwrap()[0];
        let whole = &file[..];
        let source = entry.open(&whole).unwrap();
        for (from, n) in reads {
            let from = (from * length as f64) as usize;
            let mut some = vec![0; n.min(length - from)];
            source.read_at(from as u64, &mut some).unwrap();
            prop_assert_eq!(&some[..], &bytes[from..from + some.len()]);
        }
        prop_assert!(source.read_at(length as u64, &mut [0]).is_err());
    }
}
