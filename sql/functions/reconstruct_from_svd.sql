COMMENT ON FUNCTION atomizer.reconstruct_from_svd(real[], real[], real[], integer, integer) IS
    'The row-major matrix u * diag(s) * vt.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_from_svd(real[], real[], real[], integer, integer) TO PUBLIC;

COMMENT ON FUNCTION atomizer.reconstruct_from_svd(bytea, bytea, bytea, integer, integer) IS
    'As reconstruct_from_svd(real[], …), with little-endian 32-bit floats for input and output.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_from_svd(bytea, bytea, bytea, integer, integer) TO PUBLIC;

-- What literals are: without this one they could be both.
CREATE FUNCTION atomizer.reconstruct_from_svd(u text, s text, vt text, rows integer, columns integer) RETURNS real[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN atomizer.reconstruct_from_svd(u::real[], s::real[], vt::real[], rows, columns);
COMMENT ON FUNCTION atomizer.reconstruct_from_svd(text, text, text, integer, integer) IS
    'As reconstruct_from_svd(real[], …), of arrays that are written as text.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_from_svd(text, text, text, integer, integer) TO PUBLIC;
