COMMENT ON FUNCTION atomizer.extract_lora(bigint, bigint, integer) IS
    'The difference of two stored tensors as a low-rank adapter: lora_b (outputs x rank) * lora_a (rank x inputs) approximates tuned - base.';
ALTER FUNCTION atomizer.extract_lora(bigint, bigint, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.extract_lora(bigint, bigint, integer) TO PUBLIC;

CREATE FUNCTION atomizer.extract_lora(
    base_model atomizer.regmodel, tuned_model atomizer.regmodel, tensor text, rank integer DEFAULT 16)
RETURNS TABLE(lora_a real[], lora_b real[], rank integer, explained_variance double precision,
    relative_error double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT * FROM atomizer.extract_lora(atomizer.tensor_id(base_model, tensor), atomizer.tensor_id(tuned_model, tensor), rank);
END;
COMMENT ON FUNCTION atomizer.extract_lora(atomizer.regmodel, atomizer.regmodel, text, integer) IS
    'The same of the tensor of one name in two models.';
GRANT EXECUTE ON FUNCTION atomizer.extract_lora(atomizer.regmodel, atomizer.regmodel, text, integer) TO PUBLIC;
