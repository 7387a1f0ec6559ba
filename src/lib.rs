//! The SQL boundary of atomizer: each function decodes its arguments, calls the engine
//! (`atomizer-core`) once, and encodes what it returns. This file is the table of contents.
//!
//! SQL has one object a file, with its COMMENT, its GRANT and, for sets, its ROWS beside it. A function in C is
//! declared in Rust, and its file in `sql/functions/` holds the rest.
//!
//! What planning a query goes by (operators of Postgres cost 1): `cost = 100` for what passes a vector,
//! 10,000 for what reads the weights of a tensor or an index, 1,000,000 for what decomposes a matrix.

#![recursion_limit = "512"] // for the list of SQL files

use pgrx::prelude::*;

mod access;
mod compat;
mod errors;
mod export;
mod export_model;
mod governance;
mod heap;
mod ingestion;
mod membership;
mod names;
mod owner;
mod progress;
mod quantization;
mod reading;
mod safety;
mod segment_rows;
mod server_file;
mod server_folder;
mod server_path;
mod sources;
mod space;
mod sql_types;
mod statistics;
mod storage;
mod store;
mod svd;
mod tensor_bytes;
mod tensors;
mod threads;
mod workers;

::pgrx::pg_module_magic!(name, version);

/// What happens when a session loads the library.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    errors::hide_backtraces();
    workers::define_settings();
}

/// Lists SQL files in the order in which they run: each comes after the one before it, and after the functions
/// in C that it needs.
macro_rules! sql_files {
    ($($list:tt)*) => { sql_file!([] $($list)*); };
}

/// The first file of a list, and the rest of it.
macro_rules! sql_file {
    ([$($previous:literal)?]) => {};
    ([$($previous:literal)?] $name:literal $path:literal creates [$($type:tt)*]; $($rest:tt)*) => {
        extension_sql_file!($path, name = $name, requires = [$($previous)?], creates = [$($type)*]);
        sql_file!([$name] $($rest)*);
    };
    ([$($previous:literal)?] $name:literal $path:literal after [$($function:tt)*]; $($rest:tt)*) => {
        extension_sql_file!($path, name = $name, requires = [$($previous,)? $($function)*]);
        sql_file!([$name] $($rest)*);
    };
    ([$($previous:literal)?] $name:literal $path:literal; $($rest:tt)*) => {
        extension_sql_file!($path, name = $name, requires = [$($previous)?]);
        sql_file!([$name] $($rest)*);
    };
}

// Before everything else, functions in C too.
extension_sql_file!("../sql/security/schema.sql", name = "schema", bootstrap);

/// For pgrx, which has to know of the schema; `sql/security/schema.sql` makes it.
#[pg_schema]
mod atomizer_internal {}

