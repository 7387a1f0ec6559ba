//! Giving files back, and proving that they are what came in.

use crate::access::{self, StoredModel};
use crate::errors::{raise, require_arg};
use crate::names::ModelId;
use crate::owner;
use crate::progress;
use crate::server_file::{NewFile, WITHOUT_PATH, check_free, check_may_write};
use crate::server_path::ServerPath;
use crate::store;
use atomizer_core::hash::Hasher;
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::segment::MAX_CONTENT_BYTES;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;
use std::path::Path;

/// Rebuilds one file piece by piece; an error unless the whole has the recorded SHA-256.
pub fn rebuild(model: &StoredModel, file_no: i32, mut piece: impl FnMut(&[u8])) {
    let subject = progress::Subject::model(model.model_id);
    let total = model.files[file_no as usize].byte_length as u64;
    let _shown = progress::function(Work::Export, subject, Phase::Writing, Unit::Bytes, total);
    let mut hasher = Hasher::default();
    store::for_each_bytes(store::file_slices(model, file_no as usize), |bytes| {
        hasher.update(bytes);
        piece(bytes);
    });
    check_whole(model, file_no, hasher);
}

/// Raises an error unless all bytes of the file went into the hasher.
fn check_whole(model: &StoredModel, file_no: i32, hasher: Hasher) {
    let file = &model.files[file_no as usize];
    if hasher.finish() != file.sha256 {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            format!(
                "file \"{}\" of model \"{}\" does not rebuild to its SHA-256",
                file.file_name, model.model_name
            ),
            "Run check_integrity() to find every damaged content.",
        );
    }
}

/// Most names of files in a hint.
const MAX_NAMES: usize = 20;

/// The model and the number of one of its files: the only one where no number is given.
fn open(model_id: i64, file_no: Option<i32>) -> (StoredModel, i32) {
    crate::threads::start();
    let model = access::complete_model(model_id);
    let count = model.files.len();
    match file_no {
        Some(file_no) if usize::try_from(file_no).is_ok_and(|index| index < count) => (model, file_no),
        None if count == 1 => (model, 0),
        Some(file_no) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "model \"{}\" has no file {file_no}: its {count} files are counted from 0",
                model.model_name
            ),
            &files_hint(&model),
        ),
        None => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("model \"{}\" has {count} files, and file_no does not say which one", model.model_name),
            &format!("export_model() writes all of them. {}", files_hint(&model)),
        ),
    }
}

fn files_hint(model: &StoredModel) -> String {
    let names = (0..).zip(&model.files).take(MAX_NAMES);
    let names: Vec<_> =
        names.map(|(file_no, file)| format!("file_no => {file_no} is \"{}\"", file.file_name)).collect();
    let more = if model.files.len() > MAX_NAMES { ", …" } else { "" };
    format!("{}{more}.", names.join(", "))
}

#[pg_extern(volatile, parallel_unsafe, cost = 10000)]
fn export_model_file(
    model: Option<ModelId>,
    path: default!(Option<ServerPath>, "NULL"),
    file_no: default!(Option<i32>, "NULL"),
    overwrite: default!(Option<bool>, "false"),
) -> Option<pg_sys::Oid> {
    let model_id = require_arg("model", model).0;
    let overwrite = require_arg("overwrite", overwrite);
    match path {
        Some(path) => {
            export_to_path(model_id, &path, file_no, overwrite);
            None
        }
        None => {
            owner::check_writable(
                "export_model_file() without path",
                "Or give a path on this server, or get the bytes with read_model_file().",
            );
            Some(export_to_large_object(model_id, file_no))
        }
    }
}

/// What `read_model_file` does, which is a statement around it in SQL, so that it streams in `FROM`, too.
#[pg_extern(schema = "atomizer_internal", name = "read_model_file", stable, parallel_safe, cost = 10000)]
fn _read_model_file(
    model: Option<ModelId>,
    file_no: Option<i32>,
) -> TableIterator<'static, (name!(piece_no, i32), name!(bytes, Vec<u8>))> {
    let model_id = require_arg("model", model).0;
    let (model, file_no) = open(model_id, file_no);
    let mut pieces = store::pieces(store::file_slices(&model, file_no as usize)).zip(0..);
    let mut hasher = Some(Hasher::default());
    TableIterator::new(std::iter::from_fn(move || {
        let Some((bytes, piece_no)) = pieces.next() else {
            hasher.take().into_iter().for_each(|hasher| check_whole(&model, file_no, hasher));
            return None;
        };
        hasher.as_mut()?.update(&bytes);
        Some((piece_no, bytes))
    }))
}

