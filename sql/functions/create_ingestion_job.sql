COMMENT ON FUNCTION atomizer.create_ingestion_job(bigint, text, oid, text, text, bigint, bigint) IS
    'Makes the ingestion job of a model and returns its number. Without model_path and model_lo, pass the file to atomize_model_governed.';
GRANT EXECUTE ON FUNCTION atomizer.create_ingestion_job(bigint, text, oid, text, text, bigint, bigint) TO PUBLIC;
