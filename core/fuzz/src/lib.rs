//! What the fuzz targets share: opening a model's files, and reading its tensors, at a fair price.

#[path = "../../tests/engine/common/mod.rs"]
pub mod common;

use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use atomizer_core::model::{Format, Model};
use atomizer_core::source::Source;
use common::{assert_sane, fits_a_log, peak};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: peak::Counting = peak::Counting;

/// What opening may allocate besides the files' own length, as in `tests/engine/damage.rs`.
const ALLOWANCE: usize = 4 << 20;
/// Bytes of tensors that are read of a model: enough for every codec, and still thousands of models a second.
const READ_BYTES: u64 = 16 << 10;
const PIECE_BYTES: u64 = 4 << 10;

/// Seconds of processor time that one input may take: unlike libFuzzer's own limit, on a busy machine, too.
const MAX_SECONDS: i64 = 1;

/// Runs `work` on an input; it must not take long.
pub fn promptly(work: impl FnOnce()) {
    let seconds = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
    let begun = seconds();
    work();
    assert!(seconds() - begun <= MAX_SECONDS, "an input took {} s", seconds() - begun);
}

/// Opens one file's bytes as a model of this format, and reads its tensors.
pub fn check(bytes: &[u8], format: Format) {
    check_files(&[("model", bytes)], format);
}

/// Opens files that belong together; whatever stands in them, the answer is a sane model or a tidy
/// message, for no more memory than they are worth.
pub fn check_files(files: &[(&str, &[u8])], format: Format) {
    promptly(|| open_and_read(files, format));
}

fn open_and_read(files: &[(&str, &[u8])], format: Format) {
    let length = files.iter().map(|(_, bytes)| <[u8]>::len(bytes)).sum::<usize>();
    let (result, peak) = peak::measure(|| open(files, format));
    assert!(peak <= length + ALLOWANCE, "{length} bytes cost {peak}");
    match result {
        Err(error) => assert!(fits_a_log(&error.to_string()), "{error:?}"),
        Ok(model) => {
            assert_sane(&model, <[u8]>::len(files[0].1));
            verify_checksums(files);
            let ((), peak) = peak::measure(|| read(&model, files));
            // A chunk of HDF5 is held as a whole, and deflate makes up to 1032 bytes of one.
            let ratio = if format == Format::TensorFlow { 1032 } else { 1 };
            assert!(peak <= ratio * length + ALLOWANCE, "reading {length} bytes cost {peak}");
        }
    }
}

/// Compares the checksums of weights, as ingestion does.
fn verify_checksums(files: &[(&str, &[u8])]) {
    let files = set(files);
    let sums = formats::checksums(&files).unwrap_or_default();
    sums.iter().for_each(|sum| drop(sum.verify::<ParseError>(&files, |_| Ok(()))));
}

fn set<'a>(files: &[(&str, &'a [u8])]) -> FileSet<'a> {
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Box::new(*bytes) as Box<dyn Source>));
    FileSet::from_files(files.collect())
}

fn open(files: &[(&str, &[u8])], format: Format) -> Result<Model, ParseError> {
    formats::parse(&set(files), Some(format), Detail::Full)
}

/// Reads the start and the end of each tensor, until there were enough.
fn read(model: &Model, files: &[(&str, &[u8])]) {
    let mut piece = vec![0; PIECE_BYTES as usize];
    let mut left = READ_BYTES;
    for tensor in &model.tensors {
        let Ok(source) = tensor.open(&files[tensor.file_no].1) else { continue };
        assert_eq!(source.len(), tensor.byte_length, "{}", tensor.name);
        let n = source.len().min(PIECE_BYTES);
        // What comes before the end has to be decompressed to get there.
        let last = source.len() - n;
        for offset in [Some(0), (last > 0 && last < READ_BYTES).then_some(last)].into_iter().flatten() {
            if let Err(error) = source.read_at(offset, &mut piece[..n as usize]) {
                assert!(fits_a_log(&error.to_string()), "{error:?}");
            }
        }
        left = left.saturating_sub(n.max(64));
        if left == 0 {
            break;
        }
    }
}
