COMMENT ON FUNCTION atomizer_internal.analyze_step(bigint, bigint, integer) IS
    'One step of analyze_model(): measures the matrices that need it from number first_tensor on, for a second or one of them.';
GRANT EXECUTE ON FUNCTION atomizer_internal.analyze_step(bigint, bigint, integer) TO PUBLIC;
