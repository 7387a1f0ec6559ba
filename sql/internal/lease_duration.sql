CREATE FUNCTION atomizer_internal.lease_duration() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '10 minutes'::interval;
COMMENT ON FUNCTION atomizer_internal.lease_duration() IS
    'How long a worker that is not known to be dead keeps its job without renewing its lease. Planning or finalizing a very large model must take less.';
