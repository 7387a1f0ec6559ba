COMMENT ON FUNCTION atomizer.drop_model(atomizer.regmodel) IS
    'Deletes a model and returns the number of its tensors. collect_garbage() then removes the contents that no other model refers to.';
GRANT EXECUTE ON FUNCTION atomizer.drop_model(atomizer.regmodel) TO PUBLIC;
