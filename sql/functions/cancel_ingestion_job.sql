COMMENT ON FUNCTION atomizer.cancel_ingestion_job(bigint) IS
    'Interrupts a job, whichever session works on it. What was committed is kept: CALL atomize_model_governed(job) resumes it.';
GRANT EXECUTE ON FUNCTION atomizer.cancel_ingestion_job(bigint) TO PUBLIC;
