COMMENT ON FUNCTION atomizer.model_pickle_report(bytea, oid, text, atomizer.regmodel) IS
    'Every global that the pickles of a PyTorch or NumPy file would import, worst first: safe (torch loads it with weights_only), harmless, unknown, dangerous. Nothing is ever run. No row: no pickle imports anything.';
GRANT EXECUTE ON FUNCTION atomizer.model_pickle_report(bytea, oid, text, atomizer.regmodel) TO PUBLIC;
