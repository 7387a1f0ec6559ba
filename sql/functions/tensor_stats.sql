COMMENT ON FUNCTION atomizer.tensor_stats(bigint) IS
    'Number of weights, least, greatest, mean, standard deviation (population), share of zeros, NaN and infinities of a stored tensor. NaN and infinities are left out of the rest.';
ALTER FUNCTION atomizer.tensor_stats(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_stats(bigint) TO PUBLIC;
