COMMENT ON FUNCTION atomizer.atoms_in_box(box3d, atomizer.spatial_index_strategy) IS
    'Your tensors, and rows of matrices, in a box, borders included. RTree and Hilbert3D find the same rows through different indexes.';
GRANT EXECUTE ON FUNCTION atomizer.atoms_in_box(box3d, atomizer.spatial_index_strategy) TO PUBLIC;
