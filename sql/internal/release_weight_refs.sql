COMMENT ON FUNCTION atomizer_internal.release_weight_refs(bigint) IS 'Subtracts a model''s weights from the reference counts of weight atoms.';
