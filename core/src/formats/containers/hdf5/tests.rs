//! Damage by somebody who knows how checksums are made: each structure of the goldens is changed, and
//! sealed again. Checksums keep nobody from writing what they like.

use super::checksum::lookup3;
use crate::formats::error::ParseError;
use crate::formats::files::FileSet;
use crate::formats::parse;
use crate::metadata::Detail;
use crate::model::Model;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Signatures of structures that end with a checksum of all their bytes.
const SEALED: [&[u8; 4]; 13] = [
    b"\x89HDF", b"OHDR", b"OCHK", b"BTHD", b"BTIN", b"BTLF", b"FRHP", b"FHIB", b"FAHD", b"FADB", b"EAHD",
    b"EAIB", b"EASB",
];
/// The longest of them in the goldens.
const MAX_LENGTH: usize = 10_000;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/hdf5");
    std::fs::read(folder.join(name)).unwrap()
}

/// Where structures start, and where their checksums stand.
fn structures(bytes: &[u8]) -> Vec<(usize, usize)> {
    let starts = (0..bytes.len() - 4)
        .filter(|offset| SEALED.iter().any(|signature| bytes[*offset..].starts_with(*signature)));
    let sealed = starts.filter_map(|start| {
        let end = (start + 8..(start + MAX_LENGTH).min(bytes.len() - 3))
            .find(|end| bytes[*end..].starts_with(&lookup3(&bytes[start..*end]).to_le_bytes()))?;
        Some((start, end))
    });
    sealed.collect()
}

/// Opens bytes that may say anything, and reads what they hold.
fn survives(bytes: &[u8]) -> Result<Model, ParseError> {
    let start = Instant::now();
    let model = parse(&FileSet::single("model", Box::new(bytes)), None, Detail::Full);
    if let Ok(model) = &model {
        for tensor in model.tensors.iter().filter(|tensor| tensor.byte_length < 100_000) {
            let mut values = vec![0; tensor.byte_length as usize];
            // An error is as good as any bytes.
            let _ = tensor.open(&bytes).and_then(|source| source.read_at(0, &mut values));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    model
}

#[test]
fn sealed_damage_is_survived() {
    let (mut accepted, mut refused, mut kinds) = (0, 0, HashSet::new());
    for name in [
        "types-latest.h5",
        "many-links-v110.h5",
        "chunks-latest.h5",
        "many-chunks-latest.h5",
        "far-chunks.h5",
        "deep-tree.h5",
    ] {
        let mut bytes = golden(name);
        let structures = structures(&bytes);
        let mut change = |bytes: &mut Vec<u8>, (start, end): (usize, usize), offset: usize, new: &[u8]| {
            let old = bytes[start..end + 4].to_vec();
            let to = end.min(offset + new.len());
            bytes[offset..to].copy_from_slice(&new[..to - offset]);
            let seal = lookup3(&bytes[start..end]).to_le_bytes();
            bytes[end..end + 4].copy_from_slice(&seal);
            match survives(bytes) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
            bytes[start..end + 4].copy_from_slice(&old);
        };
        for (number, &(start, end)) in structures.iter().enumerate() {
            // There are many object headers and leaves, and few of each other kind.
            let kind = bytes[start..start + 4].to_vec();
            let is_common = matches!(&kind[..], b"OHDR" | b"BTLF");
            if !kinds.insert(kind) && is_common && number % 24 != 0 {
                continue;
            }
            let step = (end - start) / 16 + 1;
            for offset in (start + 4..end).step_by(step) {
                for new in [0, 1, 0x7f, 0xff, bytes[offset] ^ 1, bytes[offset] ^ 0x10] {
                    change(&mut bytes, (start, end), offset, &[new]);
                }
                change(&mut bytes, (start, end), offset, &[0xff; 4]);
            }
            // Every address in it leads to another structure, or back to this one.
            for offset in start + 4..end.saturating_sub(7) {
                let found = u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
                if found > 0 && found < bytes.len() as u64 {
                    let others = structures.iter().skip(number % 7).step_by(structures.len() / 12 + 1);
                    for other in others.chain([&structures[number]]) {
                        change(&mut bytes, (start, end), offset, &(other.0 as u64).to_le_bytes());
                    }
                }
            }
        }
        assert_eq!(bytes, golden(name));
        assert!(survives(&bytes).is_ok());
    }
    println!("{accepted} accepted, {refused} refused");
    assert_eq!(kinds.len(), SEALED.len());
    assert!(accepted > 0 && refused > 0);
}

#[test]
fn a_block_of_a_heap_has_one_size() {
    // Two entries of a table lead to the same block, though their rows may say different sizes.
    let original = golden("deep-tree.h5");
    let is_table = |found: &&(usize, usize)| original[found.0..].starts_with(b"FHIB");
    let &(start, end) = structures(&original).iter().find(is_table).unwrap();
    let entries: Vec<usize> = (start + 4 + 1 + 8 + 4..end).step_by(8).collect();
    let is_used = |offset: &&usize| original[**offset..**offset + 8] != [0xff; 8];
    let entries: Vec<usize> = entries.iter().filter(is_used).copied().collect();
    assert!(entries.len() > 8);
    for one in &entries {
        for two in entries.iter().filter(|two| *two != one) {
            let mut bytes = original.clone();
            bytes.copy_within(*one..*one + 8, *two);
            let seal = lookup3(&bytes[start..end]).to_le_bytes();
            bytes[end..end + 4].copy_from_slice(&seal);
            let message = survives(&bytes).unwrap_err().to_string();
            assert!(message.contains("fractal heap"), "{message}");
        }
    }
}
