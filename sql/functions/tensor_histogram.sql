COMMENT ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) IS
    'Number of a stored tensor''s weights in each of so many bins of equal width from low to high (default: its minimum and maximum).';
ALTER FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) ROWS 20;
GRANT EXECUTE ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) TO PUBLIC;
