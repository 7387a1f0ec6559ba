COMMENT ON FUNCTION atomizer_internal.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text) IS
    'Implements extract_model_weights().';
GRANT EXECUTE ON FUNCTION atomizer_internal.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text) TO PUBLIC;
