//! The SQL boundary of atomizer: each function decodes its arguments, calls the engine
//! (`atomizer-core`) once, and encodes what it returns. This file is the table of contents.
//!
//! SQL objects other than C functions are in `sql/`, one subject a file, in the order below. Every
//! COMMENT on a C function is in `sql/comments.sql`.
//!
//! What planning a query goes by (operators of Postgres cost 1): `cost = 100` for what passes a vector,
//! 10,000 for what reads the weights of a tensor or an index, 1,000,000 for what decomposes a matrix.
//! How many rows come back is in `sql/functions/row_counts.sql`.

use pgrx::prelude::*;

mod access;
mod errors;
mod export;
mod governance;
mod heap;
mod ingestion;
mod owner;
mod quantization;
mod reading;
mod segment_rows;
mod sources;
mod space;
mod sql_types;
mod store;
mod svd;
mod tensors;
mod threads;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/types/enums.sql", name = "enums", bootstrap);
extension_sql_file!("../sql/tables/tenant.sql", name = "tenant", requires = ["enums"]);
extension_sql_file!("../sql/tables/model.sql", name = "model", requires = ["tenant"]);
extension_sql_file!("../sql/tables/ingestion_job.sql", name = "ingestion_job", requires = ["model"]);
extension_sql_file!("../sql/tables/atom.sql", name = "atom", requires = ["enums"]);
extension_sql_file!("../sql/tables/tensor_atom.sql", name = "tensor_atom", requires = ["model"]);
extension_sql_file!("../sql/tables/derived.sql", name = "derived", requires = ["enums"]);
extension_sql_file!(
    "../sql/tables/dump.sql",
    name = "dump",
    requires = ["tenant", "model", "ingestion_job", "atom", "tensor_atom", "derived"]
);
extension_sql_file!("../sql/functions/tenants.sql", name = "tenants", requires = ["tenant"]);
extension_sql_file!(
    "../sql/functions/models.sql",
    name = "models",
    requires = ["tenants", "tensor_atom", "atom", "ingestion_job", ingestion::fold::_unfold_model]
);
extension_sql_file!("../sql/functions/jobs.sql", name = "jobs", requires = ["models"]);
extension_sql_file!(
    "../sql/functions/quantization.sql",
    name = "quantization",
    requires = ["enums", quantization::_dequantize, quantization::_dequantize_bytes, quantization::_quantize]
);
extension_sql_file!("../sql/functions/garbage.sql", name = "garbage", requires = ["atom", "derived"]);
extension_sql_file!(
    "../sql/functions/integrity.sql",
    name = "integrity",
    requires = [
        "atom",
        "tensor_atom",
        "ingestion_job",
        export::verify_model,
        export::_stored_sha256,
        export::_model_weight_counts,
        "derived",
        space::curves::compute_hilbert_value
    ]
);
extension_sql_file!(
    "../sql/procedures/atomize_model_governed.sql",
    name = "atomize_model_governed",
    requires = [
        "jobs",
        ingestion::_ingestion_step,
        governance::_check_may_commit,
        governance::_claim_ingestion_job,
        governance::_release_ingestion_job
    ]
);
extension_sql_file!(
    "../sql/procedures/ingest_model.sql",
    name = "ingest_model",
    requires = ["atomize_model_governed", governance::_prepare_ingestion, reading::detect_model_format]
);
extension_sql_file!(
    "../sql/procedures/compress_model.sql",
    name = "compress_model",
    requires = ["derived", governance::_check_may_commit, svd::compress::_compress_step]
);
extension_sql_file!(
    "../sql/views/views.sql",
    name = "views",
    requires = [
        "tensor_atom",
        "atom",
        "ingestion_job",
        access::my_tenant_ids,
        tensors::tensor_coefficients,
        svd::measures::tensor_spectral_measures
    ]
);
extension_sql_file!(
    "../sql/functions/row_counts.sql",
    name = "row_counts",
    requires = [
        quantization::quantize_int8,
        quantization::quantization_types,
        quantization::quantization_error,
        space::curves::hilbert_ranges,
        space::near::nearest_to_point,
        space::near::nearest_to_atom,
        space::similar::similar_rows,
        space::similar::similar_tensors,
        svd::lora::extract_lora,
        svd::lora::extract_lora_model,
        svd::matrices::svd_decompose_array,
        svd::matrices::svd_decompose_bytes,
        svd::measures::tensor_spectral_measures,
        tensors::tensor_histogram,
        tensors::tensor_stats
    ]
);
extension_sql_file!(
    "../sql/functions/space.sql",
    name = "space",
    requires = ["atom", "tensor_atom", "derived", "row_counts", space::near::_is_in_box]
);
extension_sql_file!(
    "../sql/procedures/spatialize_model.sql",
    name = "spatialize_model",
    requires = ["space_views", governance::_check_may_commit, space::spatialize::_spatialize_step]
);
extension_sql_file!("../sql/views/space.sql", name = "space_views", requires = ["space", "views"]);
extension_sql_file!("../sql/security/policies.sql", name = "policies", requires = ["views", "space_views"]);
extension_sql_file!(
    "../sql/security/grants.sql",
    name = "grants",
    requires = [
        "policies",
        "integrity",
        "garbage",
        "ingest_model",
        "quantization",
        "spatialize_model",
        "compress_model"
    ]
);
extension_sql_file!("../sql/comments.sql", name = "comments", requires = ["grants"], finalize);
