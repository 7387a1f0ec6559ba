//! The plan: one pass over the files finds every tensor and the SHA-256 of each content, so that it
//! is known what is new before a byte is stored. It lists the tensors and counts the references.

use super::{Job, Progress};
use crate::access::field;
use crate::errors::{OrRaise, raise};
use crate::owner;
use crate::progress;
use atomizer_core::formats::{self, FileRole, FileSet, ParseError};
use atomizer_core::ingest::{ModelDigests, content_references, model_digests};
use atomizer_core::layers;
use atomizer_core::metadata;
use atomizer_core::model::Model;
use atomizer_core::progress::Phase;
use atomizer_core::source::{Source, SourceError};
use pgrx::prelude::*;
use pgrx::spi::SpiClient;

/// Reads the job's files and writes down what they hold.
pub fn plan(job: &Job, model_data: Option<&[u8]>) -> Progress {
    let files = job.open(model_data);
    let mut model = job.parse(&files);
    check_granularity(job, &model);
    let verdict = job.safety.check(job.location(model_data), true);
    let computed = model.tensors.iter().filter(|tensor| tensor.lazy.is_some());
    let computed: u64 = computed.map(|tensor| tensor.byte_length).sum();
    let total_bytes = (0..files.len()).map(|index| files.source(index).len()).sum::<u64>() + computed;
    job.show(Phase::Reading, 0, total_bytes as i64);
    model.warn(compare_checksums(&files));
    let digests = digests(&files, &model);
    owner::run(|client| {
        let args = [
            job.model_id.into(),
            model.format.name().into(),
            model.architecture.as_str().into(),
            (model.parameter_count() as i64).into(),
            metadata::to_json(&model.metadata).into(),
        ];
        owner::execute(
            client,
            "UPDATE atomizer.model SET model_format = $2::atomizer.model_format, architecture = $3, \
             parameter_count = $4, metadata = $5::jsonb WHERE model_id = $1",
            &args,
        );
        // The previous version has no such column, and asks for no verdict.
        if let Some(verdict) = verdict {
            let statement = "UPDATE atomizer.model SET safety_verdict = $2 WHERE model_id = $1";
            owner::execute(client, statement, &[job.model_id.into(), verdict.name().into()]);
        }
        write_files(client, job, &files, &digests);
        write_tensors(client, job, &model, &digests);
        let new_bytes = count_references(client, job, &files, &model, &digests);
        let args = [
            job.ingestion_job_id.into(),
            (model.parameter_count() as i64).into(),
            (total_bytes as i64).into(),
            new_bytes.into(),
        ];
        owner::execute(
            client,
            "UPDATE atomizer.ingestion_job SET total_atoms = $2, total_bytes = $3, new_bytes = $4 \
             WHERE ingestion_job_id = $1",
            &args,
        );
    });
    Progress {
        phase: "planned",
        atoms_processed: 0,
        total_atoms: model.parameter_count() as i64,
        bytes_processed: 0,
        total_bytes: total_bytes as i64,
        problem: None,
    }
}

/// Weight atoms that were asked for by name need weights that can be decoded.
fn check_granularity(job: &Job, model: &Model) {
    if job.granularity != "weight" {
        return;
    }
    if let Some(tensor) = model.tensors.iter().find(|tensor| !tensor.dtype.is_decodable()) {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "tensor \"{}\" is of type {}, whose weights cannot be decoded yet",
                tensor.name,
                tensor.dtype.name()
            ),
            "Use granularity 'auto' or 'tensor': the model is then stored and given back exactly all the same.",
        );
    }
}

/// Compares the checksums that the files hold; gives those that are wrong and hinder nobody from reading.
fn compare_checksums(files: &FileSet) -> Vec<String> {
    let mut warnings = Vec::new();
    for checksum in formats::checksums(files).or_raise() {
        let checked = checksum.verify::<ParseError>(files, |_| {
            pgrx::check_for_interrupts!();
            Ok(())
        });
        warnings.extend(checked.or_raise());
    }
    warnings
}

/// Reads the files once, and says how far it is.
fn digests(files: &FileSet, model: &Model) -> ModelDigests {
    let sources: Vec<&dyn Source> = (0..files.len()).map(|file_no| files.source(file_no)).collect();
    let found = model_digests::<SourceError>(
        &sources,
        &model.tensors,
        |tensor| files.open_tensor(tensor),
        |done| {
            pgrx::check_for_interrupts!();
            progress::set_done(done);
            Ok(())
        },
    );
    found.or_raise()
}

fn write_files(client: &mut SpiClient, job: &Job, files: &FileSet, digests: &ModelDigests) {
    for (index, of_file) in digests.files.iter().enumerate() {
        let args = [
            job.model_id.into(),
            (index as i32).into(),
            files.name(index).into(),
            (files.source(index).len() as i64).into(),
            (&of_file.file[..]).into(),
            (&of_file.blob[..]).into(),
            files.role(index).name().into(),
        ];
        // The previous version's table has no roles.
        let (column, value) = match files.role(index) {
            FileRole::Weights => ("", ""),
            FileRole::Companion => (", role", ", $7"),
        };
        let statement = format!(
            "INSERT INTO atomizer.model_file (model_id, file_no, file_name, byte_length, sha256, blob_hash{column}) \
             VALUES ($1, $2, $3, $4, $5, $6{value})"
        );
        let args = if value.is_empty() { &args[..6] } else { &args[..] };
        owner::execute(client, &statement, args);
    }
}

