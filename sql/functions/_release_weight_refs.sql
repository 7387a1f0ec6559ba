COMMENT ON FUNCTION atomizer._release_weight_refs(bigint) IS 'Takes a model''s weights out of the counts of weight atoms.';
