COMMENT ON FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) IS
    'Truncated singular value decomposition of a row-major matrix: u (rows x rank), s, vt (rank x columns). explained_variance is the share of the sum of squares that is kept, relative_error the Frobenius norm of the difference relative to the matrix.';
ALTER FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) IS
    'As svd_decompose(real[], …), with little-endian 32-bit floats for input and output, as numpy.frombuffer reads them.';
ALTER FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) TO PUBLIC;

-- What a literal is: without this one it could be both.
CREATE FUNCTION atomizer.svd_decompose(matrix text, rows integer, columns integer, rank integer)
RETURNS TABLE(u real[], s real[], vt real[], explained_variance double precision, relative_error double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM atomizer.svd_decompose(matrix::real[], rows, columns, rank);
END;
COMMENT ON FUNCTION atomizer.svd_decompose(text, integer, integer, integer) IS 'As svd_decompose(real[], …), of an array that is written as text.';
GRANT EXECUTE ON FUNCTION atomizer.svd_decompose(text, integer, integer, integer) TO PUBLIC;
