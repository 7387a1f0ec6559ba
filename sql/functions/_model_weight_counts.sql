COMMENT ON FUNCTION atomizer._model_weight_counts(bigint) IS 'Occurrences of each distinct weight of a stored model.';
