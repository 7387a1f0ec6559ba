COMMENT ON FUNCTION atomizer.export_model_file(bigint, text, integer, boolean) IS
    'Writes a file of a stored model, byte for byte: to a server file, or without a path to a new large object, whose oid it returns. Fails unless the result has the recorded SHA-256.';
GRANT EXECUTE ON FUNCTION atomizer.export_model_file(bigint, text, integer, boolean) TO PUBLIC;
