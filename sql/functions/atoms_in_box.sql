COMMENT ON FUNCTION atomizer.atoms_in_box(box3d, text) IS
    'Tensors and matrix rows of your models in a box, borders included. RTree and Hilbert3D return the same rows through different indexes. Example: SELECT * FROM atoms_in_box(''BOX3D(0 0 0, 10 10 10)'').';
GRANT EXECUTE ON FUNCTION atomizer.atoms_in_box(box3d, text) TO PUBLIC;
