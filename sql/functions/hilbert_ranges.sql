COMMENT ON FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) IS
    'At most max_ranges ranges of Hilbert values, ends included, that cover a box. They may cover more: compare the points found with the box itself.';
ALTER FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) ROWS 64;
GRANT EXECUTE ON FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) TO PUBLIC;
