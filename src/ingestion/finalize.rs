//! The last step of an ingestion: rebuilds every file from the store and compares its SHA-256, counts
//! the weights on the way, and publishes the model and its weight atoms in one transaction.

use super::Job;
use crate::access::{self, StoredModel};
use crate::errors::raise;
use crate::heap::{ColumnType, Table, bytea};
use crate::owner;
use crate::{statistics, store};
use atomizer_core::hash::Hash;
use atomizer_core::ingest::{Verified, VerifyPass};
use atomizer_core::segment::SegmentSlice;
use atomizer_core::weight_counts::{WeightAtomPolicy, WeightCounts, WeightReference, weight_references};
use pgrx::enum_helper::lookup_enum_by_label;
use pgrx::prelude::*;
use std::collections::HashSet;

/// Weight atoms written by one statement, so that its arrays stay small.
const UPSERT_ROWS: usize = 100_000;

/// Verifies the job's model, publishes it, and marks the job complete.
pub fn finalize(job: &Job) {
    let model = access::load(job.model_id);
    let policy = match job.granularity.as_str() {
        "weight" => WeightAtomPolicy::All,
        "tensor" => WeightAtomPolicy::None,
        _ => WeightAtomPolicy::Auto,
    };
    let mut pass = VerifyPass::new(policy, model.tensors.iter().map(|t| (t.dtype, t.weight_count as u64)));
    let go_through = |pass: &mut VerifyPass, slices: &mut dyn Iterator<Item = SegmentSlice>| {
        store::for_each_batch(
            slices,
            |slices, encoded| pass.add(slices, encoded),
            |_, counts| add_references(&counts, 1),
        );
    };
    for (index, file) in model.files.iter().enumerate() {
        go_through(&mut pass, &mut store::file_slices(&model, index));
        if pass.finish_file() != file.sha256 {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!(
                    "file \"{}\" of model \"{}\" does not rebuild to its SHA-256",
                    file.file_name, model.model_name
                ),
                "The source changed during the ingestion, or the store is damaged: run check_integrity(), and start over with reset_ingestion_job().",
            );
        }
    }
    // Tensors that are computed from their files are stored beside them.
    for (index, tensor) in model.tensors.iter().enumerate().filter(|(_, tensor)| tensor.range().is_none()) {
        go_through(&mut pass, &mut store::tensor_slices(tensor, index));
        if pass.finish_file() != tensor.content_hash {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!(
                    "tensor \"{}\" of model \"{}\" does not have its SHA-256",
                    tensor.layer_name, model.model_name
                ),
                "The store is damaged: run check_integrity(), and start over with reset_ingestion_job().",
            );
        }
    }
    let verified = pass.finish();
    add_references(&verified.counts, 1);
    publish(job, &model, verified);
    statistics::analyze_unknown(&["atom", "tensor_atom", "model", "model_file"]);
}

/// Adds occurrences to weight atoms, `sign` times: 1 when a model comes, −1 when it goes.
/// Only one transaction at a time does so: popular weights are everybody's, and without a lock two
/// such steps that flush their counts part by part could wait for each other in a circle.
fn add_references(counts: &WeightCounts, sign: i64) {
    if counts.is_empty() {
        return;
    }
    let references = weight_references(counts);
    owner::run(|client| {
        owner::execute(client, "SELECT pg_advisory_xact_lock(hashtextextended('atomizer.fold', 0))", &[]);
    });
    for slice in references.chunks(UPSERT_ROWS) {
        pgrx::check_for_interrupts!();
        let hashes: Vec<&[u8]> = slice.iter().map(|weight| &weight.hash[..]).collect();
        let counts: Vec<i64> = slice.iter().map(|weight| weight.count as i64 * sign).collect();
        // Each slice is a run of its own, which frees what it read: 30 MB.
        owner::run(|client| {
            // Nobody else adds weight atoms under the lock. An atom that is being collected as garbage
            // is waited for, and made again.
            let known: HashSet<Hash> = owner::execute(
                client,
                "UPDATE atomizer.atom a SET reference_count = a.reference_count + u.n \
                 FROM (SELECT unnest($1::bytea[]) AS h, unnest($2::bigint[]) AS n) u \
                 WHERE a.content_hash = ANY($1) AND a.content_hash = u.h AND a.kind = 'weight' RETURNING a.content_hash",
                &[hashes.into(), counts.into()],
            )
            .map(|row| access::hash(&row, 1))
            .collect();
            if sign > 0 {
                insert_weights(slice.iter().filter(|weight| !known.contains(&weight.hash)));
            }
        });
    }
}

