COMMENT ON FUNCTION atomizer.segment_bytes() IS
    'Raw bytes of every segment of a content but its last: a content of n bytes has ceil(n / segment_bytes()::numeric) segments.';
GRANT EXECUTE ON FUNCTION atomizer.segment_bytes() TO PUBLIC;