fn write_tensors(client: &mut SpiClient, job: &Job, model: &Model, digests: &ModelDigests) {
    let rows: Vec<serde_json::Value> = model
        .tensors
        .iter()
        .zip(&digests.tensors)
        .enumerate()
        .map(|(index, (tensor, hash))| {
            serde_json::json!({
                "tensor_no": index,
                "layer_name": tensor.name,
                "layer_idx": layers::index(&tensor.name),
                "layer_type": layers::classify(&tensor.name).name(),
                "shape": format!("{{{}}}", tensor.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
                "data_type": tensor.dtype.name(),
                "quantization_type": tensor.dtype.is_quantized().then(|| tensor.dtype.name()),
                "scale": tensor.affine.map(|affine| affine.scale),
                "zero_point": tensor.affine.map(|affine| affine.zero_point),
                "weight_count": tensor.weight_count,
                "byte_length": tensor.byte_length,
                "content_hash": crate::store::hex(hash),
                "file_no": tensor.file_no,
                "file_offset": tensor.range().map(|range| range.offset),
            })
        })
        .collect();
    // Slices, so that the JSON of a model with very many tensors stays small.
    for slice in rows.chunks(10_000) {
        let json = serde_json::Value::from(slice.to_vec()).to_string();
        owner::execute(
            client,
            "INSERT INTO atomizer.tensor_atom (model_id, tenant_id, tensor_no, layer_name, layer_idx, layer_type, \
                 shape, data_type, quantization_type, quantization_scale, quantization_zero_point, weight_count, \
                 byte_length, content_hash, file_no, file_offset) \
             SELECT $1, $2, tensor_no, layer_name, layer_idx, layer_type::atomizer.layer_type, shape::bigint[], \
                 data_type::atomizer.tensor_dtype, quantization_type::atomizer.quantization_type, scale, zero_point, weight_count, \
                 byte_length, decode(content_hash, 'hex'), file_no, file_offset \
             FROM json_to_recordset($3::json) AS t(tensor_no int, layer_name text, layer_idx int, layer_type text, \
                 shape text, data_type text, quantization_type text, scale float8, zero_point int, weight_count bigint, byte_length bigint, \
                 content_hash text, file_no int, file_offset bigint) ORDER BY tensor_no",
            &[job.model_id.into(), job.tenant_id.into(), json.into()],
        );
    }
}

/// Adds this model's references to its contents. Keys are sorted, so that concurrent plans lock
/// rows in one order and never wait for each other in a circle. Gives the bytes of the contents that
/// the tenant has in no other model: what other tenants hold is not to be told.
fn count_references(
    client: &mut SpiClient,
    job: &Job,
    files: &FileSet,
    model: &Model,
    digests: &ModelDigests,
) -> i64 {
    let lengths: Vec<u64> = (0..files.len()).map(|file_no| files.source(file_no).len()).collect();
    let references = content_references(&lengths, &model.tensors, digests);
    let (mut hashes, mut kinds, mut lengths, mut counts) = (vec![], vec![], vec![], vec![]);
    for reference in &references {
        hashes.push(&reference.hash[..]);
        kinds.push(reference.kind.name());
        lengths.push(reference.byte_length as i64);
        counts.push(reference.count as i64);
    }
    owner::execute(
        client,
        "INSERT INTO atomizer.atom AS a (content_hash, kind, byte_length, reference_count) \
         SELECT h, k::atomizer.atom_kind, l, n FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[]) AS u(h, k, l, n) \
         ON CONFLICT (content_hash, kind) DO UPDATE SET reference_count = a.reference_count + excluded.reference_count",
        &[hashes.clone().into(), kinds.clone().into(), lengths.clone().into(), counts.into()],
    );
    let statement = "SELECT coalesce(sum(u.l), 0)::bigint FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS u(h, k, l) \
         WHERE NOT EXISTS (SELECT FROM atomizer.tensor_atom t \
                           WHERE t.content_hash = ANY($1) AND u.k = 'tensor' AND t.content_hash = u.h AND t.tenant_id = $4 AND t.model_id <> $5) \
           AND NOT EXISTS (SELECT FROM atomizer.model_file f JOIN atomizer.model m USING (model_id) \
                           WHERE f.blob_hash = ANY($1) AND u.k = 'blob' AND f.blob_hash = u.h AND m.tenant_id = $4 AND f.model_id <> $5)";
    let args = [hashes.into(), kinds.into(), lengths.into(), job.tenant_id.into(), job.model_id.into()];
    owner::execute(client, statement, &args).map(|row| field::<i64>(&row, 1)).sum()
}
