COMMENT ON FUNCTION atomizer.compute_hilbert_value(geometry, integer, box3d) IS
    'Index of a point''s cell along the 3D Hilbert curve through bounds (default -100 to 100) of 2^precision cells a side. A point outside has the cell nearest to it; z is 0 where there is none; null for an empty point.';
GRANT EXECUTE ON FUNCTION atomizer.compute_hilbert_value(geometry, integer, box3d) TO PUBLIC;
