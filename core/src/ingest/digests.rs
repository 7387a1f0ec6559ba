//! One pass over the files of a model: the SHA-256 of each file, of each tensor, and of each file's
//! bytes outside of tensors.

use crate::byte_range::ByteRange;
use crate::file_layout::{FileSpan, Filling, gaps, spans};
use crate::hash::{Hash, Hasher};
use crate::model::Tensor;
use crate::source::{Source, SourceError};
use std::collections::BTreeMap;

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
    let (mut hasher, mut slice, mut done) = (Hasher::default(), Vec::new(), 0);
    while done < source.len() {
        slice.resize(SLICE_BYTES.min(source.len() - done) as usize, 0);
        source.read_at(done, &mut slice)?;
        hasher.update(&slice);
        done += slice.len() as u64;
        progress(done)?;
    }
    Ok(hasher.finish())
}

/// The digests of one file.
pub struct FileDigests {
    /// Of the whole file.
    pub file: Hash,
    /// Of each tensor, in the order they were given.
    pub tensors: Vec<Hash>,
    /// Of the bytes outside of tensors, one after the other.
    pub blob: Hash,
}

/// Reads a file once, front to back. `tensors` are in the order of their first bytes and do not
/// overlap. `progress` is told the bytes done after each slice, and may end the work by an error.
///
/// # Errors
/// What the source or `progress` say.
pub fn file_digests<E: From<SourceError>>(
    source: &dyn Source,
    tensors: &[ByteRange],
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<FileDigests, E> {
    let mut file = Hasher::default();
    let mut hashers = vec![Hasher::default(); tensors.len()];
    let mut blob = Hasher::default();
    let mut slices = spans(source.len(), tensors).into_iter().flat_map(|FileSpan { range, filling }| {
        (0..range.len.div_ceil(SLICE_BYTES)).map(move |step| {
            let done = step * SLICE_BYTES;
            (range.offset + done, SLICE_BYTES.min(range.len - done), filling)
        })
    });
    // Two threads hash one slice while the caller's own reads the next. Each digest is a chain of its
    // own, so two are all that can help.
    let (mut slice, mut next) = (Vec::new(), Vec::new());
    let mut read = |buffer: &mut Vec<u8>| -> Result<_, SourceError> {
        let Some((start, length, filling)) = slices.next() else { return Ok(None) };
        buffer.resize(length as usize, 0);
        source.read_at(start, buffer)?;
        Ok(Some((start + length, filling)))
    };
    let mut current = read(&mut slice)?;
    while let Some((end, filling)) = current {
        let content = match filling {
            Filling::Tensor(index, _) => &mut hashers[index],
            Filling::Blob(_) => &mut blob,
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

/// The digests of a model's contents.
pub struct ModelDigests {
    /// Of each file.
    pub files: Vec<FileDigests>,
    /// Of each tensor, in the order of the model's.
    pub tensors: Vec<Hash>,
}

/// Where the tensors of one file stand in it, in order.
fn ranges_in(tensors: &[Tensor], file_no: usize) -> Vec<ByteRange> {
    tensors.iter().filter(|tensor| tensor.file_no == file_no).filter_map(Tensor::range).collect()
}

/// Reads every file of a model once, and every tensor that is computed. `tensors` come in the order of
/// files and, within a file, of their first bytes; `open` opens those that are computed. `progress` is
/// told the bytes done, of the files' and the computed tensors' together.
///
/// # Errors
/// What a source or `progress` say.
///
/// # Panics
/// If a tensor is of a file that is not there.
pub fn model_digests<'a, E: From<SourceError>>(
    files: &[&dyn Source],
    tensors: &[Tensor],
    open: impl Fn(&Tensor) -> Result<Box<dyn Source + 'a>, SourceError>,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<ModelDigests, E> {
    let (mut before, mut of_files) = (0, Vec::new());
    for (file_no, source) in files.iter().enumerate() {
        let ranges = ranges_in(tensors, file_no);
        of_files.push(file_digests(*source, &ranges, |done| progress(before + done))?);
        before += source.len();
    }
    // Tensors that stand in their files come in the order in which their ranges were given above.
    let mut found: Vec<_> = of_files.iter().map(|digests| digests.tensors.iter()).collect();
    let mut of_tensors = Vec::new();
    for tensor in tensors {
        of_tensors.push(if tensor.range().is_some() {
            *found[tensor.file_no].next().expect("every range has its digest")
        } else {
            let source = open(tensor)?;
            let digest = content_digest(&*source, |done| progress(before + done))?;
            before += tensor.byte_length;
            digest
        });
    }
    Ok(ModelDigests { files: of_files, tensors: of_tensors })
}

/// What kind of atom a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentKind {
    /// A file's bytes outside of tensors.
    Blob,
    /// A tensor.
    Tensor,
}

impl ContentKind {
    /// The label in the enum `atom_kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tensor => "tensor",
        }
    }
}

