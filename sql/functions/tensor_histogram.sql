COMMENT ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) IS
    'Number of weights of a stored tensor in bins of equal width from low to high (default: its least and greatest weight).';
ALTER FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) ROWS 20;
GRANT EXECUTE ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) TO PUBLIC;
