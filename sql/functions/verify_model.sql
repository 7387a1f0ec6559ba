COMMENT ON FUNCTION atomizer.verify_model(atomizer.regmodel) IS
    'Rebuilds every file of a stored model and compares its SHA-256 with the recorded one.';
GRANT EXECUTE ON FUNCTION atomizer.verify_model(atomizer.regmodel) TO PUBLIC;
