COMMENT ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint) IS
    'chunk_size weights of a model file from "offset" (counted in weights, from 0), in the order of its tensors, each with its atom''s content and SHA-256. In the select list it streams; in FROM, Postgres collects all rows first.';
GRANT EXECUTE ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint) TO PUBLIC;
