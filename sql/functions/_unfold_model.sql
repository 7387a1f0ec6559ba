COMMENT ON FUNCTION atomizer._unfold_model(bigint) IS 'Takes a model''s weights out of the counts of weight atoms.';
