COMMENT ON FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) IS
    'Truncated singular value decomposition of a row-major matrix: u (rows x rank), s, vt (rank x cols). explained_variance is the share of the sum of squares that is kept, relative_error the Frobenius norm of the difference relative to the matrix.';
ALTER FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.svd_decompose(real[], integer, integer, integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) IS
    'As svd_decompose(real[], …), with little-endian 32-bit floats for input and output, as numpy.frombuffer reads them.';
ALTER FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.svd_decompose(bytea, integer, integer, integer) TO PUBLIC;
