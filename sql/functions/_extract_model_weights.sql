COMMENT ON FUNCTION atomizer._extract_model_weights(bytea, text, oid, text, bigint, text) IS
    'Implements extract_model_weights().';
GRANT EXECUTE ON FUNCTION atomizer._extract_model_weights(bytea, text, oid, text, bigint, text) TO PUBLIC;
