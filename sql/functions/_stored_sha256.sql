COMMENT ON FUNCTION atomizer._stored_sha256(bytea, bigint) IS 'SHA-256 of a stored content; null if it is damaged.';
