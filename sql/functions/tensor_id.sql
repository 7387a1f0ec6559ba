COMMENT ON FUNCTION atomizer.tensor_id(atomizer.regmodel, text) IS
    'tensor_atom_id of a tensor, from its model and its layer name. Example: SELECT tensor_id(''smollm2'', ''token_embd.weight'').';
GRANT EXECUTE ON FUNCTION atomizer.tensor_id(atomizer.regmodel, text) TO PUBLIC;
