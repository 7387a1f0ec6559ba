COMMENT ON FUNCTION atomizer.tensor_stats(bigint) IS
    'Statistics of a stored tensor''s weights: number, minimum, maximum, mean, standard deviation (of the population), share of zeros, number of NaN and infinities. NaN and infinities do not count in the others.';
ALTER FUNCTION atomizer.tensor_stats(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_stats(bigint) TO PUBLIC;
