COMMENT ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint) IS
    'chunk_size weights of a model file from "offset" on, in the order of its tensors, each with its atom''s content and key. In the select list it streams; in FROM, Postgres collects the rows first.';
GRANT EXECUTE ON FUNCTION atomizer.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint) TO PUBLIC;
