COMMENT ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, atomizer.regmodel, text) IS
    'Tensors of a model file, one a row. Only the header is read. Give one of model_bytes, model_lo (large object), model_path (file on the server) and model (stored model). layers: a pattern of LIKE for the names.';
GRANT EXECUTE ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, atomizer.regmodel, text) TO PUBLIC;
