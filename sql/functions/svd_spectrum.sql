COMMENT ON FUNCTION atomizer.svd_spectrum(bigint) IS
    'All singular values of a stored tensor (its first axis by all others), largest first, and the share of the sum of squares up to each.';
GRANT EXECUTE ON FUNCTION atomizer.svd_spectrum(bigint) TO PUBLIC;
