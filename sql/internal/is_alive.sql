COMMENT ON FUNCTION atomizer_internal.is_alive(integer, timestamp with time zone) IS
    'Whether a process that was started then still lives and does not idle; null on a standby.';
GRANT EXECUTE ON FUNCTION atomizer_internal.is_alive(integer, timestamp with time zone) TO PUBLIC;
