COMMENT ON FUNCTION atomizer.cancel_ingestion_job(bigint) IS
    'Stops a job before its next chunk. What was committed is kept: calling atomize_model_governed again resumes.';
GRANT EXECUTE ON FUNCTION atomizer.cancel_ingestion_job(bigint) TO PUBLIC;
