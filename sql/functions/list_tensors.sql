COMMENT ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, atomizer.regmodel, text, boolean) IS
    'Tensors of a model file, one a row. Only the header is read. Give one of model_bytes, model_lo (large object), model_path (file on the server) and model (stored model). layers: a pattern of LIKE for the names. What is in the file and not listed is told by a notice; strict makes it an error.';
GRANT EXECUTE ON FUNCTION atomizer.list_tensors(bytea, text, oid, text, atomizer.regmodel, text, boolean) TO PUBLIC;
