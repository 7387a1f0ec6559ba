COMMENT ON FUNCTION atomizer_internal.stored_sha256(bytea, bigint) IS 'SHA-256 of a stored content; null if it is damaged.';
