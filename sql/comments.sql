-- What each C function does; the functions themselves are declared in src/.

COMMENT ON FUNCTION atomizer.detect_model_format(bytea, oid, text) IS
    'Format of a model file, from its content alone: detect_model_format(model_path => ''/models/x.gguf'').';
COMMENT ON FUNCTION atomizer.model_metadata(bytea, text, boolean, oid, text, bigint) IS
    'Key-value pairs of a model file''s header. Long arrays are summarized unless full_arrays.';
COMMENT ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, bigint) IS
    'Tensors of a model file. Reads the header only. Give the file as model_bytes, model_lo (large object), model_path (server file) or model_id (stored model).';
COMMENT ON FUNCTION atomizer.model_pickle_report(bytea, oid, text, bigint) IS
    'Every global that the pickles of a PyTorch or NumPy file would import, worst first: safe (torch loads it with weights_only), harmless, unknown, dangerous. Nothing is ever run. No row: no pickle imports anything.';
COMMENT ON FUNCTION atomizer.extract_model_weights(bytea, text, oid, text, bigint) IS
    'Tensors of a model file with their raw bytes, as they stand in the file.';
COMMENT ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint) IS
    'chunk_size weights of a model file from "offset" on, in the order of its tensors, each with its atom''s content and key. In the select list it streams; in FROM, Postgres collects the rows first.';

COMMENT ON FUNCTION atomizer.register_model(text, text, text, text, jsonb) IS
    'Registers a model for one of the caller''s tenants and returns its model_id.';
COMMENT ON FUNCTION atomizer.create_ingestion_job(bigint, text, oid, text, text, bigint, bigint) IS
    'Makes the ingestion job of a model and returns its number. Without model_path and model_lo, pass the file to atomize_model_governed.';
COMMENT ON FUNCTION atomizer.cancel_ingestion_job(bigint) IS
    'Stops a job before its next chunk. What was committed is kept: calling atomize_model_governed again resumes.';
COMMENT ON FUNCTION atomizer.reset_ingestion_job(bigint) IS
    'Takes a job that is not running back to its beginning; contents that nothing else refers to go with the next collect_garbage().';
COMMENT ON FUNCTION atomizer.set_atom_quota(bigint, bigint) IS
    'Changes the quota of a job, up to its tenant''s own; null is the tenant''s.';
COMMENT ON FUNCTION atomizer.drop_model(bigint) IS
    'Removes a model and takes back its references; returns the number of its tensors. collect_garbage() then frees what nothing refers to.';

COMMENT ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) IS
    'count weights of a stored tensor from "from" on (row-major, from 0), as real; rounded where the type is wider.';
COMMENT ON FUNCTION atomizer.tensor_weights_float8(bigint, bigint, bigint) IS
    'As tensor_weights, in double precision: exact for F64 and for integers up to 2^53.';
COMMENT ON FUNCTION atomizer.tensor_weight(bigint, bigint, bigint, bigint) IS
    'One weight of a stored tensor: x along the last axis, y along the one before, z over all others.';
COMMENT ON FUNCTION atomizer.tensor_coefficients(bigint) IS
    'Every weight of a stored tensor at its position; none for types that cannot be decoded. The view tensor_atom_coefficient is made of it.';
COMMENT ON FUNCTION atomizer.tensor_stats(bigint) IS
    'Number of weights, least, greatest, mean, standard deviation (population), share of zeros, NaN and infinities of a stored tensor. NaN and infinities are left out of the rest.';
COMMENT ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) IS
    'Number of weights of a stored tensor in bins of equal width from low to high (default: its least and greatest weight).';

COMMENT ON FUNCTION atomizer.quantization_types() IS
    'Every quantization type: bits for each weight, size against F32, block, and whether dequantize() and quantize() know it.';
COMMENT ON FUNCTION atomizer.quantization_error(bigint, text) IS
    'What a stored tensor would lose in a smaller type (any that quantize() makes, or INT8: a signed byte a weight and a scale a row): root of the mean square error, greatest error, signal-to-noise ratio in dB.';
COMMENT ON FUNCTION atomizer.quantize_int8(real[], integer) IS
    'Rows of so many columns as one signed byte a weight, with one scale a row: weight = code * scale.';
COMMENT ON FUNCTION atomizer._dequantize(bytea, text) IS 'What dequantize() does.';
COMMENT ON FUNCTION atomizer._dequantize_bytes(bytea, text) IS 'What dequantize_bytes() does.';
COMMENT ON FUNCTION atomizer._quantize(real[], text) IS 'What quantize() does.';

COMMENT ON FUNCTION atomizer.compute_hilbert_value(geometry, integer, box3d) IS
    'Index of a point''s cell along the 3D Hilbert curve through bounds (default -100 to 100) of 2^precision cells a side. A point outside has the cell nearest to it; z is 0 where there is none; null for an empty point.';
COMMENT ON FUNCTION atomizer.morton_value(geometry, integer, box3d) IS
    'As compute_hilbert_value, along the Morton curve (Z order).';
COMMENT ON FUNCTION atomizer.hilbert_to_point(bigint, integer, box3d) IS
    'The centre of a cell, from its index along the Hilbert curve.';
COMMENT ON FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) IS
    'Ranges of Hilbert values, both ends included, that cover a box: at most max_ranges. Points found through them must still be compared with the box.';
COMMENT ON FUNCTION atomizer.project_to_3d(real[], text, bigint) IS
    'A vector as a point in the box -100 to 100, as spatialize_model places it: its direction against three orthonormal landmark vectors of the seed. With method trilateration: the point with the vector''s distances from the landmarks.';
COMMENT ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) IS
    'The same of a vector as 32-bit floats, little-endian.';
