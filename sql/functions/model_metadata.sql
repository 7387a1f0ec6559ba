COMMENT ON FUNCTION atomizer.model_metadata(bytea, text, boolean, oid, text, atomizer.regmodel) IS
    'Metadata of a model as jsonb: the key-value pairs of its header. Long arrays are summarized unless full_arrays is true.';
GRANT EXECUTE ON FUNCTION atomizer.model_metadata(bytea, text, boolean, oid, text, atomizer.regmodel) TO PUBLIC;
