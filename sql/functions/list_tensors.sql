COMMENT ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, bigint) IS
    'Tensors of a model file. Reads the header only. Give the file as model_bytes, model_lo (large object), model_path (server file) or model_id (stored model).';
GRANT EXECUTE ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, bigint) TO PUBLIC;
