COMMENT ON FUNCTION atomizer.create_ingestion_job(atomizer.regmodel, text, oid, text, text, bigint, bigint, text) IS
    'Creates the ingestion job of a model and returns its number. Without model_path and model_lo, pass the file''s bytes to atomize_model_governed(). atom_chunk_size is the number of weights per commit, atom_quota the most the job may process, safety what happens to a model that model_safety_report() does not call safe: refuse, warn or ignore.';
GRANT EXECUTE ON FUNCTION atomizer.create_ingestion_job(atomizer.regmodel, text, oid, text, text, bigint, bigint, text) TO PUBLIC;
