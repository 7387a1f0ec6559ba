COMMENT ON FUNCTION atomizer_internal.model_weight_counts(bigint) IS 'Occurrences of each distinct weight of a stored model.';