/// Inserts new weight atoms, in the order of their keys.
fn insert_weights<'a>(mut weights: impl Iterator<Item = &'a WeightReference>) {
    let columns = [
        ("content_hash", ColumnType::Bytea),
        ("kind", ColumnType::Enum("atom_kind")),
        ("byte_length", ColumnType::Bigint),
        ("reference_count", ColumnType::Bigint),
        ("segment_count", ColumnType::Integer),
        ("atomic_value", ColumnType::Bytea),
        ("modality", ColumnType::Text),
        ("created_at", ColumnType::Timestamptz),
    ];
    let table = Table::open(c"atom", pg_sys::RowExclusiveLock, &columns);
    let kind = lookup_enum_by_label("atomizer.atom_kind", "weight");
    // SAFETY: a plain call within a transaction.
    let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    table.insert(|| {
        let weight = weights.next()?;
        let value = weight.value.as_bytes();
        Some([
            bytea(&weight.hash),
            kind,
            (value.len() as i64).into(),
            (weight.count as i64).into(),
            0.into(),
            bytea(value),
            "model".into_datum().expect("text is not null"),
            now.into(),
        ])
    });
    table.close();
}

fn publish(job: &Job, model: &StoredModel, verified: Verified) {
    let Verified { weight_atom_dtypes, sparsity, .. } = verified;
    let names: Vec<&str> = weight_atom_dtypes.iter().map(|dtype| dtype.name()).collect();
    let ids: Vec<i64> = model.tensors.iter().map(|tensor| tensor.tensor_atom_id).collect();
    owner::run(|client| {
        owner::execute(
            client,
            "UPDATE atomizer.tensor_atom t SET has_weight_atoms = t.data_type::text = ANY($3), sparsity = u.s, \
             valid_from = now() FROM unnest($1::bigint[], $2::float8[]) AS u(id, s) WHERE t.tensor_atom_id = u.id",
            &[ids.into(), sparsity.into(), names.into()],
        );
        owner::execute(
            client,
            "UPDATE atomizer.model SET is_complete = true, completed_at = clock_timestamp() WHERE model_id = $1",
            &[job.model_id.into()],
        );
        owner::execute(
            client,
            "UPDATE atomizer.ingestion_job SET job_status = 'Complete', completed_at = clock_timestamp(), \
             lease_token = NULL, lease_expires_at = NULL, lease_pid = NULL, lease_backend_start = NULL, \
             error_code = NULL, error_message = NULL WHERE ingestion_job_id = $1",
            &[job.ingestion_job_id.into()],
        );
    });
}

/// Occurrences of the weights of a complete model's tensors that have weight atoms; a weight may come
/// more than once, with a part of its count each time.
pub fn weight_counts(model: &StoredModel) -> WeightCounts {
    let tensors: Vec<_> = model.tensors.iter().filter(|tensor| tensor.has_weight_atoms).collect();
    let slices = tensors.iter().enumerate().flat_map(|(index, tensor)| store::tensor_slices(tensor, index));
    let mut pass =
        VerifyPass::new(WeightAtomPolicy::All, tensors.iter().map(|t| (t.dtype, t.weight_count as u64)));
    let mut all = WeightCounts::new();
    store::for_each_batch(
        slices,
        |slices, encoded| pass.add(slices, encoded),
        |_, counts| all.extend(counts),
    );
    all.extend(pass.finish().counts);
    all
}

/// Takes a model's weights out of the weight atoms' counts: the reverse of [`finalize`].
#[pg_extern(schema = "atomizer_internal", name = "release_weight_refs", volatile, parallel_unsafe)]
pub fn _release_weight_refs(model_id: i64) {
    crate::threads::start();
    add_references(&weight_counts(&access::load(model_id)), -1);
}
