COMMENT ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, bigint, text) IS
    'Tensors of a model file, one a row. Only the header is read. Give one of model_bytes, model_lo (large object), model_path (file on the server) and model_id (stored model). layers: a pattern of LIKE for the names.';
GRANT EXECUTE ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, bigint, text) TO PUBLIC;