sql_files! {
    // Types
    "model_format" "../sql/types/model_format.sql" creates [Enum(sql_types::ModelFormat)];
    "tensor_dtype" "../sql/types/tensor_dtype.sql" creates [Enum(sql_types::TensorDtype)];
    "quantization_type" "../sql/types/quantization_type.sql" creates [Enum(sql_types::QuantizationType)];
    "layer_type" "../sql/types/layer_type.sql" creates [Enum(sql_types::LayerType)];
    "regmodel" "../sql/types/regmodel.sql" creates [Type(names::ModelId)];
    "job_status" "../sql/types/job_status.sql";
    "atom_kind" "../sql/types/atom_kind.sql";
    "atom_granularity" "../sql/types/atom_granularity.sql";
    "pruning_strategy" "../sql/types/pruning_strategy.sql";
    "spatial_index_strategy" "../sql/types/spatial_index_strategy.sql" creates [Enum(space::near::Strategy)];
    "quantization_type_as_tensor_dtype" "../sql/casts/quantization_type_as_tensor_dtype.sql";
    "spatial_index_strategy_as_text" "../sql/casts/spatial_index_strategy_as_text.sql";

    // Tables. Policies ask acts_for().
    "my_tenant_ids" "../sql/functions/my_tenant_ids.sql" after [membership::my_tenant_ids];
    "internal_acts_for" "../sql/internal/acts_for.sql" after [membership::acts_for];
    "tenant" "../sql/tables/tenant.sql";
    "tenant_member" "../sql/tables/tenant_member.sql";
    "internal_tenants_changed" "../sql/internal/tenants_changed.sql";
    "tenants_changed" "../sql/triggers/tenants_changed.sql";
    "model" "../sql/tables/model.sql";
    "model_file" "../sql/tables/model_file.sql";
    "ingestion_job" "../sql/tables/ingestion_job.sql";
    "tensor_atom" "../sql/tables/tensor_atom.sql";
    "tensor_atom_history" "../sql/tables/tensor_atom_history.sql";
    "internal_keep_tensor_atom_history" "../sql/internal/keep_tensor_atom_history.sql";
    "keep_history" "../sql/triggers/keep_history.sql";
    "atom" "../sql/tables/atom.sql";
    "tensor_segment" "../sql/tables/tensor_segment.sql";
    "atom_embedding" "../sql/tables/atom_embedding.sql";
    "svd_component" "../sql/tables/svd_component.sql";
    "spectral_measure" "../sql/tables/spectral_measure.sql";

    // Tenants
    "internal_may_act_for" "../sql/internal/may_act_for.sql";
    "internal_tenant_of" "../sql/internal/tenant_of.sql";
    "internal_check_writable" "../sql/internal/check_writable.sql" after [governance::check_writable];
    "create_tenant" "../sql/functions/create_tenant.sql";
    "add_tenant_member" "../sql/functions/add_tenant_member.sql";
    "remove_tenant_member" "../sql/functions/remove_tenant_member.sql";

    // Progress
    "internal_report_progress" "../sql/internal/report_progress.sql" after [progress::_report_progress];
    "internal_end_progress" "../sql/internal/end_progress.sql" after [progress::_end_progress];
    "internal_running_work" "../sql/internal/running_work.sql" after [progress::_running_work];
    "internal_is_alive" "../sql/internal/is_alive.sql" after [progress::_is_alive];

    // Models
    "internal_require_model" "../sql/internal/require_model.sql";
    "internal_check_model_name" "../sql/internal/check_model_name.sql";
    "internal_register_model" "../sql/internal/register_model.sql";
    "register_model" "../sql/functions/register_model.sql" after [governance::register_model];
    "internal_update_model" "../sql/internal/update_model.sql";
    "update_model" "../sql/functions/update_model.sql" after [governance::update_model];
    "internal_release_weight_refs" "../sql/internal/release_weight_refs.sql" after [ingestion::finalize::_release_weight_refs];
    "internal_forget_contents" "../sql/internal/forget_contents.sql";
    "internal_drop_model" "../sql/internal/drop_model.sql";
    "drop_model" "../sql/functions/drop_model.sql" after [governance::drop_model];
    "tensor_id" "../sql/functions/tensor_id.sql" after [names::tensor_id];

    // Ingestion jobs
    "internal_lease_duration" "../sql/internal/lease_duration.sql";
    "internal_is_held" "../sql/internal/is_held.sql";
    "internal_require_job" "../sql/internal/require_job.sql";
    "internal_allowed_quota" "../sql/internal/allowed_quota.sql";
    "internal_create_ingestion_job" "../sql/internal/create_ingestion_job.sql";
    "create_ingestion_job" "../sql/functions/create_ingestion_job.sql" after [governance::create_ingestion_job_0_1];
    "internal_claim_ingestion_job" "../sql/internal/claim_ingestion_job.sql" after [governance::_claim_ingestion_job];
    "internal_release_ingestion_job" "../sql/internal/release_ingestion_job.sql" after [governance::release_ingestion_job];
    "internal_cancel_ingestion_job" "../sql/internal/cancel_ingestion_job.sql";
    "cancel_ingestion_job" "../sql/functions/cancel_ingestion_job.sql" after [governance::cancel_ingestion_job];
    "internal_reset_ingestion_job" "../sql/internal/reset_ingestion_job.sql";
    "reset_ingestion_job" "../sql/functions/reset_ingestion_job.sql" after [governance::reset_ingestion_job];
    "internal_set_atom_quota" "../sql/internal/set_atom_quota.sql";
    "set_atom_quota" "../sql/functions/set_atom_quota.sql" after [governance::set_atom_quota];
    "internal_prepare_ingestion" "../sql/internal/prepare_ingestion.sql" after [governance::prepare_ingestion_0_1];
    "internal_ingestion_step" "../sql/internal/ingestion_step.sql" after [ingestion::_ingestion_step];
    "internal_check_may_commit" "../sql/internal/check_may_commit.sql" after [governance::_check_may_commit];
    "internal_check_commit" "../sql/internal/check_commit.sql" after [governance::check_commit];
    "internal_refuse_unsafe" "../sql/internal/refuse_unsafe.sql" after [safety::_refuse_unsafe];
    "internal_plan_line" "../sql/internal/plan_line.sql";
    "internal_completion_line" "../sql/internal/completion_line.sql";

    // Model files
    "detect_model_format" "../sql/functions/detect_model_format.sql" after [reading::detect_model_format];
    "model_metadata" "../sql/functions/model_metadata.sql" after [reading::model_metadata];
    "list_tensors" "../sql/functions/list_tensors.sql" after [reading::list_layers];
    "internal_extract_model_weights" "../sql/internal/extract_model_weights.sql" after [reading::_extract_model_weights];
    "extract_model_weights" "../sql/functions/extract_model_weights.sql";
    "internal_stream_atomic_weights_chunked" "../sql/internal/stream_atomic_weights_chunked.sql" after [reading::_stream_atomic_weights_chunked];
    "stream_atomic_weights_chunked" "../sql/functions/stream_atomic_weights_chunked.sql";
    "model_safety_report" "../sql/functions/model_safety_report.sql" after [safety::model_safety_report];
    "model_pickle_report" "../sql/functions/model_pickle_report.sql";

    // Background workers
    "internal_queue_ingestion_job" "../sql/internal/queue_ingestion_job.sql";
    "internal_may_work" "../sql/internal/may_work.sql";
    "internal_hand_on_queued_job" "../sql/internal/hand_on_queued_job.sql";
    "internal_next_queued_jobs" "../sql/internal/next_queued_jobs.sql";
    "internal_give_up_ingestion_job" "../sql/internal/give_up_ingestion_job.sql";
    "start_ingestion" "../sql/functions/start_ingestion.sql" after [workers::start_ingestion];

    // Stored models
    "tensor_weights" "../sql/functions/tensor_weights.sql" after [tensors::tensor_weights];
    "tensor_weights_float8" "../sql/functions/tensor_weights_float8.sql" after [tensors::tensor_weights_float8];
    "tensor_weight" "../sql/functions/tensor_weight.sql" after [tensors::tensor_weight];
    "tensor_bytes" "../sql/functions/tensor_bytes.sql" after [tensor_bytes::tensor_bytes];
    "tensor_float32_bytes" "../sql/functions/tensor_float32_bytes.sql" after [tensor_bytes::tensor_float32_bytes];
    "tensor_coefficients" "../sql/functions/tensor_coefficients.sql" after [tensors::tensor_coefficients];
    "tensor_stats" "../sql/functions/tensor_stats.sql" after [tensors::tensor_stats];
    "tensor_histogram" "../sql/functions/tensor_histogram.sql" after [tensors::tensor_histogram];
    "export_model_file" "../sql/functions/export_model_file.sql" after [export::export_model_file];
    "internal_read_model_file" "../sql/internal/read_model_file.sql" after [export::_read_model_file];
    "read_model_file" "../sql/functions/read_model_file.sql";
    "export_model" "../sql/functions/export_model.sql" after [export_model::export_model];
    "verify_model" "../sql/functions/verify_model.sql" after [export::verify_model];
    "internal_stored_sha256" "../sql/internal/stored_sha256.sql" after [export::_stored_sha256];
    "internal_model_weight_counts" "../sql/internal/model_weight_counts.sql" after [export::_model_weight_counts];

    // Quantization
    "internal_dequantize" "../sql/internal/dequantize.sql" after [quantization::_dequantize];
    "dequantize" "../sql/functions/dequantize.sql";
    "internal_dequantize_bytes" "../sql/internal/dequantize_bytes.sql" after [quantization::_dequantize_bytes];
    "dequantize_bytes" "../sql/functions/dequantize_bytes.sql";
    "internal_quantize" "../sql/internal/quantize.sql" after [quantization::_quantize];
    "quantize" "../sql/functions/quantize.sql";
    "quantize_int8" "../sql/functions/quantize_int8.sql" after [quantization::quantize_int8];
    "quantization_types" "../sql/functions/quantization_types.sql" after [quantization::quantization_types];
    "quantization_error" "../sql/functions/quantization_error.sql" after [quantization::quantization_error];

    // Space
    "compute_hilbert_value" "../sql/functions/compute_hilbert_value.sql" after [space::curves::compute_hilbert_value];
    "morton_value" "../sql/functions/morton_value.sql" after [space::curves::morton_value];
    "hilbert_to_point" "../sql/functions/hilbert_to_point.sql" after [space::curves::hilbert_to_point];
    "hilbert_ranges" "../sql/functions/hilbert_ranges.sql" after [space::curves::hilbert_ranges];
    "project_to_3d" "../sql/functions/project_to_3d.sql" after [space::projection::project_array, space::projection::project_bytes];
    "internal_place_of" "../sql/internal/place_of.sql";
    "internal_is_in_box" "../sql/internal/is_in_box.sql" after [space::near::_is_in_box];
    "internal_atoms_in_box" "../sql/internal/atoms_in_box.sql";
    "internal_atoms_in_box_hilbert" "../sql/internal/atoms_in_box_hilbert.sql";
    "atoms_in_box" "../sql/functions/atoms_in_box.sql" after [space::near::atoms_in_box_by];
    "internal_nearest_rows" "../sql/internal/nearest_rows.sql";
    "internal_nearest_tensors" "../sql/internal/nearest_tensors.sql";
    "nearest_atoms" "../sql/functions/nearest_atoms.sql" after [space::near::nearest_to_point, space::near::nearest_to_atom];
    "internal_near_rows" "../sql/internal/near_rows.sql";
    "internal_near_rows_hilbert" "../sql/internal/near_rows_hilbert.sql";
    "similar_rows" "../sql/functions/similar_rows.sql" after [space::similar::similar_rows_by];
    "internal_near_tensors" "../sql/internal/near_tensors.sql";
    "similar_tensors" "../sql/functions/similar_tensors.sql" after [space::similar::similar_tensors];
    "internal_atom_tile" "../sql/internal/atom_tile.sql";
    "atom_tiles" "../sql/functions/atom_tiles.sql" after [space::near::atom_tiles];
    "build_spatial_indexes" "../sql/functions/build_spatial_indexes.sql";
    "rebuild_spatial_indexes" "../sql/functions/rebuild_spatial_indexes.sql";
    "internal_spatialize_step" "../sql/internal/spatialize_step.sql" after [space::spatialize::_spatialize_step];

    // Decompositions
    "svd_decompose" "../sql/functions/svd_decompose.sql" after [svd::matrices::svd_decompose_array, svd::matrices::svd_decompose_bytes];
    "reconstruct_from_svd" "../sql/functions/reconstruct_from_svd.sql" after [svd::matrices::reconstruct_from_arrays, svd::matrices::reconstruct_from_bytes];
    "reconstruct_tensor" "../sql/functions/reconstruct_tensor.sql" after [svd::matrices::reconstruct_tensor];
    "svd_spectrum" "../sql/functions/svd_spectrum.sql" after [svd::matrices::svd_spectrum];
    "tensor_spectral_measures" "../sql/functions/tensor_spectral_measures.sql" after [svd::measures::spectral_measures_of_tensor];
    "model_spectral_measures" "../sql/functions/model_spectral_measures.sql" after [svd::measures::spectral_measures_of_model];
    "extract_lora" "../sql/functions/extract_lora.sql" after [svd::lora::extract_lora];
    "extract_lora_model" "../sql/functions/extract_lora_model.sql" after [svd::lora::extract_lora_model];
    "internal_compress_step" "../sql/internal/compress_step.sql" after [svd::compress::compress_step];
    "internal_compress_summary" "../sql/internal/compress_summary.sql";
    "internal_compress_end_line" "../sql/internal/compress_end_line.sql";
    "internal_compress_warning" "../sql/internal/compress_warning.sql";
    "internal_analyze_step" "../sql/internal/analyze_step.sql" after [svd::analyze::_analyze_step];
    "internal_analyze_end_line" "../sql/internal/analyze_end_line.sql";

    // Views
    "tensor_atom_coefficient" "../sql/views/tensor_atom_coefficient.sql";
    "internal_own_matrix" "../sql/internal/own_matrix.sql";
    "layer_spectrum" "../sql/views/layer_spectrum.sql";
    "model_spectrum" "../sql/views/model_spectrum.sql";
    "ingestion_progress" "../sql/views/ingestion_progress.sql";
    "progress" "../sql/views/progress.sql";
    "tenant_atom" "../sql/views/tenant_atom.sql";
    "internal_free_bytes" "../sql/internal/free_bytes.sql" after [storage::_free_bytes];
    "relation_storage" "../sql/views/relation_storage.sql";
    "storage_summary" "../sql/views/storage_summary.sql";
    "internal_model_content" "../sql/internal/model_content.sql";
    "model_storage" "../sql/views/model_storage.sql";
    "tenant_storage" "../sql/views/tenant_storage.sql";
    "atom_points" "../sql/views/atom_points.sql";
    "internal_spatial_end_line" "../sql/internal/spatial_end_line.sql";

    // Procedures
    "atomize_model_governed" "../sql/procedures/atomize_model_governed.sql";
    "ingest_model" "../sql/procedures/ingest_model.sql";
    "compress_model" "../sql/procedures/compress_model.sql";
    "analyze_model" "../sql/procedures/analyze_model.sql";
    "spatialize_model" "../sql/procedures/spatialize_model.sql";

    // Maintenance
    "collect_garbage" "../sql/functions/collect_garbage.sql";
    "segment_bytes" "../sql/functions/segment_bytes.sql" after [store::segment_bytes];
    "check_integrity" "../sql/functions/check_integrity.sql";

    // Rights, after everything else
    "public" "../sql/security/public.sql";
}
