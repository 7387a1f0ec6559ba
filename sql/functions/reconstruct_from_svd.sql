COMMENT ON FUNCTION atomizer.reconstruct_from_svd(real[], real[], real[], integer, integer) IS
    'The row-major matrix u * diag(s) * vt.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_from_svd(real[], real[], real[], integer, integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer.reconstruct_from_svd(bytea, bytea, bytea, integer, integer) IS
    'As reconstruct_from_svd(real[], …), with little-endian 32-bit floats for input and output.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_from_svd(bytea, bytea, bytea, integer, integer) TO PUBLIC;
