-- How many rows functions in C return, by which Postgres plans the joins with them; without it every
-- set is planned as 1,000 rows.

-- One row.
ALTER FUNCTION atomizer.extract_lora(bigint, bigint, integer) ROWS 1;
ALTER FUNCTION atomizer.extract_lora_model(bigint, bigint, integer, text, boolean) ROWS 1;
ALTER FUNCTION atomizer.quantization_error(bigint, text) ROWS 1;
ALTER FUNCTION atomizer.quantize_int8(real[], integer) ROWS 1;
ALTER FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) ROWS 1;
ALTER FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) ROWS 1;
ALTER FUNCTION atomizer.tensor_spectral_measures(bigint) ROWS 1;
ALTER FUNCTION atomizer.tensor_stats(bigint) ROWS 1;

-- As many as are asked for when nothing is said.
ALTER FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) ROWS 10;
ALTER FUNCTION atomizer.nearest_atoms(geometry, integer, text) ROWS 10;
ALTER FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) ROWS 10;
ALTER FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) ROWS 10;
ALTER FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) ROWS 20;

-- A box is seldom more ranges than this.
ALTER FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) ROWS 64;
ALTER FUNCTION atomizer.quantization_types() ROWS 40;
