COMMENT ON FUNCTION atomizer_internal.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text, boolean) IS
    'Implements extract_model_weights().';
GRANT EXECUTE ON FUNCTION atomizer_internal.extract_model_weights(bytea, text, oid, text, atomizer.regmodel, text, boolean) TO PUBLIC;
