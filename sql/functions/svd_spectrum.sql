COMMENT ON FUNCTION atomizer.svd_spectrum(bigint) IS
    'All singular values of a stored tensor (first axis by all others), largest first, with the cumulative share of the sum of squares.';
GRANT EXECUTE ON FUNCTION atomizer.svd_spectrum(bigint) TO PUBLIC;

CREATE FUNCTION atomizer.svd_spectrum(model atomizer.regmodel, tensor text)
RETURNS TABLE(i integer, sigma double precision, cumulative_energy double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM atomizer.svd_spectrum(atomizer.tensor_id(model, tensor));
END;
COMMENT ON FUNCTION atomizer.svd_spectrum(atomizer.regmodel, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.svd_spectrum(atomizer.regmodel, text) TO PUBLIC;
