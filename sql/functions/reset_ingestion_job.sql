COMMENT ON FUNCTION atomizer.reset_ingestion_job(bigint) IS
    'Starts a job over that is not running: its progress is discarded, and collect_garbage() removes the contents that nothing else refers to.';
GRANT EXECUTE ON FUNCTION atomizer.reset_ingestion_job(bigint) TO PUBLIC;
