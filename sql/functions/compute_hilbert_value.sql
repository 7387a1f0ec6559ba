COMMENT ON FUNCTION atomizer.compute_hilbert_value(geometry, integer, box3d) IS
    'Index of a point''s cell along the 3D Hilbert curve through bounds (default -100 to 100 on each axis), divided into 2^precision cells per side. A point outside gets the nearest cell; z defaults to 0; null for an empty point.';
GRANT EXECUTE ON FUNCTION atomizer.compute_hilbert_value(geometry, integer, box3d) TO PUBLIC;
