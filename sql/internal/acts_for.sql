COMMENT ON FUNCTION atomizer_internal.acts_for(bigint) IS 'Whether the caller acts for a tenant; policies and views ask it for each row.';
GRANT EXECUTE ON FUNCTION atomizer_internal.acts_for(bigint) TO PUBLIC;
