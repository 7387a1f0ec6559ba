COMMENT ON FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) IS
    'Ranges of Hilbert values, both ends included, that cover a box: at most max_ranges. Points found through them must still be compared with the box.';
ALTER FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) ROWS 64;
GRANT EXECUTE ON FUNCTION atomizer.hilbert_ranges(box3d, integer, integer, box3d) TO PUBLIC;
