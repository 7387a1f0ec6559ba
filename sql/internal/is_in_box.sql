COMMENT ON FUNCTION atomizer_internal.is_in_box(geometry, float8, float8, float8, float8, float8, float8) IS
    'Whether a point is in a box, borders included.';
