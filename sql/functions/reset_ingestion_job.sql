COMMENT ON FUNCTION atomizer.reset_ingestion_job(bigint) IS
    'Takes a job that is not running back to its beginning; contents that nothing else refers to go with the next collect_garbage().';
GRANT EXECUTE ON FUNCTION atomizer.reset_ingestion_job(bigint) TO PUBLIC;
