COMMENT ON FUNCTION atomizer_internal.spatialize_step(bigint, text, integer) IS
    'One step of spatialize_model(): half a second of work, from a tensor on.';
GRANT EXECUTE ON FUNCTION atomizer_internal.spatialize_step(bigint, text, integer) TO PUBLIC;