COMMENT ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) IS
    'The k tensors (granularity tensor) or rows of matrices (row) of yours that are nearest to a point.';
COMMENT ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) IS
    'The k others that are nearest to a tensor''s point; to that of one of its rows, and rows, with row_no.';
COMMENT ON FUNCTION atomizer.atoms_in_box(box3d, atomizer.spatial_index_strategy) IS
    'Your tensors, and rows of matrices, in a box, borders included. RTree and Hilbert3D find the same rows through different indexes.';
COMMENT ON FUNCTION atomizer.similar_rows(bigint, bigint, integer, integer, text, atomizer.spatial_index_strategy, bigint) IS
    'The k rows of as many weights most like a row, by the exact distance of their weights (metric cosine or euclidean), among the candidates that are nearest in space: of all your models, or of within_tensor.';
COMMENT ON FUNCTION atomizer.similar_tensors(bigint, integer, integer, text) IS
    'The k tensors most like a tensor, by the exact distance of their weights, among the candidates of as many weights that are nearest in space.';
COMMENT ON FUNCTION atomizer.atom_tiles(integer, integer, integer) IS
    'A Mapbox vector tile of your atoms, layer atoms: tile 0/0/0 is the box -100 to 100 seen along z. Martin and pg_tileserv serve it.';

COMMENT ON FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) IS
    'A matrix, row by row, as u (rows x rank), s and vt (rank x cols): the nearest there is of this rank. explained_variance is the share of the sum of squares that is kept, relative_error the Frobenius norm of the rest over that of the matrix.';
COMMENT ON FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) IS
    'As svd_decompose(real[], …), with little-endian 32-bit floats for input and output, as numpy.frombuffer reads them.';
COMMENT ON FUNCTION atomizer.reconstruct_from_svd(real[], real[], real[], integer, integer) IS
    'The matrix u * diag(s) * vt, row by row.';
COMMENT ON FUNCTION atomizer.reconstruct_from_svd(bytea, bytea, bytea, integer, integer) IS
    'As reconstruct_from_svd(real[], …), with little-endian 32-bit floats for input and output.';
COMMENT ON FUNCTION atomizer.svd_spectrum(bigint) IS
    'All singular values of a stored tensor (its first axis by all others), largest first, and the share of the sum of squares up to each.';
COMMENT ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) IS
    'A tensor''s weights from its stored decomposition: of the greatest rank there is, or the first rank singular values of one.';
COMMENT ON FUNCTION atomizer.tensor_spectral_measures(bigint) IS
    'What the singular values of a stored matrix tell of it; see the view layer_spectrum. No row, but a notice, for tensors that have none.';
COMMENT ON FUNCTION atomizer.model_spectral_measures(bigint, bigint) IS
    'As tensor_spectral_measures, for every matrix of a model that has min_parameters weights or more.';
COMMENT ON FUNCTION atomizer.extract_lora(bigint, bigint, integer) IS
    'The difference of two stored tensors as a low-rank adapter: lora_b (outputs x rank) * lora_a (rank x inputs) is nearly tuned - base.';
COMMENT ON FUNCTION atomizer.extract_lora_model(bigint, bigint, integer, text, boolean) IS
    'The difference of two stored models as an adapter that peft reads: adapter_model.safetensors and adapter_config.json in a directory of the server, or without a path the former as a new large object. Equal tensors are left out; other_tensors differ and cannot be part of an adapter (biases, norms, embeddings, other shapes).';
COMMENT ON FUNCTION atomizer._check_may_commit(text) IS
    'Raises an error inside a transaction block, where the named procedure could not commit.';
COMMENT ON FUNCTION atomizer._compress_step(bigint, integer, double precision, bigint, integer) IS
    'One step of compress_model(): decomposes the next tensor that needs it, from first_tensor on.';

COMMENT ON FUNCTION atomizer.export_model_file(bigint, text, integer, boolean) IS
    'Writes a file of a stored model, byte for byte: to a server file, or without a path to a new large object, whose oid it returns. Fails unless the result has the recorded SHA-256.';
COMMENT ON FUNCTION atomizer.verify_model(bigint) IS
    'Rebuilds every file of a stored model and compares its SHA-256 with the recorded one.';
COMMENT ON FUNCTION atomizer.my_tenant_ids() IS 'The tenants the caller acts for.';

COMMENT ON FUNCTION atomizer._prepare_ingestion(text, text, oid, text, text, text, bigint, bigint) IS
    'The job ingest_model() works on.';
COMMENT ON FUNCTION atomizer._ingestion_step(bigint, uuid, bytea, text) IS
    'One step of an ingestion, for the holder of its lease: plan, chunk or fold.';
COMMENT ON FUNCTION atomizer._claim_ingestion_job(bigint) IS 'Takes the lease on a job; null when it is complete.';
COMMENT ON FUNCTION atomizer._release_ingestion_job(bigint, uuid, text, text, text) IS
    'Gives the lease on a job back before it is complete.';
COMMENT ON FUNCTION atomizer._unfold_model(bigint) IS 'Takes a model''s weights out of the counts of weight atoms.';
COMMENT ON FUNCTION atomizer._stored_sha256(bytea, bigint) IS 'SHA-256 of a stored content; null when it is damaged.';
COMMENT ON FUNCTION atomizer._model_weight_counts(bigint) IS 'Occurrences of a stored model''s weights.';
COMMENT ON FUNCTION atomizer._spatialize_step(bigint, text, integer) IS
    'One step of spatialize_model: half a second of work from a tensor on.';
COMMENT ON FUNCTION atomizer._is_in_box(geometry, float8, float8, float8, float8, float8, float8) IS
    'Whether a point is in a box, borders included.';
