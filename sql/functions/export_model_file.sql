COMMENT ON FUNCTION atomizer.export_model_file(atomizer.regmodel, text, integer, boolean) IS
    'Writes a file of a stored model, byte for byte: to a file on the server, or without a path to a new large object, whose oid it returns. Of a model of several files, file_no says which. It fails unless the result has the recorded SHA-256. Example: SELECT export_model_file(1, ''/tmp/x.gguf'').';
GRANT EXECUTE ON FUNCTION atomizer.export_model_file(atomizer.regmodel, text, integer, boolean) TO PUBLIC;
