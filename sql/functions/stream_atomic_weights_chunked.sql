-- One plain statement that Postgres inlines: in its select list the function in C streams; in FROM, Postgres would collect
-- all rows first.
CREATE FUNCTION atomizer.stream_atomic_weights_chunked(
    model_bytes bytea DEFAULT NULL,
    model_format text DEFAULT NULL,
    "offset" bigint DEFAULT 0,
    chunk_size bigint DEFAULT 10000,
    model_lo oid DEFAULT NULL,
    model_path text DEFAULT NULL,
    model atomizer.regmodel DEFAULT NULL,
    layers text DEFAULT NULL,
    strict boolean DEFAULT false)
RETURNS TABLE (layer_name text, layer_idx integer, position_x integer, position_y integer, position_z bigint, weight real, atomic_value bytea, content_hash bytea)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
    SELECT (s.t).layer_name, (s.t).layer_idx, (s.t).position_x, (s.t).position_y, (s.t).position_z, (s.t).weight, (s.t).atomic_value, (s.t).content_hash
    FROM (SELECT atomizer_internal.stream_atomic_weights_chunked(model_bytes, model_format, "offset", chunk_size, model_lo, model_path, model, layers, strict) AS t) s;
END;
COMMENT ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, atomizer.regmodel, text, boolean) IS
    'chunk_size weights of a model file from "offset" (counted in weights, from 0), in the order of its tensors, each with its atom''s content and SHA-256. layers: a pattern of LIKE for the names; only weights of these tensors are counted. strict: an error when something in the file is not among its tensors.';
GRANT EXECUTE ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, atomizer.regmodel, text, boolean) TO PUBLIC;
