COMMENT ON FUNCTION atomizer._release_weight_refs(bigint) IS 'Subtracts a model''s weights from the reference counts of weight atoms.';
