//! One pass over a file: its SHA-256, that of each tensor in it, and that of all other bytes.

use crate::file_layout::{Part, Range, parts};
use crate::hash::{Hash, Hasher};
use crate::source::{Source, SourceError};

/// Bytes read at a time: few enough to be in the cache still when they are hashed.
const SLICE_BYTES: u64 = 2 << 20;

/// The SHA-256 of a whole source, read front to back. `progress` is told the bytes done after each
/// slice, and may end the work by an error.
///
/// # Errors
/// What the source or `progress` say.
pub fn content_digest<E: From<SourceError>>(
    source: &dyn Source,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<Hash, E> {
    let (mut hasher, mut slice, mut at) = (Hasher::default(), Vec::new(), 0);
    while at < source.len() {
        slice.resize(SLICE_BYTES.min(source.len() - at) as usize, 0);
        source.read_at(at, &mut slice)?;
        hasher.update(&slice);
        at += slice.len() as u64;
        progress(at)?;
    }
    Ok(hasher.finish())
}

/// The digests of one file.
pub struct FileDigests {
    /// Of the whole file.
    pub file: Hash,
    /// Of each tensor, in the order they were given.
    pub tensors: Vec<Hash>,
    /// Of the bytes outside of tensors, one behind the other.
    pub blob: Hash,
}

/// Reads a file once, front to back. `tensors` are in the order of their first bytes and do not
/// overlap. `progress` is told the bytes done after each slice, and may end the work by an error.
///
/// # Errors
/// What the source or `progress` say.
pub fn file_digests<E: From<SourceError>>(
    source: &dyn Source,
    tensors: &[Range],
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<FileDigests, E> {
    let mut file = Hasher::default();
    let mut hashers = vec![Hasher::default(); tensors.len()];
    let mut blob = Hasher::default();
    let mut slices = parts(source.len(), tensors).into_iter().flat_map(|((start, length), part)| {
        (0..length.div_ceil(SLICE_BYTES)).map(move |no| {
            let at = no * SLICE_BYTES;
            (start + at, SLICE_BYTES.min(length - at), part)
        })
    });
    // Two threads hash one slice while the caller's own reads the next. Each digest is a chain of its
    // own, so two are all that can help.
    let (mut slice, mut next) = (Vec::new(), Vec::new());
    let mut read = |buffer: &mut Vec<u8>| -> Result<_, SourceError> {
        let Some((start, length, part)) = slices.next() else { return Ok(None) };
        buffer.resize(length as usize, 0);
        source.read_at(start, buffer)?;
        Ok(Some((start + length, part)))
    };
    let mut current = read(&mut slice)?;
    while let Some((end, part)) = current {
        let content = match part {
            Part::Tensor(no, _) => &mut hashers[no],
            Part::Blob(_) => &mut blob,
        };
        let hash = || rayon::join(|| file.update(&slice), || content.update(&slice));
        let (_, following) = crate::parallel::run_on_pool_while(hash, || read(&mut next));
        current = following?;
        std::mem::swap(&mut slice, &mut next);
        progress(end)?;
    }
    Ok(FileDigests {
        file: file.finish(),
        tensors: hashers.into_iter().map(Hasher::finish).collect(),
        blob: blob.finish(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn each_part_has_its_own_digest() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| ((i * i) >> 3) as u8).collect();
        let source = &bytes[..];
        let tensors = [(10, 100_000), (100_010, 0), (150_000, 70_000)];
        let mut seen = 0;
        let found = file_digests::<SourceError>(&source, &tensors, |done| {
            seen = done;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, 300_000);
        assert_eq!(found.file, sha256(&bytes));
        for ((start, length), hash) in tensors.iter().zip(&found.tensors) {
            assert_eq!(*hash, sha256(&bytes[*start as usize..(start + length) as usize]));
        }
        let rest = [&bytes[..10], &bytes[100_010..150_000], &bytes[220_000..]].concat();
        assert_eq!(found.blob, sha256(&rest));
    }
}
