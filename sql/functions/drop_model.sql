COMMENT ON FUNCTION atomizer.drop_model(bigint) IS
    'Removes a model and takes back its references; returns the number of its tensors. collect_garbage() then frees what nothing refers to.';
GRANT EXECUTE ON FUNCTION atomizer.drop_model(bigint) TO PUBLIC;
