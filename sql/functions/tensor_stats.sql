COMMENT ON FUNCTION atomizer.tensor_stats(bigint) IS
    'Statistics of a stored tensor''s weights: number, minimum, maximum, mean, standard deviation (of the population), share of zeros, number of NaN and infinities. NaN and infinities do not count in the others.';
ALTER FUNCTION atomizer.tensor_stats(bigint) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.tensor_stats(bigint) TO PUBLIC;

CREATE FUNCTION atomizer.tensor_stats(model atomizer.regmodel, tensor text)
RETURNS TABLE(weight_count bigint, min double precision, max double precision, mean double precision,
    stddev double precision, sparsity double precision, nan_count bigint, inf_count bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM atomizer.tensor_stats(atomizer.tensor_id(model, tensor));
END;
COMMENT ON FUNCTION atomizer.tensor_stats(atomizer.regmodel, text) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_stats(atomizer.regmodel, text) TO PUBLIC;