/// How often a model refers to one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentReference {
    /// The content.
    pub hash: Hash,
    /// What kind of atom it is.
    pub kind: ContentKind,
    /// Its length in bytes.
    pub byte_length: u64,
    /// Number of tensors or files that refer to it.
    pub count: u64,
}

/// The references of a model to its contents, sorted by content, then kind. `file_lengths` are the
/// files' own.
pub fn content_references(
    file_lengths: &[u64],
    tensors: &[Tensor],
    digests: &ModelDigests,
) -> Vec<ContentReference> {
    let mut references = BTreeMap::new();
    let mut add = |hash: Hash, kind, byte_length| {
        let reference = ContentReference { hash, kind, byte_length, count: 0 };
        references.entry((hash, kind)).or_insert(reference).count += 1;
    };
    for (tensor, hash) in tensors.iter().zip(&digests.tensors) {
        add(*hash, ContentKind::Tensor, tensor.byte_length);
    }
    for (file_no, (file, length)) in digests.files.iter().zip(file_lengths).enumerate() {
        let gaps = gaps(*length, &ranges_in(tensors, file_no));
        add(file.blob, ContentKind::Blob, gaps.iter().map(|gap| gap.len).sum());
    }
    references.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn each_part_has_its_own_digest() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| ((i * i) >> 3) as u8).collect();
        let source = &bytes[..];
        let tensors =
            [(10, 100_000), (100_010, 0), (150_000, 70_000)].map(|(offset, len)| ByteRange::new(offset, len));
        let mut seen = 0;
        let found = file_digests::<SourceError>(&source, &tensors, |done| {
            seen = done;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, 300_000);
        assert_eq!(found.file, sha256(&bytes));
        for (range, hash) in tensors.iter().zip(&found.tensors) {
            assert_eq!(*hash, sha256(&bytes[range.offset as usize..range.end() as usize]));
        }
        let rest = [&bytes[..10], &bytes[100_010..150_000], &bytes[220_000..]].concat();
        assert_eq!(found.blob, sha256(&rest));
    }

    fn tensor(file_no: usize, range: Option<(u64, u64)>) -> Tensor {
        let (offset, byte_length) = range.unwrap_or((0, 4));
        Tensor {
            name: "t".into(),
            shape: vec![byte_length],
            dtype: crate::dtype::Dtype::U8,
            file_no,
            offset,
            byte_length,
            weight_count: byte_length,
            lazy: range.is_none().then(|| std::sync::Arc::new(FirstFour) as _),
            affine: None,
        }
    }

    /// The first four bytes of the file, as a tensor that is computed.
    #[derive(Debug)]
    struct FirstFour;

    impl crate::lazy_tensor::LazyTensor for FirstFour {
        fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
            Ok(Box::new(crate::file_layout::Ranges::new(file, [ByteRange::new(0, 4)])))
        }
    }

    #[test]
    fn each_tensor_of_each_file_has_its_digest_and_its_references() {
        let (one, two): (Vec<u8>, Vec<u8>) = ((0..100).collect(), (0..50).collect());
        let (source_one, source_two) = (&one[..], &two[..]);
        let tensors = [
            tensor(0, Some((10, 20))),
            tensor(0, None),
            tensor(0, Some((30, 20))),
            tensor(1, Some((10, 20))),
            tensor(1, None),
        ];
        let mut seen = Vec::new();
        let files: [&dyn Source; 2] = [&source_one, &source_two];
        let open = |tensor: &Tensor| tensor.open(files[tensor.file_no]);
        let digests = model_digests::<SourceError>(&files, &tensors, open, |done| {
            seen.push(done);
            Ok(())
        })
        .unwrap();
        let of_ten = sha256(&one[10..30]);
        let expected = [of_ten, sha256(&one[..4]), sha256(&one[30..50]), of_ten, sha256(&one[..4])];
        assert_eq!(digests.tensors, expected);
        assert_eq!(digests.files[1].file, sha256(&two));
        assert!(seen.is_sorted() && seen.last() == Some(&158), "{seen:?}");
        let references = content_references(&[100, 50], &tensors, &digests);
        let count = |hash: Hash, kind| {
            let found: Vec<_> =
                references.iter().filter(|found| (found.hash, found.kind) == (hash, kind)).collect();
            assert_eq!(found.len(), 1);
            (found[0].byte_length, found[0].count)
        };
        assert_eq!(references.len(), 5);
        assert!(references.is_sorted_by_key(|reference| (reference.hash, reference.kind)));
        assert_eq!(count(of_ten, ContentKind::Tensor), (20, 2));
        assert_eq!(count(sha256(&one[..4]), ContentKind::Tensor), (4, 2));
        assert_eq!(count(digests.files[0].blob, ContentKind::Blob), (60, 1));
        assert_eq!(count(sha256(&[&two[..10], &two[30..]].concat()), ContentKind::Blob), (30, 1));
    }
}
