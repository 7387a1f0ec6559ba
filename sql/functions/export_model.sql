COMMENT ON FUNCTION atomizer.export_model(atomizer.regmodel, text) IS
    'Writes every file of a stored model, byte for byte and under its own name, to a new or empty directory on the server. It fails, and leaves nothing there, unless each has the recorded SHA-256. Example: SELECT * FROM export_model(1, ''/tmp/x'').';
ALTER FUNCTION atomizer.export_model(atomizer.regmodel, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.export_model(atomizer.regmodel, text) TO PUBLIC;
