CREATE TYPE atomizer.job_status AS ENUM ('Pending', 'Processing', 'Complete', 'Failed', 'Cancelled');
COMMENT ON TYPE atomizer.job_status IS 'Status of an ingestion job. Failed and Cancelled jobs resume when atomize_model_governed() is called again.';
GRANT USAGE ON TYPE atomizer.job_status TO PUBLIC;
