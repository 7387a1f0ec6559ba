COMMENT ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) IS
    'Number of a stored tensor''s weights in each of so many bins of equal width from low to high (default: its minimum and maximum).';
ALTER FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) ROWS 20;
GRANT EXECUTE ON FUNCTION atomizer.tensor_histogram(bigint, integer, double precision, double precision) TO PUBLIC;

-- bins is of the type that Postgres prefers among numbers, as the third argument above is: a smallint, as drivers send it,
-- would else lead to that function.
CREATE FUNCTION atomizer.tensor_histogram(
    model atomizer.regmodel, tensor text, bins double precision DEFAULT 20, low double precision DEFAULT NULL, high double
    precision DEFAULT NULL)
RETURNS TABLE(bin integer, bin_low double precision, bin_high double precision, weight_count bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20
BEGIN ATOMIC
    SELECT * FROM atomizer.tensor_histogram(atomizer.tensor_id(model, tensor), bins::integer, low, high);
END;
COMMENT ON FUNCTION atomizer.tensor_histogram(atomizer.regmodel, text, double precision, double precision, double precision) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_histogram(atomizer.regmodel, text, double precision, double precision, double precision) TO PUBLIC;
