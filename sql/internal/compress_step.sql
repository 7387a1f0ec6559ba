COMMENT ON FUNCTION atomizer_internal.compress_step(bigint, integer, double precision, bigint, integer) IS
    'One step of compress_model(): decomposes the next tensor that needs it, from tensor first_tensor on.';
GRANT EXECUTE ON FUNCTION atomizer_internal.compress_step(bigint, integer, double precision, bigint, integer) TO PUBLIC;
