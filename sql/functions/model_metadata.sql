COMMENT ON FUNCTION atomizer.model_metadata(bytea, text, boolean, oid, text, bigint) IS
    'Key-value pairs of a model file''s header. Long arrays are summarized unless full_arrays.';
GRANT EXECUTE ON FUNCTION atomizer.model_metadata(bytea, text, boolean, oid, text, bigint) TO PUBLIC;
