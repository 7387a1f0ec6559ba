//! The fold: rebuilds every file from the store and compares its SHA-256, counts the weights on the
//! way, and publishes the model and its weight atoms in one transaction.

use super::Job;
use crate::access::{self, StoredModel};
use crate::errors::{OrRaise, raise};
use crate::owner;
use crate::store::{self, BATCH_SEGMENTS};
use atomizer_core::census::{Census, Choice, Counts, Feed};
use atomizer_core::codec::SEGMENT_BYTES;
use atomizer_core::hash::Hasher;
use atomizer_core::parallel;
use atomizer_core::quant::Dtype;
use atomizer_core::weights::AtomicValue;
use pgrx::prelude::*;

/// Weight atoms written by one statement, so that its arrays stay small.
const UPSERT_ROWS: usize = 100_000;

/// Verifies the job's model, publishes it, and marks the job complete.
pub fn fold(job: &Job) {
    let model = access::load(job.model_id);
    let choice = match job.granularity.as_str() {
        "weight" => Choice::Everything,
        "tensor" => Choice::Nothing,
        _ => Choice::Sharing,
    };
    let mut census = Census::new(choice, model.tensors.iter().map(|t| (t.dtype, t.weight_count as u64)));
    let zeros = scan(&model, &mut census, |counts| add_references(&counts, 1));
    let (chosen, counts) = census.finish();
    add_references(&counts, 1);
    publish(job, &model, &chosen, &zeros);
}

/// Goes through the stored bytes of every file in order, checks each file's SHA-256, and feeds every
/// tensor to the census. Returns the zeros of each tensor. `overflow` takes counts that the census
/// hands over when its memory is full.
fn scan(model: &StoredModel, census: &mut Census, mut overflow: impl FnMut(Counts)) -> Vec<u64> {
    let mut feeds: Vec<Feed> = model.tensors.iter().map(|_| Feed::default()).collect();
    for (no, file) in model.files.iter().enumerate() {
        let mut hasher = Hasher::default();
        for part in store::file_parts(model, no as i32) {
            let segment = SEGMENT_BYTES as u64;
            let (from, to) = (part.start, part.start + part.length);
            let mut first = from / segment;
            while first < to.div_ceil(segment) {
                pgrx::check_for_interrupts!();
                let end = to.div_ceil(segment).min(first + BATCH_SEGMENTS as u64);
                let (decoded, ()) = store::read_segments(&part.hash, first, end, || ());
                let bytes = decoded.concat();
                let low = from.saturating_sub(first * segment) as usize;
                let high = ((to - first * segment) as usize).min(bytes.len());
                let bytes = bytes.get(low..high).unwrap_or_default();
                let mut count = || match part.tensor {
                    Some(no) => census.add(model.tensors[no].dtype, &mut feeds[no], bytes),
                    None => Ok(Counts::new()),
                };
                let (counts, ()) = parallel::overlap(&mut count, || hasher.update(bytes));
                let counts = counts.or_raise();
                if !counts.is_empty() {
                    overflow(counts);
                }
                first = end;
            }
        }
        if hasher.finish() != file.sha256 {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!(
                    "file \"{}\" of model \"{}\" does not rebuild to its SHA-256",
                    file.file_name, model.model_name
                ),
                "The source changed during the ingestion, or the store is damaged: run check_integrity(), and begin anew with reset_ingestion_job().",
            );
        }
    }
    feeds.into_iter().map(|feed| feed.zeros).collect()
}

/// Adds occurrences to weight atoms, `sign` times: 1 when a model comes, −1 when it goes.
/// Only one transaction at a time does so: popular weights are everybody's, and without a lock two
/// folds that hand over their counts piece by piece could wait for each other in a circle.
fn add_references(counts: &Counts, sign: i64) {
    if counts.is_empty() {
        return;
    }
    let mut rows: Vec<_> = counts
        .iter()
        .map(|(width, bits, count)| {
            let value = AtomicValue::from_bits(*width, *bits);
            (value.hash(), value, *count as i64 * sign)
        })
        .collect();
    rows.sort_unstable_by_key(|(hash, _, _)| *hash);
    owner::run(|client| {
        owner::execute(client, "SELECT pg_advisory_xact_lock(hashtextextended('atomizer.fold', 0))", &[]);
        for slice in rows.chunks(UPSERT_ROWS) {
            pgrx::check_for_interrupts!();
            let hashes: Vec<&[u8]> = slice.iter().map(|(hash, _, _)| &hash[..]).collect();
            let values: Vec<&[u8]> = slice.iter().map(|(_, value, _)| value.as_bytes()).collect();
            let counts: Vec<i64> = slice.iter().map(|(_, _, count)| *count).collect();
            let statement = if sign > 0 {
                "INSERT INTO atomizer.atom AS a (content_hash, kind, byte_length, atomic_value, reference_count) \
                 SELECT h, 'weight', length(v), v, n FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS u(h, v, n) \
                 ON CONFLICT (content_hash, kind) DO UPDATE SET reference_count = a.reference_count + excluded.reference_count"
            } else {
                "UPDATE atomizer.atom a SET reference_count = a.reference_count + u.n \
                 FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS u(h, v, n) \
                 WHERE a.content_hash = u.h AND a.kind = 'weight'"
            };
            owner::execute(client, statement, &[hashes.into(), values.into(), counts.into()]);
        }
    });
}

fn publish(job: &Job, model: &StoredModel, chosen: &[Dtype], zeros: &[u64]) {
    let names: Vec<&str> = chosen.iter().map(|dtype| dtype.name()).collect();
    let ids: Vec<i64> = model.tensors.iter().map(|tensor| tensor.tensor_atom_id).collect();
    let sparsity: Vec<Option<f64>> = model
        .tensors
        .iter()
        .zip(zeros)
        .map(|(tensor, zeros)| {
            let known = tensor.dtype.is_decodable() && tensor.weight_count > 0;
            known.then(|| *zeros as f64 / tensor.weight_count as f64)
        })
        .collect();
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
pub fn weight_counts(model: &StoredModel) -> Counts {
    let counted = StoredModel {
        tensors: model.tensors.iter().filter(|tensor| tensor.has_weight_atoms).cloned().collect(),
        files: Vec::new(),
        model_name: model.model_name.clone(),
        ..*model
    };
    let totals = counted.tensors.iter().map(|tensor| (tensor.dtype, tensor.weight_count as u64));
    let mut census = Census::new(Choice::Everything, totals);
    let mut all = Counts::new();
    for tensor in &counted.tensors {
        let mut feed = Feed::default();
        store::for_each_piece(&tensor.content_hash, 0, tensor.byte_length as u64, |piece| {
            let (counts, ()) = parallel::overlap(|| census.add(tensor.dtype, &mut feed, piece), || ());
            all.extend(counts.or_raise());
        });
    }
    all.extend(census.finish().1);
    all
}

/// Takes a model's weights out of the weight atoms' counts: the reverse of a fold.
#[pg_extern(volatile, parallel_unsafe)]
fn _unfold_model(model_id: i64) {
    crate::threads::start();
    add_references(&weight_counts(&access::load(model_id)), -1);
}
