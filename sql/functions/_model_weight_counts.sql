COMMENT ON FUNCTION atomizer._model_weight_counts(bigint) IS 'Occurrences of a stored model''s weights.';