fn export_to_path(model_id: i64, target: &Path, file_no: Option<i32>, overwrite: bool) {
    check_may_write(target, WITHOUT_PATH);
    check_free(target, overwrite);
    let (model, file_no) = open(model_id, file_no);
    let mut file = NewFile::create(target);
    rebuild(&model, file_no, |bytes| file.write(bytes));
    file.finish(overwrite);
}

fn export_to_large_object(model_id: i64, file_no: Option<i32>) -> pg_sys::Oid {
    let (model, file_no) = open(model_id, file_no);
    make_large_object(|piece| rebuild(&model, file_no, piece))
}

/// The comment of large objects that exports made: `storage_summary` knows them by it. It must not name a model:
/// everybody reads comments.
const EXPORT_COMMENT: &std::ffi::CStr = c"atomizer export";
/// The oid of the catalog `pg_largeobject`, fixed in Postgres' `pg_largeobject.h`.
const PG_LARGEOBJECT: u32 = 2613;

/// Makes a large object that belongs to the caller, of the pieces that `fill` hands out.
pub fn make_large_object(fill: impl FnOnce(&mut dyn FnMut(&[u8]))) -> pg_sys::Oid {
    const INV_WRITE: i32 = 0x2_0000;
    // SAFETY: SQL-callable functions, called with the arguments their SQL signatures name, and a plain call that copies
    // the comment.
    unsafe {
        let oid: pg_sys::Oid =
            pgrx::direct_function_call(pg_sys::be_lo_create, &[pg_sys::InvalidOid.into_datum()])
                .expect("lo_create returns no null");
        let fd: i32 =
            pgrx::direct_function_call(pg_sys::be_lo_open, &[oid.into_datum(), INV_WRITE.into_datum()])
                .expect("lo_open returns no null");
        fill(&mut |bytes| {
            PgMemoryContexts::new("atomizer export").switch_to(|_| {
                pgrx::direct_function_call::<i32>(pg_sys::be_lowrite, &[fd.into_datum(), bytes.into_datum()]);
            });
        });
        pgrx::direct_function_call::<i32>(pg_sys::be_lo_close, &[fd.into_datum()]);
        pg_sys::CreateComments(oid, PG_LARGEOBJECT.into(), 0, EXPORT_COMMENT.as_ptr());
        oid
    }
}

#[allow(clippy::type_complexity)]
#[pg_extern(volatile, parallel_safe, cost = 10000)]
fn verify_model(
    model: ModelId,
) -> TableIterator<
    'static,
    (
        name!(file_no, i32),
        name!(file_name, String),
        name!(byte_length, i64),
        name!(sha256, Vec<u8>),
        name!(is_identical, bool),
    ),
> {
    crate::threads::start();
    let model = access::complete_model(model.0);
    let total = model.files.iter().map(|file| file.byte_length as u64).sum();
    let subject = progress::Subject::model(model.model_id);
    let _shown = progress::function(Work::Verify, subject, Phase::Verifying, Unit::Bytes, total);
    let rows: Vec<_> = (0..model.files.len())
        .map(|index| {
            let mut hasher = Hasher::default();
            store::for_each_bytes(store::file_slices(&model, index), |bytes| hasher.update(bytes));
            let (file, found) = (&model.files[index], hasher.finish());
            (index as i32, file.file_name.clone(), file.byte_length, found.to_vec(), found == file.sha256)
        })
        .collect();
    TableIterator::new(rows)
}

/// The SHA-256 of a stored content, for `check_integrity()`; null when segments are missing or damaged.
#[pg_extern(schema = "atomizer_internal", name = "stored_sha256", volatile, parallel_safe)]
fn _stored_sha256(content_hash: &[u8], byte_length: i64) -> Option<Vec<u8>> {
    crate::threads::start();
    let hash = content_hash.try_into().ok()?;
    if !(0..=MAX_CONTENT_BYTES as i64).contains(&byte_length) {
        return None;
    }
    store::sha256_of(hash, byte_length as u64).map(|found| found.to_vec())
}

/// What the weight atoms' counts should be, for `check_integrity()`.
#[pg_extern(schema = "atomizer_internal", name = "model_weight_counts", volatile, parallel_safe)]
fn _model_weight_counts(
    model_id: i64,
) -> TableIterator<'static, (name!(content_hash, Vec<u8>), name!(weight_count, i64))> {
    crate::threads::start();
    let counts = crate::ingestion::weight_counts(&access::load(model_id));
    TableIterator::new(counts.into_iter().map(|(width, bits, count)| {
        let value = atomizer_core::weights::AtomicValue::from_bits(width, bits);
        (value.hash().to_vec(), count as i64)
    }))
}
