CREATE TYPE atomizer.job_status AS ENUM ('Pending', 'Processing', 'Complete', 'Failed', 'Cancelled');
COMMENT ON TYPE atomizer.job_status IS 'Where an ingestion job stands.';
GRANT USAGE ON TYPE atomizer.job_status TO PUBLIC;
