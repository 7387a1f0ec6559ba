COMMENT ON FUNCTION atomizer.svd_spectrum(bigint) IS
    'All singular values of a stored tensor (first axis by all others), largest first, with the cumulative share of the sum of squares.';
GRANT EXECUTE ON FUNCTION atomizer.svd_spectrum(bigint) TO PUBLIC;
